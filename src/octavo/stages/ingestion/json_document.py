"""A JSON document: an array of objects, or an object that holds exactly one at some path.

Each object is a row, its keys are columns; types are those of `json_lines`, and so is a file of
lines that is named .json. The document is read whole. It knows nothing of delimited text.
"""

from collections.abc import Callable, Iterator

import msgspec
import polars as pl

from octavo.engines import Engine
from octavo.errors import DataError
from octavo.stages.ingestion import json_lines
from octavo.stages.ingestion.loaded import ROW, Loaded, Rejection, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK

_DEEPEST = 4  # objects within objects in which the array of rows is looked for

_Object = dict[str, msgspec.Raw]
_Array = list[msgspec.Raw]


def load(
    source: Source, wanted: Wanted, engine: Engine, progress: Callable[[int, int], None]
) -> Loaded:
    """Read a JSON document.

    Raises
    ------
    DataError
        If it is no JSON, holds no array of objects or several, or has other columns than before.
    """
    text = text_begun(source, BLOCK)
    while piece := source.read(BLOCK):
        text += piece
        progress(source.done, source.total)
    try:
        document = msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.MsgspecError as error:
        if _begins_with_object(text):
            return json_lines.lines(text, source, wanted, engine, progress)
        raise DataError(
            f"it is not JSON: {error}.", where=source.place, fix="Deliver it again, whole."
        ) from error
    return _loaded(_rows(document, source.place), wanted, source.place)


def _begins_with_object(text: bytes) -> bool:
    try:
        msgspec.json.decode(text.split(b"\n", 1)[0], type=_Object)
    except msgspec.MsgspecError:
        return False
    return True


def _rows(document: msgspec.Raw, place: str) -> _Array:
    """Return the elements of the array that holds the rows."""
    found = dict(_arrays(document, "", _DEEPEST))
    if len(found) == 1:
        return next(iter(found.values()))
    if not found and bytes(document).lstrip().startswith(b"{"):
        return [document]
    listed = f": {', '.join(found)}" if found else ""
    raise DataError(
        f"the document holds {len(found)} arrays of objects{listed}.",
        where=place,
        fix="Deliver each as a file of its own.",
    )


def _arrays(value: msgspec.Raw, path: str, depth: int) -> Iterator[tuple[str, _Array]]:
    """Give the arrays of objects in a value, by their paths."""
    first = bytes(value).lstrip()[:1]
    if first == b"[":
        elements = msgspec.json.decode(value, type=_Array)
        if any(bytes(element).lstrip().startswith(b"{") for element in elements):
            yield path or "the document", elements
    elif first == b"{" and depth:
        for key, inner in msgspec.json.decode(value, type=_Object).items():
            yield from _arrays(inner, f"{path}.{key}" if path else key, depth - 1)


def _loaded(elements: _Array, wanted: Wanted, place: str) -> Loaded:
    rows: list[_Object] = []
    numbers: list[int] = []
    rejected: list[Rejection] = []
    for number, element in enumerate(elements):
        try:
            rows.append(msgspec.json.decode(element, type=_Object))
            numbers.append(number)
        except msgspec.MsgspecError as error:
            why = f"it is not a JSON object: {error}"
            rejected.append(Rejection(number, bytes(element).decode(), None, "json", why))
    frame = json_lines.as_written(rows, numbers)
    names = wanted.choose([name for name in frame.columns if name != ROW], place, sparse=True)
    absent = [pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns]
    frame = frame.with_columns(absent).select(*names, ROW)
    return Loaded(
        frame,
        rejected,
        len(elements),
        lambda row: bytes(elements[row]).decode(errors="backslashreplace"),
        json_lines.infer_tokens,
        json_lines.cast_tokens,
        json_lines.shown,
    )
