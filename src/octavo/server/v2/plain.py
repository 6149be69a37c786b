"""Tensors as JSON: flat, or nested as their shape says."""

from typing import Any

import msgspec
import numpy as np

from octavo.errors import DataError
from octavo.server.v2.datatypes import NUMPY
from octavo.server.v2.tensors import Expected, Tensor

_ELEMENTS: dict[str, Any] = {"b": bool, "i": int, "u": int, "f": float | None, "O": str | None}
"""What stands for an element of each of NumPy's kinds. A number or a text may be missing."""


def decode(expected: Expected, data: Any) -> Tensor:
    """Read a tensor.

    Parameters
    ----------
    data
        ``msgspec.Raw``, or what Python makes of JSON.

    Raises
    ------
    DataError
        If the elements are not of its datatype or not as many as its shape has.
    """
    count, dtype = expected.elements(), NUMPY[expected.datatype]
    try:
        flat = _flat(data, _ELEMENTS[dtype.kind], expected.shape)
        if len(flat) != count:
            raise msgspec.ValidationError(f"the shape has {count} elements, there are {len(flat)}")
        with np.errstate(over="raise"):
            values = np.array(flat, dtype)
    except (msgspec.ValidationError, ArithmeticError, UnicodeError) as error:
        raise DataError(
            f"{error}.".replace("..", "."),
            where=f"{expected.where}, data",
            fix=f"Send {expected.datatype} {list(expected.shape)}, flat or nested.",
        ) from error
    return Tensor(expected.name, expected.datatype, expected.shape, values)


def _flat(data: Any, element: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return the elements in a row."""
    if len(shape) == 1 or not _is_nested(data):
        return _typed(data, list[element])
    rows = _typed(data, list[list[element]])
    for number, row in enumerate(rows):
        if len(row) != shape[1]:
            raise msgspec.ValidationError(f"row {number} has {len(row)} elements")
    return [each for row in rows for each in row]


def _is_nested(data: Any) -> bool:
    if isinstance(data, msgspec.Raw):
        return bytes(memoryview(data)[:64]).translate(None, b" \t\r\n").startswith(b"[[")
    return isinstance(data, list) and bool(data) and isinstance(data[0], list)


def _typed(data: Any, kind: Any) -> Any:
    if isinstance(data, msgspec.Raw):
        return msgspec.json.decode(data, type=kind)
    return msgspec.convert(data, kind)
