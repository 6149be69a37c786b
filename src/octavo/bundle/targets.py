"""Labels as the numbers that algorithms and metrics work with."""

import numpy as np
import polars as pl

from octavo.definition import Pipeline
from octavo.errors import DataError, DefinitionError


def classes_of(label: pl.Series, pipeline: Pipeline) -> list[str]:
    """Return the classes of a multiclass label, sorted; none for other kinds."""
    if pipeline.problem.kind != "multiclass":
        return []
    return sorted(label.cast(pl.String).unique().to_list())


def target_numbers(label: pl.Series, pipeline: Pipeline, classes: list[str]) -> np.ndarray:
    """Return labels as float64, shape (n,): 0/1 for binary, class numbers, or values.

    For anomalies 0/1, NaN where no label is known; if the metric needs none, the chance of an
    alarm that the budget allows each row.

    Raises
    ------
    DefinitionError
        If the label is not of the problem's kind.
    DataError
        If a class does not occur in training.
    """
    kind, where = pipeline.problem.kind, f"label {pipeline.label.name!r}"
    if not pipeline.problem.needs_labels:
        return np.full(label.len(), pipeline.problem.budget)
    if kind == "multiclass":
        return _class_numbers(label.cast(pl.String), classes, where)
    if not (label.dtype == pl.Boolean or label.dtype.is_numeric()):
        raise _not_a(kind, where, f"cannot be {label.dtype}")
    numbers = label.cast(pl.Float64).to_numpy()
    told = numbers[~np.isnan(numbers)] if kind == "anomaly" else numbers
    if kind != "regression" and not np.isin(told, (0.0, 1.0)).all():
        raise _not_a(kind, where, "must be true or false (or 1 and 0)")
    return numbers


def _not_a(kind: str, where: str, what: str) -> DefinitionError:
    wanted = "a number" if kind == "regression" else 'a condition, e.g. pl.col("delay") > 30'
    return DefinitionError(
        f"a {kind} target {what}.", where=where, fix=f"Make label.value {wanted}."
    )


def _class_numbers(label: pl.Series, classes: list[str], where: str) -> np.ndarray:
    numbers = {name: float(number) for number, name in enumerate(classes)}
    unseen = sorted(set(label.unique()) - set(numbers))
    if unseen:
        raise DataError(
            f"the class {unseen[0]!r} does not occur in the training part.",
            where=where,
            fix="Give train a larger share, or join rare classes.",
        )
    return label.replace_strict(numbers, return_dtype=pl.Float64).to_numpy()
