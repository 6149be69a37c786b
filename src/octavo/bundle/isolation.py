"""Isolation forests: how soon random questions set a row apart, and how rarely that is so.

Knows nothing of the library that grows the trees, of columns or of files.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from octavo.bundle.model import FORMS, Trees, broken


@dataclass(frozen=True, eq=False)
class IsolationModel(Trees):
    """Trees whose leaves tell how long the way to a row is, and the tail of the mean way.

    The mean over the trees, negative and to 9 digits, is measured as in the last row of a
    `TailModel`: the raw score is −ln of the share of training rows that are as soon set apart.
    """

    knots: np.ndarray
    """Shape (knots,), ascending: negative mean ways."""
    surprise: np.ndarray
    """Shape (knots,), ascending from 0: the surprise at the knots."""
    slope: np.ndarray
    """Shape (1,), positive: surprise beyond the last knot, for each step fewer."""

    form = "isolation"
    dtypes: ClassVar = {
        **Trees.dtypes,
        "knots": np.float64,
        "surprise": np.float64,
        "slope": np.float64,
    }

    @property
    def n_outputs(self) -> int:
        """Scores per row: one."""
        return 1

    def _check(self) -> None:
        super()._check()
        if self.leaf_value.ndim != 2 or self.leaf_value.shape[1] != 1 or not self.roots.size:
            raise broken("there is no tree, or a leaf does not tell one way")
        if not self.knots.size or self.knots.shape != self.surprise.shape or self.slope.size != 1:
            raise broken(f"knots of shape {self.knots.shape} do not fit")
        rising = (np.diff(self.knots) >= 0).all() and (np.diff(self.surprise) >= 0).all()
        if not rising or self.surprise[0] or not self.slope[0] > 0:
            raise broken("knots, surprise or tail do not rise")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        from octavo.bundle import evaluator, surprise

        evaluator.forest(X, *self._walk, out)
        surprise.set_apart(out, self.knots, self.surprise, self.slope)


FORMS[IsolationModel.form] = IsolationModel
