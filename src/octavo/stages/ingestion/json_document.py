"""A JSON document: an array of objects, or an object that holds exactly one at some path.

Each object is a row, its keys are columns; types are those of `json_lines`, and so is a file of
lines that is named .json. The document is read whole. It knows nothing of delimited text.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from octavo.errors import DataError
from octavo.stages.ingestion.json_lines import JsonLines, Rows
from octavo.stages.ingestion.loaded import Part, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK

_DEEPEST = 4  # objects within objects in which the array of rows is looked for

_Object = dict[str, msgspec.Raw]
_Array = list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class JsonDocument(JsonLines):
    """A JSON document, whole."""

    elements: _Array = field(default_factory=list)

    def blocks(self) -> Iterator[_Array]:
        """Give all rows at once."""
        yield self.elements

    def read(self, block: _Array) -> Part:
        """Tell objects from what is none."""
        rows = Rows(self)
        for number, element in enumerate(block):
            rows.take(number, bytes(element))

        def text(number: int) -> str:
            return bytes(block[number]).decode(errors="backslashreplace")

        return rows.part(text, self.source.total)


def load(source: Source, wanted: Wanted) -> JsonLines:
    """Read a JSON document.

    Raises
    ------
    DataError
        If it is no JSON, or holds no array of objects or several.
    """
    text = text_begun(source, BLOCK)
    while piece := source.read(BLOCK):
        text += piece
    try:
        document = msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.MsgspecError as error:
        if _begins_with_object(text):
            return JsonLines(source, wanted, text)
        raise DataError(
            f"it is not JSON: {error}.", where=source.place, fix="Deliver it again, whole."
        ) from error
    return JsonDocument(source, wanted, b"", _rows(document, source.place))


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
