"""What a file has to be told to be read as it is meant: times that are texts, keys that are data.

It knows nothing of what columns are good for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from octavo.stages.ingestion import types

KEYS = 20
"""Keys of one object from which they may be data."""
FILLED = 0.2
"""Mean share of records that have such a key, below which they are data."""
_LOOK = 200


@dataclass(frozen=True)
class Reading:
    """What `ov.Files` is told.

    Attributes
    ----------
    types
        Columns of text that are dates or times: formats without such types hold them so.
    whole
        Paths of objects whose keys are data.
    """

    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    whole: tuple[str, ...] = ()


def told(frame: pl.DataFrame, said: Reading) -> Reading:
    """Return what should be said besides, after a file was read as was said before."""
    if found := _objects_of_data(frame):
        return replace(said, whole=(*said.whole, *found))
    times = {name: dtype for name in frame.columns if (dtype := _time(frame[name])) is not None}
    return replace(said, types={**said.types, **times})


def _objects_of_data(frame: pl.DataFrame) -> list[str]:
    keys: dict[str, list[str]] = {}
    for name in frame.columns:
        parent, found, _ = name.rpartition(".")
        if found:
            keys.setdefault(parent, []).append(name)
    filled = {name: 1 - frame[name].null_count() / max(frame.height, 1) for name in frame.columns}
    return [
        parent
        for parent, names in keys.items()
        if len(names) >= KEYS and sum(filled[n] for n in names) < FILLED * len(names)
    ]


def _time(column: pl.Series) -> pl.DataType | None:
    if column.dtype != pl.String:
        return None
    for values in (column.drop_nulls().head(_LOOK), column):
        found = types.infer(values).values.dtype
        if not found.is_temporal():
            return None
    return found
