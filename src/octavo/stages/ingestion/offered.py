"""What is there to be ingested as one batch, wherever it comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Offered:
    """A file, or what a database gave.

    Attributes
    ----------
    path
        Where it is read.
    source
        What the catalog calls it; its last part is its name in messages.
    content
        Hash by which it is recognized.
    through
        How far a database was read, as the catalog has it; None: as a whole.
    """

    path: Path
    source: str
    content: str
    through: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """A short name."""
        return Path(self.source).name
