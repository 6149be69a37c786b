"""The Numenta Anomaly Benchmark's own rules: windows, positions within them, costs, thresholds.

Source: Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms (2015), and the scorer
published with the data. Knows nothing of Octavo.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import erfc

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared"))
FOLDER = SHARED / "data" / "nab"
PROBATION, LONGEST = 0.15, 5000
"""Share of a series, of its first 5,000 rows at the most, in which nothing counts."""

PUBLISHED = {
    "perfect": 100.0,
    "Numenta HTM": 70.1,
    "random cut forest": 51.7,
    "Twitter ADVec": 47.1,
    "windowed Gaussian": 39.65,
    "null": 0.0,
}
"""The standard profile, as published."""


class Result(NamedTuple):
    """The normalized score, and the threshold at which it is reached."""

    score: float
    threshold: float
    found: int
    """Windows with an alarm in them."""
    windows: int
    false: int
    """Alarms outside of windows."""


def series() -> pl.DataFrame:
    """Return ``series, timestamp, value`` of all series, each in the order of its file."""
    frame = pl.read_parquet(FOLDER / "nab_all.parquet")
    return frame.with_columns(pl.col("timestamp").str.to_datetime(time_unit="us"))


def windows() -> dict[str, list[list[str]]]:
    """Return the windows of each series: first and last time."""
    return json.loads((FOLDER / "labels" / "combined_windows.json").read_text())


def costs(profile: str = "standard") -> dict[str, float]:
    """Return the weights of a profile: ``tpWeight``, ``fnWeight``, ``fpWeight``."""
    return json.loads((FOLDER / "config" / "profiles.json").read_text())[profile]["CostMatrix"]


def probation(rows: int) -> int:
    """Return how many rows at a series' beginning are not scored."""
    return math.floor(PROBATION * min(rows, LONGEST))


def sigmoid(position: np.ndarray) -> np.ndarray:
    """Return what an alarm is worth by its distance from a window's end, in window lengths."""
    value = 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1
    return np.where(position > 3, -1.0, value)


def worth(
    times: np.ndarray, limits: list[list[str]], weights: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what an alarm in each row is worth, and its window's number (-1: in none)."""
    rows = times.size
    number, value = np.full(rows, -1), np.full(rows, -weights["fpWeight"])
    for index, (first, last) in enumerate(limits):
        begin = int(np.flatnonzero(times == np.datetime64(first))[0])
        end = int(np.flatnonzero(times == np.datetime64(last))[0])
        width = end - begin + 1
        inside, after = np.arange(begin, end + 1), np.arange(end + 1, rows)
        number[inside] = index
        at = sigmoid(-(end - inside + 1) / width)
        value[inside] = at * weights["tpWeight"] / sigmoid(np.array(-1.0))
        value[after] = sigmoid((after - end) / (width - 1)) * weights["fpWeight"]
    return value, number


def rated(
    scores: pl.DataFrame, profile: str = "standard", threshold: float | None = None
) -> Result:
    """Score a detector by the rules: one threshold for all series, the best there is.

    Parameters
    ----------
    scores
        ``series, timestamp, score``, each series in the order of its file.
    threshold
        Take this one instead, which the rules do not ask for.
    """
    weights, limits = costs(profile), windows()
    score, value, window = [], [], []
    total = 0
    for (name,), rows in scores.group_by("series", maintain_order=True):
        skip = probation(rows.height)
        each, number = worth(rows["timestamp"].to_numpy(), limits[name], weights)
        score.append(rows["score"].to_numpy()[skip:])
        value.append(each[skip:])
        window.append(np.where(number < 0, -1, number + total)[skip:])
        total += len(limits[name])
    rows = map(np.concatenate, (score, value, window))
    return _best(*rows, total, weights, threshold)


def _best(
    score: np.ndarray,
    value: np.ndarray,
    window: np.ndarray,
    total: int,
    weights: Mapping[str, float],
    threshold: float | None,
) -> Result:
    """Lower the threshold from above all scores to below them, and keep the best place."""
    order = np.argsort(-score, kind="stable")
    score, value, window = score[order], value[order], window[order]
    gained = np.where(window < 0, value, 0.0)
    best = np.full(total, -weights["fnWeight"])
    for row in np.flatnonzero(window >= 0):
        gain = max(value[row] - best[window[row]], 0.0)
        gained[row] = gain
        best[window[row]] += gain
    raw = np.concatenate([[0.0], np.cumsum(gained)])  # a threshold above all scores gains nothing
    last = np.append(np.flatnonzero(np.diff(score)), score.size - 1) + 1  # of equal scores
    places = np.concatenate([[0], last])
    chosen = int(places[np.argmax(raw[places])])
    if threshold is not None:
        chosen = int((score >= threshold).sum())
    alarms = window[:chosen]
    return Result(
        100 * float(raw[chosen]) / (total * (weights["tpWeight"] + weights["fnWeight"])),
        float(score[chosen - 1]) if chosen else 1.1,
        np.unique(alarms[alarms >= 0]).size,
        total,
        int((alarms < 0).sum()),
    )


def windowed_gaussian(values: np.ndarray, size: int = 6400, step: int = 100) -> np.ndarray:
    """Return the published baseline's scores of one series: 1 − the tail of a Gaussian.

    Its window grows to ``size`` rows and is moved on by ``step`` rows from there. The published
    scores have twelve digits, and depend on that: many are 1.
    """
    rows = np.arange(1, values.size)
    ends = np.where(rows <= size, rows, size + (rows - size) // step * step)
    starts = np.maximum(ends - size, 0)
    total, squares = (np.append(0.0, np.cumsum(values**power)) for power in (1, 2))
    mean = (total[ends] - total[starts]) / (ends - starts)
    variance = (squares[ends] - squares[starts]) / (ends - starts) - mean**2
    deviation = np.sqrt(np.maximum(variance, 0.0))
    z = np.abs(values[1:] - mean) / np.where(deviation < 1e-9, 1e-6, deviation)
    return np.append(0.0, np.round(1 - erfc(z / math.sqrt(2)) / 2, 12))
