"""All that can be found about a batch, in one call and in the order of what matters.

Needs a frame and nothing else; what is known besides (keys, groups, rejected rows, other datasets)
makes it better. It knows nothing of stores.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from octavo.quality.anomalies import anomalies
from octavo.quality.finding import Finding
from octavo.quality.labels import labels
from octavo.quality.missing import constant, duplicates, missing
from octavo.quality.numbers import numbers
from octavo.quality.outliers import outliers
from octavo.quality.references import references
from octavo.quality.relations import relations
from octavo.quality.table import Table
from octavo.quality.written import refused, written


def examine(
    frame: pl.DataFrame | Table,
    *,
    keys: Sequence[str] = (),
    groups: Sequence[str] | None = None,
    rejected: pl.DataFrame | None = None,
    others: Mapping[str, pl.DataFrame] | None = None,
) -> list[Finding]:
    """Return what is wrong with a batch, faults first, those of most rows first.

    Parameters
    ----------
    frame
        Typed columns: numbers, Booleans, dates, times and texts. ``_row`` numbers the rows, if it
        is there; other columns whose names begin with ``_`` are not looked at. A `Table` keeps
        what was counted for `octavo.quality.profile`.
    keys
        The columns that identify a row, if they are declared.
    groups
        Columns within whose values outliers are looked for; None: they are found.
    rejected
        Rows that ingestion kept aside: ``_row, text, column, rule, reason``.
    others
        Rows of other datasets, to find references that lead nowhere.
    """
    table = frame if isinstance(frame, Table) else Table(frame)
    found = list(refused(table, rejected)) if rejected is not None else []
    if table.height:
        with np.errstate(all="ignore"):  # values may be as large as they like
            for find in (
                missing(table, keys),
                constant(table),
                duplicates(table, keys),
                labels(table),
                written(table),
                numbers(table),
                outliers(table, groups),
                anomalies(table),
                relations(table),
                references(table, others or {}),
            ):
                found += find
    return sorted(_once(found), key=lambda each: (each.weight != "fault", -each.rows))


def _once(found: list[Finding]) -> list[Finding]:
    """Leave out what says again, of the same rows and columns, that something is wrong."""
    said: dict[tuple[tuple[str, ...], bytes], Finding] = {}
    for each in found:
        said.setdefault(
            (each.columns, each.at.tobytes() if each.rows else each.rule.encode()), each
        )
    return list(said.values())
