"""Yes or no: what the counts of right and wrong answers are worth, and the best threshold.

Knows nothing of where counts come from.
"""

from collections.abc import Callable

import numpy as np

from octavo.bundle.curve import Counts, Order
from octavo.definition.costs import Costs

Worth = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

PER = 1000.0
"""Rows that a cost is told for."""


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; 0 where there is nothing to divide by, as scikit-learn has it."""
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)


def _f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, _: np.ndarray) -> np.ndarray:
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _accuracy(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return (tp + tn) / (tp + fp + fn + tn)


def _balanced(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    classes = (tp + fn > 0).astype(float) + (fp + tn > 0)
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / classes


def _mcc(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    # Roots of each factor: their product overflows nowhere.
    sides = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    return _ratio(tp * tn - fp * fn, sides)


WORTH: dict[str, Worth] = {
    "f1": _f1,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "mcc": _mcc,
}
"""The metrics of `octavo.definition.DECIDED` besides ``cost``, from true and false positives, false
and true negatives."""


def worth(counts: Counts, metric: str, costs: Costs | None) -> np.ndarray:
    """Return a metric at every threshold; the cost is that of 1,000 rows."""
    tp, fp = counts.true, counts.false
    fn, tn = counts.positives - tp, counts.negatives - fp
    if metric != "cost":
        return WORTH[metric](tp, fp, fn, tn)
    assert costs is not None
    total = costs.true_positive * tp + costs.false_positive * fp
    total = total + costs.false_negative * fn + costs.true_negative * tn
    return total / (counts.positives + counts.negatives) * PER


def best(counts: Counts, metric: str, costs: Costs | None) -> int:
    """Return the best threshold; of several the one that lets fewest rows pass."""
    found = worth(counts, metric, costs)
    return int(np.argmin(found) if metric == "cost" else np.argmax(found))


def best_threshold(
    truth: np.ndarray, scores: np.ndarray, metric: str, costs: Costs | None
) -> float:
    """Return the threshold at which the metric is best on these rows."""
    order = Order.of(truth, scores)
    return order.threshold(best(order.counts(), metric, costs))
