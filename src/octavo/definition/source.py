"""What every source of a dataset declares: types of columns, and their other names.

It knows nothing of files or databases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from octavo.definition.arguments import columns, instance
from octavo.definition.fingerprint import Declaration
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(Declaration):
    """Where the rows of a dataset come from: `octavo.definition.Files` or `…Sql`."""

    types: Mapping[str, Any] = field(default_factory=dict)
    """Polars types that win over those found, by column."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Columns that are called otherwise at times: their name then to the name of the dataset's
    column. The raw store keeps the name that came; events have both as one column."""

    def __post_init__(self) -> None:
        where = type(self).__name__
        instance(self.types, Mapping, where=f"{where}.types")
        _check_renamed(self.renamed, where=f"{where}.renamed")
        object.__setattr__(self, "renamed", dict(self.renamed))
        object.__setattr__(self, "types", dict(self.types))


def _check_renamed(renamed: Any, *, where: str) -> None:
    """Refuse what leads from one new name to another, or nowhere."""
    instance(renamed, Mapping, where=where)
    columns([*renamed, *renamed.values()], where=where)
    if chained := sorted(set(renamed) & set(renamed.values())):
        raise DefinitionError(
            f"{chained[0]!r} is both a name in the source and a name of the dataset.",
            where=where,
            fix='Map each name there to the one that the definition uses: {"amt": "amount"}.',
        )
