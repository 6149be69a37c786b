"""Figures that say how good predictions are, by the names a problem may use.

The formulas are scikit-learn's (``sklearn.metrics``); this module only chooses, weighs and
resamples. It knows nothing of models.
"""

import warnings
from collections.abc import Callable

import numpy as np

Figure = Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]


def figure(metric: str, truth: np.ndarray, predicted: np.ndarray, weight=None) -> float:
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

    Returns
    -------
    float
        NaN where the figure means nothing: the truth is all one class, or one value.
    """
    from sklearn.exceptions import UndefinedMetricWarning  # loaded only where something is measured

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return _figure(metric, truth, predicted, weight)


def _figure(metric: str, truth: np.ndarray, predicted: np.ndarray, weight=None) -> float:
    from sklearn import metrics

    if metric == "alarm_ratio":
        return _alarm_ratio(truth, predicted, weight)
    if np.isnan(truth).any():
        known = ~np.isnan(truth)
        truth, predicted = truth[known], predicted[known]
        weight = None if weight is None else weight[known]
    if metric == "average_precision":
        return float(metrics.average_precision_score(truth, predicted, sample_weight=weight))
    if metric == "roc_auc":
        return float(metrics.roc_auc_score(truth, predicted, sample_weight=weight))
    if metric == "log_loss":
        classes = np.arange(predicted.shape[1]) if predicted.ndim == 2 else np.arange(2)
        return float(metrics.log_loss(truth, predicted, sample_weight=weight, labels=classes))
    if metric == "brier":
        return float(metrics.brier_score_loss(truth, predicted, sample_weight=weight))
    if metric == "r2":
        return float(metrics.r2_score(truth, predicted, sample_weight=weight))
    if metric == "mae":
        return float(metrics.mean_absolute_error(truth, predicted, sample_weight=weight))
    if metric == "rmse":
        return float(metrics.root_mean_squared_error(truth, predicted, sample_weight=weight))
    chosen = predicted.argmax(axis=1)
    if metric == "accuracy":
        return float(metrics.accuracy_score(truth, chosen, sample_weight=weight))
    return float(metrics.balanced_accuracy_score(truth, chosen, sample_weight=weight))


def _alarm_ratio(budget: np.ndarray, score: np.ndarray, weight: np.ndarray | None) -> float:
    """Return how many times more, or fewer, alarms there are than were budgeted, one added to each.

    A row raises an alarm if no more than its budget of training rows reached its score.
    """
    weight = np.ones(budget.size) if weight is None else weight
    raised = float(weight @ (score >= 1 - budget)) + 1
    expected = float(weight @ budget) + 1
    return max(raised / expected, expected / raised)


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


def interval(
    metric: str, truth: np.ndarray, predicted: np.ndarray, *, resamples: int = 200, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a figure.

    Rows are resampled as multinomial weights. Source: Efron and Tibshirani, An Introduction to
    the Bootstrap (1993), chapter 13.
    """
    figures = resampled(metric, truth, [predicted], resamples=resamples, seed=seed)[:, 0]
    known = figures[~np.isnan(figures)]  # of few rows, some samples hold one class only
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return float(low), float(high)


def resampled(
    metric: str, truth: np.ndarray, predictions: list[np.ndarray], *, resamples: int, seed: int
) -> np.ndarray:
    """Return a figure of several predictions over the same bootstrap samples.

    Returns
    -------
    numpy.ndarray
        float64, shape (resamples, predictions); the columns are paired.
    """
    generator = np.random.default_rng(seed)
    rows = truth.shape[0]
    found = np.empty((resamples, len(predictions)))
    for sample in range(resamples):
        weight = np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(float)
        kept = weight > 0
        for column, predicted in enumerate(predictions):
            found[sample, column] = figure(metric, truth[kept], predicted[kept], weight[kept])
    return found
