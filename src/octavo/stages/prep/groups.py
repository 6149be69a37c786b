"""Which feature groups a prep extends, and which it folds from the beginning.

What is wanted and held by a live group is extended. What no group holds is back-filled as one new
group for each view, beside the live ones. A rebuild is a back-fill of all that is wanted of a view.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from octavo.definition.versions import Tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.groups import cover, new_group_id

FIRST, CHANGED, REBUILD = "first", "changed", "rebuild"
"""Why a group was begun: the view is new; features are new or have changed; it was asked for."""


@dataclass(frozen=True)
class Work:
    """One group's share of a prep."""

    name: str
    """The view, or `octavo.definition.versions.ROWS`."""
    group_id: str
    columns: Mapping[str, str]
    """Stored column to fingerprint; of a group that is extended, those still wanted."""
    wanted: Mapping[str, str]
    """Stored column to the feature's name in the definition."""
    last: Row | None
    """The group as its last prep left it; None for a group to be begun."""
    cause: str = ""
    """Why it is begun."""

    @property
    def since(self) -> int | None:
        """The position it has come to; None: it is folded from the beginning."""
        return self.last["position"] if self.last else None

    @property
    def is_cut_over(self) -> bool:
        """Whether it is begun beside, or instead of, groups that were there before."""
        return self.last is None and self.cause != FIRST

    def __str__(self) -> str:
        """Say what is to be done, as `octavo explain` does."""
        names = sorted(self.wanted.values())
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        verb = {FIRST: "folds", CHANGED: "back-fills", REBUILD: "rebuilds"}.get(self.cause)
        return f"{verb or 'extends'} {self.name}: {len(names)} columns ({shown})"


def plan(catalog: Catalog, tables: Tables, position: int, rebuild: Collection[str]) -> list[Work]:
    """Return what is to be done for every view and the rows, the rows first.

    Parameters
    ----------
    tables
        What the definition wants.
    position
        How far batches and withdrawals have come.
    rebuild
        The views (and rows) to fold anew although groups hold them.
    """
    found = []
    for name, wanted in tables.items():
        held, missing = ([], dict(wanted)) if name in rebuild else cover(catalog, name, wanted)
        for group in held:
            stored = {column: want for want, column in group.columns.items()}
            columns = {column: group.last["columns"][column] for column in stored}
            found.append(Work(name, group.group_id, columns, stored, group.last))
        if missing:
            stored = {mark: want for want, mark in missing.items()}  # a meaning is stored once
            columns = {want: mark for mark, want in stored.items()}
            group_id = new_group_id(catalog, name, columns, position)
            cause = REBUILD if name in rebuild else CHANGED if catalog.groups(name) else FIRST
            names = {column: column for column in columns}
            found.append(Work(name, group_id, columns, names, None, cause))
    return found


def rebuild_names(
    catalog: Catalog, tables: Tables, stale: Collection[str]
) -> tuple[list[Row], set[str]]:
    """Return the rebuilds that were asked for and are not done, and the views these concern."""
    pending = catalog.pending_rebuilds()
    names = {name for row in pending for name in row["names"] or stale}
    return pending, names & set(tables)
