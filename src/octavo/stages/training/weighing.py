"""What training rows weigh, which answers must be monotone, where the last value is: as arrays.

Knows nothing of algorithms or searches.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from octavo.bundle import ColumnKind, Encoder
from octavo.errors import DataError, DefinitionError

BALANCED = "balanced"


def column(declared: str | None, rows: pl.DataFrame) -> np.ndarray:
    """Read the feature that rows weigh, NaN where it is null; nothing if none is named.

    Parameters
    ----------
    declared
        ``Training.weights``.
    """
    if declared in (None, BALANCED):
        return np.empty(0)
    return rows[declared].cast(pl.Float64).fill_null(np.nan).to_numpy()


def weights(declared: str | None, truth: np.ndarray, found: np.ndarray) -> np.ndarray | None:
    """Return the weights of rows, with the mean 1; None if all weigh the same.

    Parameters
    ----------
    declared
        ``Training.weights``.
    truth
        Class numbers of the rows, or values.
    found
        What `column` read.

    Raises
    ------
    DataError
        If a weight is missing, infinite or not positive.
    """
    if declared is None:
        return None
    if declared == BALANCED:
        counts = np.bincount(truth.astype(int))
        return (truth.size / np.count_nonzero(counts) / np.maximum(counts, 1))[truth.astype(int)]
    wrong = ~(np.isfinite(found) & (found > 0))
    if wrong.any():
        raise DataError(
            f"{int(wrong.sum())} of {found.size} training rows weigh nothing, less, or something "
            f"unknown; one of them {found[wrong][0]}.",
            where=f"Training.weights, feature {declared!r}",
            fix="Make the feature positive everywhere, such as by fill_null and clip.",
        )
    return found / found.mean()


def monotone(declared: Mapping[str, int], encoder: Encoder) -> np.ndarray | None:
    """Return for each encoded column 1, −1 or 0 (nothing is asked); None if nothing is at all.

    Parameters
    ----------
    declared
        ``Training.monotone``.

    Raises
    ------
    DefinitionError
        If a feature is one of which there is no more or less, or none that the model sees.
    """
    if not declared:
        return None
    kinds = {column.name: column.kind for column in encoder.columns}
    for name in declared:
        if kinds.get(name) not in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN):
            raise DefinitionError(
                "it is not seen as a number, so that there is no more of it.",
                where=f"Training.monotone[{name!r}]",
                fix="Leave it out.",
            )
    return np.array([declared.get(name, 0) for name in encoder.names], np.int8)


def place(feature: str | None, encoder: Encoder) -> int | None:
    """Return the encoded column that is a feature as it is; None if none is."""
    kinds = {column.name: column.kind for column in encoder.columns}
    plain = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORICAL)
    told = feature in encoder.names and kinds.get(feature) in plain
    return encoder.names.index(feature) if told else None
