"""A second level: an intercept and weights for members' scores, if they do better than a blend.

The weights are drawn towards those of the blend, so that few rows move them little; whether they do
better is told by rows that neither was learned from. It knows nothing of models, bundles or files.
Source: Wolpert, Stacked Generalization (1992); weights that are not negative as in Breiman, Stacked
Regressions (1996).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.bundle.blend import scores_of
from octavo.bundle.bootstrap import resampled
from octavo.bundle.metrics import Weighed, log_losses, measured, prepared
from octavo.bundle.model import link
from octavo.bundle.ranking import Closeness, finely
from octavo.definition import Problem
from octavo.stages.training.blending import figure_of, mean_of, some, weights_of

PARTS = 5
"""Into how many parts each fold's rows are divided; with fewer rows in one no stack is tried."""
LOOKED = 20_000
"""Validation rows, of all folds, that a stack is learned from at the most."""
LEAST = 100
"""Validation rows, of all folds, from which a stack is tried."""
SPREAD = 0.3
"""How far weights are believed to lie from the blend's: the standard deviation of a normal prior.
That of the intercepts is 1, in log-odds or in standard deviations of the blend's errors."""

SURE = 2.0
"""Standard errors by which a stack must be better than a blend."""


@dataclass(frozen=True)
class Stack:
    """Weights that did better than the blend's on rows they were not learned from."""

    weights: np.ndarray
    """Shape (members,), not negative."""
    intercept: np.ndarray
    """Shape (outputs,)."""
    figures: list[float]
    """For each fold in the problem's metric, by weights learned from other rows."""
    closeness: Closeness
    """Of the same predictions."""


def stack(
    problem: Problem,
    truths: Sequence[np.ndarray],
    predicted: Sequence[Sequence[np.ndarray]],
    blend: np.ndarray,
    seed: int = 0,
) -> Stack | None:
    """Return a stack of some members, or None if it may be no better than a blend of them.

    Both are learned from four fifths of the rows and told of the other fifth, five times. The
    stack must be better than the blend by more than two standard errors of the difference, and
    better than the first member alone: by the figure, or where that is coarse by log loss.

    Parameters
    ----------
    truths, predicted
        As for `octavo.stages.training.blending.weights_of`; the best member is the first.
    blend
        The weights of the blend, shape (members,).
    """
    looked = [some(truth.size, LOOKED // len(truths), seed) for truth in truths]
    truths = [truth[at] for truth, at in zip(truths, looked, strict=True)]
    predicted = [
        [member[at] for member in found] for found, at in zip(predicted, looked, strict=True)
    ]
    sizes = [truth.size for truth in truths]
    if sum(sizes) < LEAST or min(sizes) < PARTS:
        return None
    stacks, blends = _told_by_others(problem, truths, predicted)
    if not _is_better(finely(problem), truths, stacks, blends, [each[0] for each in predicted]):
        return None
    weights, intercept = learned(problem.kind, truths, predicted, blend)
    if np.count_nonzero(weights) < 2:
        return None
    figures = [measured(problem, t, p) for t, p in zip(truths, stacks, strict=True)]
    return Stack(weights, intercept, figures, Closeness.of(problem, truths, stacks))


def _told_by_others(
    problem: Problem, truths: Sequence[np.ndarray], predicted: Sequence[Sequence[np.ndarray]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return for each fold what stacks and what blends tell of rows they did not learn from."""
    parts = [np.random.default_rng(0).permutation(truth.size) % PARTS for truth in truths]
    stacks = [np.empty_like(found[0]) for found in predicted]
    blends = [np.empty_like(found[0]) for found in predicted]
    for part in range(PARTS):
        held = [each == part for each in parts]
        others = [truth[~at] for truth, at in zip(truths, held, strict=True)]
        known = [[m[~at] for m in found] for found, at in zip(predicted, held, strict=True)]
        blend = weights_of(problem, others, known)
        weights, intercept = learned(problem.kind, others, known, blend)
        for fold, at in enumerate(held):
            asked = [member[at] for member in predicted[fold]]
            stacks[fold][at] = told(problem.kind, asked, weights, intercept)
            blends[fold][at] = mean_of(blend, asked)
    return stacks, blends


def _is_better(
    problem: Problem,
    truths: Sequence[np.ndarray],
    stacks: Sequence[np.ndarray],
    blends: Sequence[np.ndarray],
    alone: Sequence[np.ndarray],
) -> bool:
    sign = 1 if problem.more_is_better else -1
    own = figure_of(problem, truths, stacks)
    gain = sign * (own - figure_of(problem, truths, blends))
    if not (gain > 0 and sign * (own - figure_of(problem, truths, alone)) > 0):
        return False

    def weighed(truth: np.ndarray, predicted: np.ndarray) -> Weighed:
        return prepared(problem.metric, truth, predicted, k=problem.k, costs=problem.costs)

    draws = [
        resampled([weighed(truth, one), weighed(truth, other)], truth.size)
        for truth, one, other in zip(truths, stacks, blends, strict=True)
    ]
    gains = np.mean([each[:, 0] - each[:, 1] for each in draws], axis=0)
    return bool(gain > SURE * np.nanstd(gains))


def told(
    kind: str, predicted: Sequence[np.ndarray], weights: np.ndarray, intercept: np.ndarray
) -> np.ndarray:
    """Return what a stack predicts, in the shape of its members' predictions."""
    scores = _scores(kind, predicted)
    return _linked(kind, scores, weights, intercept).reshape(predicted[0].shape)


def _scores(kind: str, predicted: Sequence[np.ndarray]) -> np.ndarray:
    """Return what each member tells as scores, shape (members, n, outputs)."""
    return np.array([scores_of(kind, each.reshape(len(each), -1)) for each in predicted])


def _linked(
    kind: str, scores: np.ndarray, weights: np.ndarray, intercept: np.ndarray
) -> np.ndarray:
    """Return predictions, shape (n, outputs)."""
    total = np.tile(intercept, (scores.shape[1], 1))
    for weight, each in zip(weights, scores, strict=True):
        total += weight * each
    link(kind, total)
    return total


def learned(
    kind: str,
    truths: Sequence[np.ndarray],
    predicted: Sequence[Sequence[np.ndarray]],
    blend: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, none negative, and the intercepts that are the most likely.

    That is the least of the loss, summed over the rows, and the penalty of a normal prior around
    the blend's weights and no intercept. The loss is the logarithmic one; of values half the
    squared errors over the blend's mean squared error.
    """
    from scipy.optimize import minimize

    truth = np.concatenate(truths)
    told_by = [np.concatenate(each) for each in zip(*predicted, strict=True)]
    scores = _scores(kind, told_by)
    members, outputs = len(scores), scores.shape[2]
    error = 1.0
    if kind == "regression":
        error = float(np.sqrt(np.mean((truth - mean_of(blend, told_by)) ** 2))) or 1.0
        truth, scores = truth / error, scores / error
    centre = np.concatenate([blend, np.zeros(outputs)])
    spread = np.concatenate([np.full(members, SPREAD), np.ones(outputs)])

    def lost(x: np.ndarray) -> tuple[float, np.ndarray]:
        found = _linked(kind, scores, x[:members], x[members:])
        off = _off(kind, truth, found)
        apart = (x - centre) / spread
        # Sums, not dot products: those of a library with threads need not have the same last bit.
        slopes = [(off * each).sum() for each in scores]
        slope = np.concatenate([slopes, off.sum(axis=0)]) + apart / spread
        return _loss(kind, truth, found) + float((apart**2).sum()) / 2, slope

    bounds = [(0.0, None)] * members + [(None, None)] * outputs
    found = minimize(lost, centre, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:members], found.x[members:] * error


def _loss(kind: str, truth: np.ndarray, predicted: np.ndarray) -> float:
    if kind == "regression":
        return float(((predicted[:, 0] - truth) ** 2).sum()) / 2
    return float(log_losses(truth, predicted[:, 0] if kind == "binary" else predicted).sum())


def _off(kind: str, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the slope of the loss in each row's scores, shape (n, outputs)."""
    if kind != "multiclass":
        return predicted - truth[:, None]
    return predicted - (truth[:, None] == np.arange(predicted.shape[1]))
