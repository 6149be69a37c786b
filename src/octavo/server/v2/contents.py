"""Tensors in gRPC messages: as raw bytes, or as lists of values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.errors import DataError
from octavo.server.v2 import binary
from octavo.server.v2.datatypes import BYTES, NUMPY
from octavo.server.v2.tensors import Expected, Tensor

_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Which list holds a datatype. FP16 is in none: it comes as raw bytes."""


def tensors(request: Any) -> Sequence[Tensor]:
    """Return the tensors of a ``ModelInferRequest``.

    Raises
    ------
    DataError
        If one is not what its shape and datatype say.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise DataError(
            f"it has {len(raw)} contents for {len(request.inputs)} inputs.",
            where="raw_input_contents",
            fix="Send all inputs so, in their order, or none.",
        )
    found = []
    for number, each in enumerate(request.inputs):
        expected = Expected(each.name, each.datatype, tuple(each.shape))
        if raw:
            found.append(binary.decode(expected, memoryview(raw[number])))
        else:
            found.append(_listed(expected, each.contents))
    return found


def _listed(expected: Expected, contents: Any) -> Tensor:
    count = expected.elements()
    field = _FIELDS.get(expected.datatype)
    values = getattr(contents, field) if field else ()
    if len(values) != count:
        raise DataError(
            f"{expected.datatype} {list(expected.shape)} has {count} elements; "
            f"there are {len(values)}.",
            where=f"{expected.where}, {field or 'contents'}",
            fix="Send shape and contents that fit each other; FP16 in raw_input_contents.",
        )
    try:
        if expected.datatype == BYTES:
            values = [text.decode() for text in values]
        found = np.array(values, NUMPY[expected.datatype])
    except (UnicodeDecodeError, OverflowError) as error:
        raise DataError(f"{error}.", where=expected.where) from error
    return Tensor(expected.name, expected.datatype, expected.shape, found)
