"""What is wrong with a batch of rows: findings, and a profile. Pure functions over frames."""

from octavo.quality.changes import changes
from octavo.quality.examine import examine
from octavo.quality.finding import Finding
from octavo.quality.profile import profile
from octavo.quality.table import Table

__all__ = ["Finding", "Table", "changes", "examine", "profile"]
