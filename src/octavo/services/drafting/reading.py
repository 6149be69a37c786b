"""What a file has to be told to be read as it is meant.

Times that are texts, objects whose keys are data, lines of a log. It knows nothing of what columns
are good for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from octavo.stages.ingestion import types
from octavo.stages.ingestion.lines import LOOKED_AT, told_lines
from octavo.stages.ingestion.opening import opened, text_begun

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
    lines
        The pattern of a log.
    """

    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    lines: str | None = None


def of_lines(path: Path) -> str | None:
    """Return the pattern of a log; None if the file is another thing."""
    if path.is_dir():
        return None
    with opened(path, "init") as source:
        if source.kind != "lines":
            return None
        return told_lines(text_begun(source, LOOKED_AT), source.place)


def told(frame: pl.DataFrame, said: Reading, flat: Collection[str] = ()) -> Reading:
    """Return what should be said besides, after a file was read as was said before.

    Parameters
    ----------
    flat
        What names begin with that are no paths, from `split_in_vain`.
    """
    known = {*said.whole, *flat}
    if found := [parent for parent in _objects_of_data(frame) if parent not in known]:
        return replace(said, whole=(*said.whole, *found))
    times = {name: dtype for name in frame.columns if (dtype := _time(frame[name])) is not None}
    return replace(said, types={**said.types, **times})


def split_in_vain(frame: pl.DataFrame, said: Reading) -> set[str]:
    """Return the objects to be kept whole whose keys are still columns: there is no such object."""
    parents = {name.rpartition(".")[0] for name in frame.columns}
    return parents.intersection(said.whole)


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
