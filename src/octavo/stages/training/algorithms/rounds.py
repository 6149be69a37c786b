"""Learning in rounds: how many are enough, as told by watched rows.

Knows nothing of any library.
"""

import numpy as np

from octavo.bundle.metrics import figure
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms.contract import Watch

MOST = 4_000
"""Rounds at the most, where watched rows tell how many are enough."""
EVERY = 10
"""Rounds between two reports."""
MORE_IS_BETTER = frozenset({"average_precision", "roc_auc"})
_SMOOTH = {
    "binary": ("average_precision", "roc_auc", "log_loss", "brier"),
    "multiclass": ("log_loss",),
    "regression": ("rmse", "mae"),
}


def followed(kind: Kind, watch: Watch) -> str:
    """Return the metric that rounds are counted by.

    It is the problem's own, if each row moves it a little; otherwise the logarithmic loss, or the
    error's root mean square. A ranking needs rows of both classes.
    """
    if watch.metric in MORE_IS_BETTER and len(np.unique(watch.y)) < 2:
        return "log_loss"
    if watch.metric in _SMOOTH[kind]:
        return watch.metric
    return "rmse" if kind == "regression" else "log_loss"


class Rounds:
    """The watch over one fit.

    Attributes
    ----------
    metric : str
        What `followed` gave.
    best : int
        The number of rounds after which the loss was least.
    """

    def __init__(self, kind: Kind, watch: Watch, learning_rate: float) -> None:
        self.kind, self.watch = kind, watch
        self.metric = followed(kind, watch)
        self.best = 1
        self._least = np.inf
        # Small steps need more of them to get anywhere.
        self._patience = int(np.clip(5 / learning_rate, 50, 100))

    def after(self, rounds: int, value: float) -> bool:
        """Take the metric's value after so many rounds; return whether these were enough.

        Raises
        ------
        Pruned
            From `Watch.report`.
        """
        loss = float(-value if self.metric in MORE_IS_BETTER else value)
        if loss < self._least:
            self._least, self.best = loss, rounds
        enough = rounds % EVERY == 0 and self.watch.report(rounds, loss)
        return bool(enough) or rounds - self.best >= self._patience

    def value(self, raw: np.ndarray) -> float:
        """Compute the metric from raw scores of the watched rows, shape (n, outputs)."""
        from octavo.bundle import evaluator

        scores = np.array(raw, np.float64, order="C")
        if self.kind != "regression":
            (evaluator.logistic if self.kind == "binary" else evaluator.softmax)(scores)
        return figure(self.metric, self.watch.y, scores if scores.shape[1] > 1 else scores[:, 0])
