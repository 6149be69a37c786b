"""Comparisons of libraries that round to float32, decided the same in float64.

Knows nothing of any library.
"""

import numpy as np

LARGEST = float(np.finfo(np.float32).max)


def within(X: np.ndarray) -> np.ndarray:
    """Return rows with values beyond float32 as its largest: no library takes infinite ones."""
    return np.clip(X, -LARGEST, LARGEST)


def highest_below(threshold: np.ndarray) -> np.ndarray:
    """Find the highest float64 that is less than a float32 threshold once rounded to float32.

    Rounding is monotone, so ``float32(x) < threshold`` is the same as ``x <= highest_below``. The
    boundary is the middle between the threshold and its neighbour below, which goes to the even
    one. Inputs beyond float32 count as its largest: all are below +inf, and none below the least.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        below = np.nextafter(threshold, np.float32(-np.inf)).astype(np.float64)
        middle = below + (threshold.astype(np.float64) - below) / 2
        rounded = middle.astype(np.float32)
    highest = np.where(rounded < threshold, middle, np.nextafter(middle, -np.inf))
    highest = np.where(threshold == np.inf, np.inf, highest)
    return np.where(threshold <= -LARGEST, np.nan, highest)


def highest_up_to(threshold: np.ndarray) -> np.ndarray:
    """Find the highest float64 that is at most a float64 threshold once rounded to float32."""
    with np.errstate(over="ignore"):
        single = threshold.astype(np.float32)
        single = np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
        return highest_below(np.nextafter(single, np.float32(np.inf)))
