"""Tensors and columns: what a request's tensors say of a model's features, and back.

A row is an element of a tensor's first dimension. A request has one tensor for each feature, of
shape [N] or [N, 1]; or a single one of shape [N, F] that holds all features in the order of the
metadata, if all are numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from octavo.errors import DataError
from octavo.server.v2.datatypes import NUMPY, of_feature, of_values, sort_of

MATRIX_SORTS = ("number", "boolean")
Columns = dict[str, np.ndarray] | np.ndarray
"""An array for each feature, or the matrix of all."""


class Tensor(NamedTuple):
    """One tensor."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: np.ndarray
    """Flat; texts are ``object``: str, None where missing."""


class Expected(NamedTuple):
    """A tensor as a request announces it, before its values are read."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"input {self.name!r}"

    def elements(self) -> int:
        """Return how many elements it has.

        Raises
        ------
        DataError
            If it can be no tensor of features.
        """
        if self.datatype not in NUMPY:
            raise DataError(
                f"there is no datatype {self.datatype!r} here.",
                where=self.where,
                fix=f"Use one of {', '.join(NUMPY)}.",
            )
        if not 1 <= len(self.shape) <= 2 or min(self.shape) < 0:
            raise DataError(
                f"its shape is {list(self.shape)}.",
                where=self.where,
                fix="Send [N], [N, 1], or [N, F] for all F features together.",
            )
        count = 1
        for size in self.shape:
            count *= size
        return count


def columns(tensors: Sequence[Tensor], features: Mapping[str, str]) -> Columns:
    """Return the features, as `Model.predict_features` takes them.

    Parameters
    ----------
    features
        Name to Polars dtype, printed.

    Raises
    ------
    DataError
        If the tensors are not those of the features; it names the first that is in the way.
    """
    if len(tensors) == 1 and len(features) > 1 and len(tensors[0].shape) == 2:
        return _of_matrix(tensors[0], features)
    given: dict[str, Tensor] = {}
    for tensor in tensors:
        if tensor.name in given:
            raise DataError("it is there twice.", where=f"input {tensor.name!r}")
        if tensor.name not in features:
            raise DataError(
                "the model has no such feature.",
                where=f"input {tensor.name!r}",
                fix="Send those of the model's metadata.",
            )
        given[tensor.name] = tensor
    for name in features:
        if name not in given:
            raise DataError(
                "it is missing.",
                where=f"input {name!r}",
                fix="Send each feature of the model's metadata; NaN where a value is not known.",
            )
    return _of_each(given, features)


def _of_each(given: Mapping[str, Tensor], features: Mapping[str, str]) -> dict[str, np.ndarray]:
    found, rows = {}, None
    for name, dtype in features.items():
        tensor = given[name]
        if len(tensor.shape) == 2 and tensor.shape[1] != 1:
            raise DataError(
                f"its shape is {list(tensor.shape)}.",
                where=f"input {name!r}",
                fix="Send [N] or [N, 1].",
            )
        rows = tensor.shape[0] if rows is None else rows
        if tensor.shape[0] != rows:
            raise DataError(
                f"it has {tensor.shape[0]} rows, and {next(iter(features))!r} has {rows}.",
                where=f"input {name!r}",
                fix="Send as many rows of each.",
            )
        found[name] = as_feature(name, dtype, tensor.values)
    return found


def _of_matrix(tensor: Tensor, features: Mapping[str, str]) -> np.ndarray:
    where = f"input {tensor.name!r}"
    for name, dtype in features.items():
        if sort_of(dtype) not in MATRIX_SORTS:
            raise DataError(
                f"feature {name!r} is {of_feature(dtype)}, no number.",
                where=where,
                fix="Send a tensor for each feature.",
            )
    if tensor.shape[1] != len(features):
        raise DataError(
            f"its shape is {list(tensor.shape)}; the model has {len(features)} features.",
            where=where,
            fix=f"Send [N, {len(features)}], in the order of the model's metadata.",
        )
    name, dtype = next(iter(features.items()))
    return as_feature(name, dtype, tensor.values).reshape(tensor.shape)


def as_feature(name: str, dtype: str, values: np.ndarray) -> np.ndarray:
    """Return values as those of a feature: text for text, numbers for all else.

    Raises
    ------
    DataError
        If they are of another sort.
    """
    sort = sort_of(dtype)
    if (sort == "text") != (values.dtype == object):
        raise DataError(
            f"it is {of_values(values)}; the model takes {of_feature(dtype)}.",
            where=f"feature {name!r}",
            fix="Send it as the model's metadata say.",
        )
    if sort in ("moment", "duration"):
        return _as_times(values, "M8[us]" if sort == "moment" else "m8[us]")
    return values


def _as_times(values: np.ndarray, unit: str) -> np.ndarray:
    """Return microseconds as times; NaN, or what no time can be, is none."""
    if values.dtype.kind != "f":
        return values.astype(np.int64).view(unit)
    known = np.abs(values) < 2.0**63
    whole = np.where(known, values, 0).astype(np.int64)
    return np.where(known, whole.view(unit), np.array("NaT", unit))


def answers(
    outputs: Mapping[str, np.ndarray], wanted: Iterable[str]
) -> Sequence[tuple[str, np.ndarray]]:
    """Return the outputs that are asked for; of none, all.

    Raises
    ------
    DataError
        If the model has none of a name.
    """
    names = list(wanted) or list(outputs)
    for name in names:
        if name not in outputs:
            raise DataError(
                "the model has no such output.",
                where=f"output {name!r}",
                fix=f"There are {', '.join(outputs)}.",
            )
    return [(name, outputs[name]) for name in names]
