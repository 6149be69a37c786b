"""Figures that say how good predictions are, by the names a problem may use.

The formulas are those of ``sklearn.metrics``, and tests compare with it; they are written out here
because a bootstrap weighs the same rows hundreds of times, and what needs sorting is then sorted
once. Sums are numpy's own: a dot product asks threads, which is slow on a busy machine. Equal
scores are never put in order: see `octavo.bundle.curve`. Knows nothing of models.
"""

from collections.abc import Callable

import numpy as np

from octavo.bundle.curve import Counts, Order
from octavo.bundle.decisions import best, worth
from octavo.definition import DECIDED, Problem
from octavo.definition.costs import Costs

Weighed = Callable[[np.ndarray], float]
"""From the weights of the rows, shape (n,), to a figure."""


def figure(
    metric: str,
    truth: np.ndarray,
    predicted: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    threshold: float | None = None,
    k: float | None = None,
    costs: Costs | None = None,
) -> float:
    """Return one figure.

    Parameters
    ----------
    metric
        A name of `octavo.definition.METRICS`.
    truth
        Shape (n,): 0/1 for binary, class numbers for multiclass, values for regression; for
        anomalies 0/1, NaN where it is not known, or the chance of an alarm that is budgeted.
    predicted
        Shape (n,): probability of 1, value, or share of rows that are less unusual; for
        multiclass (n, classes) probabilities.
    weight
        Shape (n,), weights of the rows, or None.
    threshold
        The probability from which the answer is yes, for metrics that look at yes or no; None:
        the one that is best for the metric on these very rows.
    k, costs
        See `octavo.definition.Problem`.

    Returns
    -------
    float
        NaN where the figure means nothing: the truth is all one class, or one value.
    """
    weigh = prepared(metric, truth, predicted, threshold=threshold, k=k, costs=costs)
    return weigh(np.ones(truth.size) if weight is None else weight)


def measured(
    problem: Problem,
    truth: np.ndarray,
    predicted: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    threshold: float | None = None,
) -> float:
    """Return the `figure` that a problem asks for, by its metric, k and costs."""
    return figure(
        problem.metric,
        truth,
        predicted,
        weight,
        threshold=threshold,
        k=problem.k,
        costs=problem.costs,
    )


def prepared(
    metric: str,
    truth: np.ndarray,
    predicted: np.ndarray,
    *,
    threshold: float | None = None,
    k: float | None = None,
    costs: Costs | None = None,
) -> Weighed:
    """Return a figure as a function of the rows' weights; parameters as for `figure`."""
    unknown = np.isnan(truth)
    if unknown.any():
        known = {"threshold": threshold, "k": k, "costs": costs}
        inner = prepared(metric, truth[~unknown], predicted[~unknown], **known)
        return lambda weight: inner(weight[~unknown])
    if predicted.ndim == 2:
        return _of_classes(metric, truth.astype(np.int64), predicted)
    if metric in _LOSSES:
        return _mean(_LOSSES[metric](truth, predicted))
    if metric in ("rmse", "r2", "median_absolute_error", "alarm_ratio"):
        return _OTHERS[metric](truth, predicted)
    if metric in DECIDED and threshold is not None:
        return _at_threshold(metric, truth, predicted >= threshold, costs)
    order = Order.of(truth, predicted)
    return lambda weight: _of_counts(metric, order.counts(weight), k, costs)


def _of_counts(metric: str, counts: Counts, k: float | None, costs: Costs | None) -> float:
    if metric in DECIDED:
        return float(worth(counts, metric, costs)[best(counts, metric, costs)])
    if metric == "average_precision":
        return counts.average_precision()
    if metric == "roc_auc":
        return counts.roc_auc()
    assert k is not None
    found, looked_at = counts.first(k)
    of = looked_at if metric == "precision_at_k" else counts.positives
    return found / of if of else np.nan


def _at_threshold(metric: str, truth: np.ndarray, yes: np.ndarray, costs: Costs | None) -> Weighed:
    def weigh(weight: np.ndarray) -> float:
        found = np.bincount((2 * yes + truth).astype(np.int64), weight, minlength=4)
        tn, fn, fp, tp = (float(count) for count in found)
        passed = Counts(np.array([0.0, tp, tp + fn]), np.array([0.0, fp, fp + tn]))
        return float(worth(passed, metric, costs)[1])

    return weigh


def _mean(losses: np.ndarray) -> Weighed:
    def weigh(weight: np.ndarray) -> float:
        total = weight.sum()
        return float((weight * losses).sum() / total) if total else np.nan

    return weigh


def log_losses(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return −ln of the probability given to what came true, row by row, shape (n,).

    Probabilities end 2.2e-16 before 0 and 1, as scikit-learn's do, so that none is infinite.
    """
    eps = np.finfo(np.float64).eps
    if predicted.ndim == 2:
        chance = predicted[np.arange(truth.size), truth.astype(np.int64)]
    else:
        chance = np.where(truth == 1, predicted, 1 - predicted)
    return -np.log(np.clip(chance, eps, 1 - eps))


def _relative(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.abs(truth - predicted) / np.maximum(np.abs(truth), np.finfo(np.float64).eps)


_LOSSES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "log_loss": log_losses,
    "brier": lambda truth, predicted: (predicted - truth) ** 2,
    "mae": lambda truth, predicted: np.abs(predicted - truth),
    "mape": _relative,
}
"""Metrics that are a mean over the rows."""


def _rmse(truth: np.ndarray, predicted: np.ndarray) -> Weighed:
    mean = _mean((predicted - truth) ** 2)
    return lambda weight: float(np.sqrt(mean(weight)))


def _r2(truth: np.ndarray, predicted: np.ndarray) -> Weighed:
    def weigh(weight: np.ndarray) -> float:
        if not weight.sum():
            return np.nan
        mean = (weight * truth).sum() / weight.sum()
        spread = (weight * (truth - mean) ** 2).sum()
        left = (weight * (predicted - truth) ** 2).sum()
        return float(1 - left / spread) if spread else np.nan

    return weigh


def _median_absolute_error(truth: np.ndarray, predicted: np.ndarray) -> Weighed:
    errors = np.abs(predicted - truth)
    order = np.argsort(errors, kind="stable")
    errors = errors[order]

    def weigh(weight: np.ndarray) -> float:
        reached = np.cumsum(weight[order])
        if not reached.size or not reached[-1]:
            return np.nan
        half = reached[-1] / 2  # where it falls between two rows, the mean of both
        low, high = (np.searchsorted(reached, half, side=side) for side in ("left", "right"))
        return float((errors[low] + errors[min(high, errors.size - 1)]) / 2)

    return weigh


def _alarm_ratio(budget: np.ndarray, score: np.ndarray) -> Weighed:
    """Measure how many times more, or fewer, alarms there are than budgeted, one added to each.

    A row raises an alarm if no more than its budget of training rows reached its score.
    """

    def weigh(weight: np.ndarray) -> float:
        raised = float(weight[score >= 1 - budget].sum()) + 1
        expected = float((weight * budget).sum()) + 1
        return max(raised / expected, expected / raised)

    return weigh


_OTHERS: dict[str, Callable[[np.ndarray, np.ndarray], Weighed]] = {
    "rmse": _rmse,
    "r2": _r2,
    "median_absolute_error": _median_absolute_error,
    "alarm_ratio": _alarm_ratio,
}


def _of_classes(metric: str, truth: np.ndarray, predicted: np.ndarray) -> Weighed:
    if metric == "log_loss":
        return _mean(log_losses(truth, predicted))
    classes = predicted.shape[1]
    if metric == "roc_auc":
        orders = [Order.of(truth == each, predicted[:, each]) for each in range(classes)]
        return lambda weight: _mean_of([order.counts(weight).roc_auc() for order in orders])
    pairs = truth * classes + predicted.argmax(axis=1)

    def weigh(weight: np.ndarray) -> float:
        table = np.bincount(pairs, weight, minlength=classes**2).reshape(classes, classes)
        true, told, hit = table.sum(axis=1), table.sum(axis=0), np.diag(table)
        if metric == "accuracy":
            return float(hit.sum() / table.sum()) if table.sum() else np.nan
        if metric == "balanced_accuracy":
            return _mean_of(hit[true > 0] / true[true > 0])
        seen = true + told > 0
        return _mean_of(2 * hit[seen] / (true + told)[seen])

    return weigh


def _mean_of(figures: list[float] | np.ndarray) -> float:
    """Return the mean of what means something; NaN if nothing does."""
    known = np.asarray(figures, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else np.nan


def trivial(kind: str, trained_on: np.ndarray, rows: int) -> np.ndarray:
    """Return the trivial baseline's predictions for a number of rows.

    It knows only the training labels: the share of each class, or the mean. For anomalies it
    raises no alarm.
    """
    if kind == "anomaly":
        return np.zeros(rows)
    if kind == "multiclass":
        shares = np.bincount(trained_on.astype(int)) / trained_on.size
        return np.tile(shares, (rows, 1))
    return np.full(rows, trained_on.mean())
