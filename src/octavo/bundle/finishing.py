"""Finish a trained bundle on validation: which calibration, and which threshold.

A calibration is chosen by the log loss of rows that it was not learned from. It must gain more than
the standard error of its gain, so that none is chosen where nothing is gained. Knows nothing of
runs.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from octavo.bundle.bundle import Bundle
from octavo.bundle.calibration import Calibration, Isotonic, Sigmoid, Temperature
from octavo.bundle.decisions import best_threshold
from octavo.bundle.metrics import log_losses
from octavo.definition import DECIDED, Problem

FOLDS = 5
LEAST = 20
"""Rows of each class that a calibration is learned from at the least."""

Fit = Callable[[np.ndarray, np.ndarray], Calibration | None]


def finished(bundle: Bundle, predicted: np.ndarray, truth: np.ndarray, problem: Problem) -> Bundle:
    """Return a bundle with the calibration and the threshold that do best on validation.

    Parameters
    ----------
    bundle
        As trained.
    predicted
        What it predicts for validation.
    truth
        What came true there; see `octavo.bundle.targets.target_numbers`.
    problem
        Says whether a threshold is needed, and for what.
    """
    if bundle.kind not in ("binary", "multiclass"):
        return bundle
    calibration = chosen(predicted, truth)
    bundle = dataclasses.replace(bundle, calibration=calibration)
    if not problem.decides:
        return bundle
    metric = problem.metric if problem.metric in DECIDED else "cost"
    told = bundle.calibrated(predicted)
    return dataclasses.replace(bundle, threshold=best_threshold(truth, told, metric, problem.costs))


def chosen(predicted: np.ndarray, truth: np.ndarray) -> Calibration | None:
    """Return the calibration with the least cross-fitted log loss, the plainest first; or None."""
    known = ~np.isnan(truth)
    predicted, truth = predicted[known], truth[known]
    _, counts = np.unique(truth, return_counts=True)
    if counts.size < 2 or counts.min() < LEAST:
        return None
    forms: tuple[Fit, ...] = (_sigmoid, _isotonic) if predicted.ndim == 1 else (_temperature,)
    losses, best = log_losses(truth, predicted), None
    for fit in forms:
        found = _cross_fitted(fit, predicted, truth)
        if found is None:
            continue
        gains = losses - found
        if gains.mean() > gains.std() / np.sqrt(gains.size):
            losses, best = found, fit
    return best(predicted, truth) if best else None


def recalibrated(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return probabilities that are right on average, and for high and low ones, on these rows.

    A sigmoid learned from the rows themselves, to look at what else is wrong with them.
    """
    sigmoid = _sigmoid(predicted, truth)
    return predicted if sigmoid is None else sigmoid.apply(predicted)


def _cross_fitted(fit: Fit, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray | None:
    """Return log losses of rows by what was learned from other rows; None if nothing can be."""
    folds = np.random.default_rng(0).permutation(truth.size) % FOLDS
    losses = np.empty(truth.size)
    for fold in range(FOLDS):
        held = folds == fold
        calibration = fit(predicted[~held], truth[~held])
        if calibration is None:
            return None
        losses[held] = log_losses(truth[held], calibration.apply(predicted[held]))
    return losses


def _sigmoid(predicted: np.ndarray, truth: np.ndarray) -> Sigmoid | None:
    """Fit by Newton's method; targets are drawn from 0 and 1 a little, as Platt does.

    None if the model ranks no better than chance, so that the line does not rise.
    """
    from octavo.bundle.probabilities import CLOSEST

    positives = truth.sum()
    high, low = (positives + 1) / (positives + 2), 1 / (truth.size - positives + 2)
    target = np.where(truth == 1, high, low)
    p = np.clip(predicted, CLOSEST, 1 - CLOSEST)
    x = np.log(p / (1 - p))
    slope, intercept = 1.0, 0.0
    # Sums, not dot products: those of a library with threads need not have the same last bit.
    for _ in range(50):
        with np.errstate(over="ignore"):
            found = 1 / (1 + np.exp(-(slope * x + intercept)))
        off, sure = found - target, found * (1 - found)
        curve = np.array([[(sure * x * x).sum(), (sure * x).sum()], [(sure * x).sum(), sure.sum()]])
        step = np.linalg.solve(curve + 1e-9 * np.eye(2), [(off * x).sum(), off.sum()])
        step /= max(1.0, float(np.abs(step).max()) / 5)  # far from the end it may overshoot
        slope, intercept = slope - step[0], intercept - step[1]
        if np.abs(step).max() < 1e-9:
            break
    return Sigmoid(float(slope), float(intercept)) if slope > 0 else None


def _isotonic(predicted: np.ndarray, truth: np.ndarray) -> Isotonic | None:
    """Fit isotonic regression, and put what is told of a block at the mean of its rows.

    What is told ends one in (rows + 2) before 0 and 1: finite rows make nothing certain.
    """
    from sklearn.isotonic import IsotonicRegression

    least = 1 / (truth.size + 2)
    levels = IsotonicRegression().fit_transform(predicted, truth)
    told, block = np.unique(levels, return_inverse=True)
    at = np.bincount(block, predicted) / np.bincount(block)
    told = np.clip(told, least, 1 - least)
    inside = (at > 0) & (at < 1)
    at, told = at[inside], told[inside]
    if not at.size:
        return None
    at = np.concatenate([[0.0], at, [1.0]])
    told = np.concatenate([[told[0] / 2], told, [(1 + told[-1]) / 2]])
    rises = np.append(True, (np.diff(at) > 0) & (np.diff(told) > 0))
    return Isotonic(tuple(at[rises].tolist()), tuple(told[rises].tolist()))


def _temperature(predicted: np.ndarray, truth: np.ndarray) -> Temperature:
    """Find the temperature of the least log loss between 1/20 and 20, by golden section."""
    logs = np.log(np.maximum(predicted, np.finfo(np.float64).eps))
    own = logs[np.arange(truth.size), truth.astype(np.int64)]

    def loss(log_temperature: float) -> float:
        scores = logs / np.exp(log_temperature)
        highest = scores.max(axis=1)
        total = np.log(np.exp(scores - highest[:, None]).sum(axis=1)) + highest
        return float(np.mean(total - own / np.exp(log_temperature)))

    low, high, golden = -np.log(20), np.log(20), (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return Temperature(float(np.exp((low + high) / 2)))
