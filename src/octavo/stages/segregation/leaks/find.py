"""Looks at a table for every kind of leak."""

import polars as pl

from octavo.stages.segregation.leaks.columns import FEWEST, of_columns, scaled
from octavo.stages.segregation.leaks.finding import KINDS, Examined, Leak
from octavo.stages.segregation.leaks.overlap import duplicates, entities


def find_leaks(table: Examined) -> list[Leak]:
    """Return what looks like a leak, each column at most once, the surest kind first."""
    leaks = _of_target(table)
    told = {leak.columns for leak in leaks}
    leaks += [leak for leak in scaled(table) if leak.columns not in told]
    return sorted(leaks, key=lambda leak: KINDS.index(leak.kind))


def _of_target(table: Examined) -> list[Leak]:
    """Return what tells of the target; nothing if that says nothing."""
    labeled = pl.Series(table.frame[table.label].is_not_null())
    frame = table.frame.filter(labeled)
    if frame.height < FEWEST or frame[table.label].n_unique() < 2:
        return []
    parts = None if table.parts is None else table.parts.filter(labeled)
    trained = frame if parts is None else frame.filter((parts == "train").fill_null(False))
    found: dict[tuple[str, ...], Leak] = {}
    if trained.height >= FEWEST and trained[table.label].n_unique() > 1:
        for leak in of_columns(table, trained):
            found.setdefault(leak.columns, leak)
    leaks = list(found.values())
    if parts is not None:
        leaks += duplicates(frame.select(table.features), parts)
        leaks += entities(table, frame, parts)
    return leaks
