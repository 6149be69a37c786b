"""The protocol's datatypes, and which of them a feature is."""

from collections.abc import Mapping

import numpy as np

BYTES = "BYTES"
NUMPY: Mapping[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    BYTES: np.dtype(object),
}
"""Those that a tensor may have; BF16, which NumPy has not, is not among them."""

_SORTS = {"Boolean": "boolean", "String": "text", "Categorical": "text", "Enum": "text"}
_TIMES = ("Date", "Datetime", "Time", "Duration")
_SAME = {
    "Int8": "INT8",
    "Int16": "INT16",
    "Int32": "INT32",
    "Int64": "INT64",
    "UInt8": "UINT8",
    "UInt16": "UINT16",
    "UInt32": "UINT32",
    "UInt64": "UINT64",
    "Float32": "FP32",
}


def sort_of(dtype: str) -> str:
    """Return what a feature is: a "number", a "boolean", a "text", a "moment" or a "duration".

    Parameters
    ----------
    dtype
        A Polars dtype, printed.
    """
    name = dtype.split("(")[0]
    if name in _TIMES:
        return "duration" if name in ("Duration", "Time") else "moment"
    return _SORTS.get(name, "number")


def of_feature(dtype: str) -> str:
    """Return the datatype that metadata tell for a feature.

    Times are INT64: microseconds, since the epoch, since midnight, or of a duration.
    """
    by_sort = {"boolean": "BOOL", "text": BYTES, "moment": "INT64", "duration": "INT64"}
    return by_sort.get(sort_of(dtype)) or _SAME.get(dtype, "FP64")


def of_values(values: np.ndarray) -> str:
    """Return the datatype of an answer's column."""
    return next(name for name, dtype in NUMPY.items() if dtype == values.dtype)
