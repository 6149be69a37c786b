"""What is said of a row beside its prediction: checks that it fails, features it has outside.

A flag is a text, ``check:NAME`` or ``outside:FEATURE``. It knows nothing of wires or logs.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.arrays import Arrays
from octavo.bundle.support import Support
from octavo.definition import Check, Replace
from octavo.errors import DataError

Features = np.ndarray | Arrays | pl.DataFrame
"""A frame, an array for each feature, or a matrix of all of them as they are."""

Found = Sequence[Sequence[str] | None] | None
"""The flags of each row, None if it has none; None if no row has any."""


class Flags:
    """Finds the flags of what a bundle predicts for.

    Parameters
    ----------
    declared
        Has the checks.
    support
        What training rows had; None: of a candidate that was trained before that was kept.

    Raises
    ------
    DataError
        If a check reads what there is not.
    """

    def __init__(self, declared: Replace, bundle: Bundle, support: Support | None) -> None:
        self._bundle, self._support = bundle, support
        self._columns = {column.name: column for column in bundle.encoder.columns}
        self._inputs, self._outputs = declared.check_inputs, declared.check_outputs
        inputs = set(bundle.schema)
        _check_reads(self._inputs, inputs, "Replace.check_inputs")
        _check_reads(self._outputs, inputs | set(self._answers(1)), "Replace.check_outputs")

    def of(self, features: Features, predictions: np.ndarray) -> Found:
        """Return the flags of some rows.

        Parameters
        ----------
        predictions
            As `Bundle.predict` gives them.

        Raises
        ------
        DataError
            If a row fails a check that refuses.
        """
        found: dict[int, list[str]] = {}
        if self._inputs or self._outputs:
            for row, name in self._failed(features, predictions):
                found.setdefault(row, []).append(f"check:{name}")
        if self._support is not None:
            outside = self._support.outside(*self._support.values(self._columns, features))
            for row, names in self._support.unusual(outside).items():
                found.setdefault(row, []).extend(f"outside:{name}" for name in names)
        return [found.get(row) for row in range(len(predictions))] if found else None

    def _failed(self, features: Features, predictions: np.ndarray) -> Iterator[tuple[int, str]]:
        """Give row and check where one fails; what is null counts as met, as in a dataset."""
        frame = _frame(features, self._bundle.schema)
        frame = frame.with_columns(self._answers(len(predictions), predictions).values())
        for check in (*self._inputs, *self._outputs):
            is_met = frame.with_columns(check.condition.fill_null(True).alias("_met"))["_met"]
            rows = (~is_met).arg_true()
            if rows.len() and check.severity == "reject":
                raise DataError(
                    "the row does not meet it.",
                    where=f"check {check.name!r}, row {rows[0]}",
                    fix="Correct the values; the check is declared in pipeline.py.",
                )
            yield from ((row, check.name) for row in rows)

    def _answers(self, rows: int, predictions: np.ndarray | None = None) -> dict[str, pl.Series]:
        """Return what is answered, by the names that it has in an answer."""
        bundle = self._bundle
        several = bundle.kind == "multiclass"
        if predictions is None:
            predictions = np.zeros((rows, len(bundle.classes)) if several else rows)
        found = {bundle.target: predictions, **bundle.decisions(predictions)}
        if several:
            found = {
                f"{bundle.target}={n}": predictions[:, i] for i, n in enumerate(bundle.classes)
            }
        return {name: pl.Series(name, values) for name, values in found.items()}


def _check_reads(checks: Sequence[Check], known: set[str], where: str) -> None:
    for check in checks:
        for name in check.condition.meta.root_names():
            if name not in known:
                raise DataError(
                    f"check {check.name!r} reads {name!r}, which the deployed model has not.",
                    where=where,
                    fix=f"It has {', '.join(sorted(known)[:12])}.",
                )


def _frame(given: Features, schema: Mapping[str, str]) -> pl.DataFrame:
    """Return features as a frame, missing ones null."""
    if isinstance(given, pl.DataFrame):
        return given
    if isinstance(given, np.ndarray):
        given = {name: given[:, i] for i, name in enumerate(schema)}
    columns = []
    for name in schema:
        values = given[name]
        told = values.tolist() if values.dtype.kind in "OU" else values
        columns.append(pl.Series(name, told, nan_to_null=True, strict=False))
    return pl.DataFrame(columns)
