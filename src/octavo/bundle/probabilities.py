"""Compiled functions of probabilities: their log-odds, and calibrations. See `evaluator`."""

import math

from numba import types

from octavo.bundle.evaluator import MATRIX, SCORES, TOLD, VECTOR
from octavo.windows.compiling import entry

CLOSEST = 1e-12
"""How near a probability may come to 0 and 1 before its log-odds are taken."""


@entry(types.void(SCORES))
def log_odds(p):
    """Turn probabilities into log-odds in place, none nearer than `CLOSEST` to 0 or 1."""
    for i in range(p.shape[0]):
        for k in range(p.shape[1]):
            x = min(max(p[i, k], CLOSEST), 1.0 - CLOSEST)
            p[i, k] = math.log(x / (1.0 - x))


@entry(types.void(SCORES))
def logarithms(p):
    """Turn probabilities into their logarithms in place, none below `CLOSEST`."""
    for i in range(p.shape[0]):
        for k in range(p.shape[1]):
            p[i, k] = math.log(max(p[i, k], CLOSEST))


@entry(types.void(VECTOR, types.float64, types.float64, TOLD))
def sigmoid(p, slope, intercept, out):
    """Compute the logistic function of a line over the log-odds of ``p``."""
    for i in range(p.size):
        x = min(max(p[i], CLOSEST), 1.0 - CLOSEST)
        score = slope * math.log(x / (1.0 - x)) + intercept
        if score >= 0.0:
            out[i] = 1.0 / (1.0 + math.exp(-score))
        else:
            odds = math.exp(score)
            out[i] = odds / (1.0 + odds)


@entry(types.void(VECTOR, VECTOR, VECTOR, TOLD))
def isotonic(p, at, told, out):
    """Compute what straight lines between knots are at each ``p``, which lies among them."""
    for i in range(p.size):
        low, high = 0, at.size - 1
        while high - low > 1:
            middle = (low + high) // 2
            if at[middle] <= p[i]:
                low = middle
            else:
                high = middle
        share = (p[i] - at[low]) / (at[high] - at[low])
        out[i] = told[low] + share * (told[high] - told[low])


@entry(types.void(MATRIX, types.float64, SCORES))
def tempered(p, power, out):
    """Compute ``p ** power`` of each class, brought to a sum of 1."""
    for i in range(p.shape[0]):
        highest = 0.0
        for k in range(p.shape[1]):
            highest = max(highest, p[i, k])
        total = 0.0
        for k in range(p.shape[1]):
            out[i, k] = (p[i, k] / highest) ** power
            total += out[i, k]
        for k in range(p.shape[1]):
            out[i, k] /= total
