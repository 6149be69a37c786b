"""Nearest neighbours: the training rows themselves, and the mean of those nearest to a row.

Knows nothing of columns, encoders or files.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from octavo.bundle.model import FORMS, Model, broken


@dataclass(frozen=True, eq=False)
class NeighboursModel(Model):
    """The mean of what the ``k`` nearest training rows tell, by Euclidean distance.

    Distances are squared differences added up in float64, feature by feature; of equally distant
    rows the first ones count. What is predicted is also the raw score.
    """

    k: int
    by_distance: bool
    """Whether a neighbour weighs 1 ÷ distance, or all the same. Rows at no distance then count
    alone."""
    points: np.ndarray
    """Shape (n_features, rows): a column for each training row."""
    told: np.ndarray
    """Shape (rows, n_outputs): share of the positive class, of each class, or the value."""
    weights: np.ndarray
    """Shape (rows,), positive: what each row weighs besides."""

    form = "neighbours"
    dtypes: ClassVar = {"points": np.float64, "told": np.float64, "weights": np.float64}

    @property
    def n_outputs(self) -> int:
        """Numbers that a row tells."""
        return self.told.shape[-1]

    def _check(self) -> None:
        rows = self.weights.size
        if self.points.shape != (self.n_features, rows) or self.told.shape[:1] != (rows,):
            raise broken(f"{rows} weights do not fit points of shape {self.points.shape}")
        if self.told.ndim != 2 or not 1 <= self.k <= rows or not (self.weights > 0).all():
            raise broken(f"{self.k} neighbours among {rows} rows")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        from octavo.bundle import nearest

        nearest.mean(X, self.points, self.told, self.weights, self.k, self.by_distance, out)

    def _link(self, scores: np.ndarray) -> None:
        """Leave them as they are: they are shares, or values, already."""

    def meta(self) -> dict[str, Any]:
        """Return what is not an array."""
        return super().meta() | {"k": self.k, "by_distance": self.by_distance}


FORMS[NeighboursModel.form] = NeighboursModel
