"""Objects within objects as columns called by their paths; lists as text, or as rows.

Each record is flattened by itself, so blocks and requests give the same columns. Two values of
different paths for one column, such as a key ``a.b`` beside ``{"a": {"b": …}}``, are an error and
never one of the two. It knows nothing of files and types.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from octavo.definition import Nested
from octavo.errors import DataError, DefinitionError

LENGTH = "length"
"""Last part of the path of a list's number of elements."""
DEEPEST = 32
"""Objects within objects; what is deeper stays JSON text."""
MOST_KEYS = 2_000
"""Different keys of one object over all records, from which they are taken for data."""

Record = dict[str, Any]
"""Key to JSON as it is written."""

object_of: Callable[[Any], Record] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Takes a JSON object apart, and nothing within it."""
_array: Callable[[Any], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_OBJECT, _ARRAY = ord("{"), ord("[")


def records(text: bytes, nested: Nested) -> list[Record]:
    """Return the rows that one object becomes: column to JSON as it is written.

    Raises
    ------
    msgspec.MsgspecError
        If the text is no JSON object.
    DataError
        If two values have the same column, or it is nested too deeply to be read at all.
    """
    try:
        found = object_of(text)
        if text.count(b"{") == 1 and b"[" not in text and not nested.names:
            return [found]
        return rows_of(found, nested)
    except RecursionError as error:
        raise too_deep() from error


def rows_of(record: Record, nested: Nested) -> list[Record]:
    """Return the rows that an object becomes whose values are JSON as it is written."""
    flat: Record = {}
    _flatten(record, nested, flat)
    rows = [flat] if nested.rows is None else list(_elements(flat, nested.rows, nested))
    return [_renamed(row, nested.names) for row in rows] if nested.names else rows


def _flatten(
    record: Record, nested: Nested, flat: Record, before: str = "", depth: int = 0
) -> None:
    """Add an object's values by their paths, which begin with ``before``."""
    for key, value in record.items():
        path = before + key
        first = memoryview(value)[0]
        if first == _OBJECT and depth < DEEPEST and path not in nested.whole:
            _flatten(object_of(value), nested, flat, path + nested.separator, depth + 1)
        else:
            _put(flat, path, value)
        if first == _ARRAY and path != nested.rows:
            _put(flat, length_of(path, nested), b"%d" % len(_array(value)))


def _put(flat: Record, path: str, value: Any) -> None:
    if path in flat:
        raise twice(path)
    flat[path] = value


def too_deep() -> DataError:
    """Return that the parser gave up."""
    return DataError("it is nested too deeply to be read.", fix="Send fewer levels.")


def twice(name: str, place: str = "") -> DataError:
    """Return that a column has two values."""
    return DataError(
        f"there are two values for the column {name!r}.",
        where=place,
        fix='Separate paths otherwise, ov.Nested(separator="/"), or give one another name.',
    )


def _elements(flat: Record, path: str, nested: Nested) -> Iterator[Record]:
    """Give a row for each element of a list; the record itself if it has none."""
    listed = flat.pop(path, b"null")
    if memoryview(listed)[0] != _ARRAY:
        yield flat | ({} if bytes(listed) == b"null" else {path: listed})
        return
    elements = _array(listed)
    for element in elements:
        row = dict(flat)
        _flatten({path: element}, nested, row)
        yield row
    if not elements:
        yield flat


def _renamed(row: Record, names: Mapping[str, str]) -> Record:
    found: Record = {}
    for path, value in row.items():
        _put(found, names.get(path, path), value)
    return found


def length_of(path: str, nested: Nested) -> str:
    """Return the path of the number of elements of a list."""
    return f"{path}{nested.separator}{LENGTH}"


def check_keys(columns: Iterable[str], nested: Nested, place: str) -> None:
    """Refuse an object whose keys are data: each would be a column.

    Raises
    ------
    DataError
        Naming it.
    """
    keys: dict[str, int] = {}
    for path in columns:
        parent, found, _ = path.rpartition(nested.separator)
        if found:
            keys[parent] = keys.get(parent, 0) + 1
            if keys[parent] > MOST_KEYS:
                raise DataError(
                    f"the objects at {parent!r} have more than {MOST_KEYS:,} different keys: these "
                    "are data, not names of columns.",
                    where=place,
                    fix=f"Keep them as text: ov.Nested(whole=[{parent!r}]).",
                )


def check_rows(columns: Iterable[str], nested: Nested, place: str) -> None:
    """Refuse a path of rows at which no record has a list with elements.

    Raises
    ------
    DefinitionError
        Naming the lists there are.
    """
    back = {name: path for path, name in nested.names.items()}
    paths, path, between = [back.get(name, name) for name in columns], nested.rows, nested.separator
    if path is None or any(each == path or each.startswith(path + between) for each in paths):
        return
    lists = [each for each in paths if length_of(each, nested) in paths]
    raise DefinitionError.unknown("list with elements", path, lists, where=f"{place}, Nested.rows")


def columns_of(
    found: Iterable[str], valued: Container[str], known: Collection[str] | None, nested: Nested
) -> list[str]:
    """Return the columns among those found that are more than the shadow of others.

    Parameters
    ----------
    found
        In the order they were met.
    valued
        Those that are not null everywhere: an object may be null, which is no column of its own.
    known
        Columns of earlier batches, or None.
    """
    found = list(found)
    all_names = [*found, *(known or ())]
    parents = {parent for name in all_names for parent in _parents(name, nested.separator)}
    return [name for name in found if name in valued or name not in parents]


def _parents(path: str, between: str) -> Iterator[str]:
    at = path.find(between)
    while at >= 0:
        yield path[:at]
        at = path.find(between, at + 1)
