"""What candidates should weigh in a mean of their predictions, chosen on validation.

Source: Caruana et al., Ensemble Selection from Libraries of Models (2004). It knows nothing of
models, bundles or files.
"""

from collections.abc import Sequence

import numpy as np

from octavo.bundle.metrics import measured
from octavo.bundle.ranking import finely
from octavo.definition import Problem

LOOKED = 50_000
"""Validation rows by which weights are chosen, at the most."""
_ROUNDS = 20
_LEAST = 0.05
"""A member with less weight is not worth its time."""


def weights_of(
    problem: Problem,
    truths: Sequence[np.ndarray],
    predicted: Sequence[Sequence[np.ndarray]],
    seed: int = 0,
) -> np.ndarray:
    """Return what each member should weigh in a mean of their predictions.

    Members are added one at a time, the one that helps most, several times if need be; a member's
    weight is how often. A coarse figure is helped by chance, so that there it is the log loss that
    is helped. Where the figure means nothing, such as a ranking of a single class, all
    weigh the same.

    Parameters
    ----------
    truths
        For each fold the outcomes of its validation part.
    predicted
        For each fold what each member predicts there.
    seed
        For drawing the rows that are looked at, of many.

    Returns
    -------
    numpy.ndarray
        float64, shape (members,), of sum 1.
    """
    problem = finely(problem)
    sign = 1 if problem.more_is_better else -1
    looked = [some(truth.size, LOOKED, seed) for truth in truths]
    truths = [truth[at] for truth, at in zip(truths, looked, strict=True)]
    each = [
        np.array([member[at] for member in found])
        for found, at in zip(predicted, looked, strict=True)
    ]

    def score(counts: np.ndarray) -> float:
        means = [np.tensordot(counts / counts.sum(), found, axes=1) for found in each]
        return sign * figure_of(problem, truths, means)

    members = len(predicted[0])
    counts, best, kept = np.zeros(members), -np.inf, np.ones(members)
    for _ in range(_ROUNDS):
        found = [score(counts + more) for more in np.eye(members)]
        counts[int(np.argmax(found))] += 1
        if max(found) > best:
            best, kept = max(found), counts.copy()
    weights = np.where(kept > _LEAST * kept.sum(), kept, 0.0)
    return weights / weights.sum()


def mean_of(weights: np.ndarray, predicted: Sequence[np.ndarray]) -> np.ndarray:
    """Return the weighted mean of predictions; those without weight are not read."""
    return sum(
        (weight * each for weight, each in zip(weights, predicted, strict=True) if weight),
        start=np.zeros_like(predicted[0]),
    )


def figure_of(
    problem: Problem, truths: Sequence[np.ndarray], predicted: Sequence[np.ndarray]
) -> float:
    """Return the mean over the folds of a problem's figure."""
    return float(np.mean([measured(problem, t, p) for t, p in zip(truths, predicted, strict=True)]))


def some(rows: int, most: int, seed: int) -> np.ndarray:
    """Return the places of rows that are looked at: all, or of more than ``most`` so many."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
