"""Which feature groups hold the columns that a definition wants.

A group is the columns of one view (or of the rows) that were back-filled together: one table and,
for a view, one state. This module knows what the catalog says of groups, not what is in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from octavo.definition import fingerprint
from octavo.stores.catalog import Catalog, Row


@dataclass(frozen=True)
class Held:
    """A group, and what of it is wanted."""

    group_id: str
    name: str
    """The view, or `octavo.definition.versions.ROWS`."""
    columns: Mapping[str, str]
    """Name wanted to the name it is stored under; these differ where a feature was renamed."""
    last: Row
    """The group with its last prep, as `Catalog.live_groups` gives it."""


def cover(
    catalog: Catalog, name: str, wanted: Mapping[str, str]
) -> tuple[list[Held], dict[str, str]]:
    """Return the groups that hold what is wanted of a view, oldest first, and what none holds.

    Parameters
    ----------
    wanted
        Column to fingerprint. Of several groups with one fingerprint the newest is taken.
    """
    found: list[Held] = []
    missing = dict(wanted)
    for group in catalog.live_groups(name):
        stored = {mark: column for column, mark in group["columns"].items()}
        columns = {want: stored[mark] for want, mark in missing.items() if mark in stored}
        if columns:
            found.append(Held(group["group_id"], name, columns, group))
            missing = {want: mark for want, mark in missing.items() if want not in columns}
    return found[::-1], missing


def new_group_id(catalog: Catalog, name: str, columns: Mapping[str, str], position: int) -> str:
    """Return the ID of a group to be back-filled: of what is folded, how far, and after which.

    So a killed back-fill finds its own files again, and a rebuild never those that it replaces.
    """
    earlier = [group["group_id"] for group in catalog.groups(name)]
    return fingerprint([name, dict(columns), position, earlier])
