"""Where the candidate is wrong: groups that are declared, and groups that are found.

A figure that is low in a group need not mean that the model is bad there: among rows that are alike
in what matters, there is little left to tell apart. What can be told is whether the rows of a group
are off by themselves: whether a line of their own (intercept and slope over what was told) would
predict them better than the line of all rows. Source of the test: Cox, Two Further Applications of
a Model for Binary Regression (1958), as a score test with two degrees of freedom. Groups are
searched for on validation; those furthest off are tested on test, where nothing was searched.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.bundle.bootstrap import interval, resampled
from octavo.bundle.finishing import recalibrated
from octavo.stages.evaluation.groups import Group, groups, name_of, rows_of
from octavo.stages.evaluation.judged import Judged

SEARCHED = 200
"""Features that are searched at the most, the first of the bundle's."""
PAIRED = 24
"""The groups furthest off, of which pairs are looked at too."""
TOLD = 5
"""Groups that are tested on test."""
LEAST_ROWS = 50
LEAST_SHARE = 0.01
LEAST_OF_A_CLASS = 10
_DRAWS = 200

Together = tuple[Group, ...]
Ranked = list[tuple[float, Together, np.ndarray]]


def declared(test: Judged, features: Sequence[str]) -> list[dict[str, Any]]:
    """Measure the groups of some features; p is corrected by Holm's method over all of them."""
    every = [(group,) for feature in features for group in groups(test.rows, feature)]
    return _told(test, every)


def found(validation: Judged, test: Judged) -> list[dict[str, Any]]:
    """Return the groups furthest off on validation that are off on test too, furthest first.

    Those with p < 0.05 on test, corrected by Holm's method for the groups tested there.
    """
    off = [each for each in _told(test, _furthest(validation)) if each["off"]]
    return sorted(off, key=lambda each: each["p"])


class _Answers:
    """What was told of each row and what came true, as numbers with a spread that is known.

    Of several classes: the probability of the class told, and whether it was right.
    """

    def __init__(self, judged: Judged) -> None:
        truth, told = judged.truth, judged.predicted
        if told.ndim == 2:
            truth, told = (told.argmax(axis=1) == truth).astype(np.float64), told.max(axis=1)
        self.truth = truth
        self.is_share = judged.problem.kind != "regression"
        self.told = told
        if self.is_share:
            fitted = np.clip(recalibrated(told, truth), 1e-9, 1 - 1e-9)
            self.line, self.spread = np.log(fitted / (1 - fitted)), fitted * (1 - fitted)
        else:
            fitted, self.line, self.spread = told + (truth - told).mean(), told, np.ones(told.size)
        self.residual = truth - fitted

    def are_enough(self, rows: np.ndarray) -> bool:
        """Say whether a group is large enough, and not all of them."""
        count = int(rows.sum())
        if count == rows.size or count < max(LEAST_ROWS, LEAST_SHARE * rows.size):
            return False
        positives = self.truth[rows].sum()
        return not self.is_share or min(positives, count - positives) >= LEAST_OF_A_CLASS

    def off(self, rows: np.ndarray) -> tuple[float, str]:
        """Return how far off a group is, and in which way for the most part.

        χ² with two degrees of freedom, if only by chance.
        """
        residual, spread = self.residual[rows], self.spread[rows]
        # Centred, so that level and slope are independent and their squares add up.
        line = self.line[rows] - (spread * self.line[rows]).sum() / spread.sum()
        variance = 1.0 if self.is_share else (residual**2).mean()
        level, slope = residual.sum(), (residual * line).sum()
        of_level = _square(level, spread.sum() * variance)
        of_slope = _square(slope, (spread * line**2).sum() * variance)
        if of_level >= of_slope:
            return of_level + of_slope, "too low" if level > 0 else "too high"
        return of_level + of_slope, "too close together" if slope > 0 else "too far apart"


def _square(score: float, variance: float) -> float:
    return float(score**2 / variance) if variance else 0.0


def _furthest(judged: Judged) -> list[Together]:
    """Return the groups, single ones and pairs, that are furthest off."""
    answers = _Answers(judged)
    features = [name for name in judged.bundle.schema if name not in judged.bundle.encoder.texts]
    singles = [
        (group,) for feature in features[:SEARCHED] for group in groups(judged.rows, feature)
    ]
    ranked = _ranked(judged, answers, singles)
    pairs = [
        one + other
        for one, other in itertools.combinations([each for _, each, _ in ranked[:PAIRED]], 2)
        if one[0].feature != other[0].feature
    ]
    return _apart(sorted([*ranked, *_ranked(judged, answers, pairs)], key=lambda each: -each[0]))


def _ranked(judged: Judged, answers: _Answers, every: Sequence[Together]) -> Ranked:
    """Return groups of enough rows with how far off each is."""
    known = {group: group.rows(judged.rows) for group in {g for each in every for g in each}}
    ranked = []
    for together in every:
        rows = np.logical_and.reduce([known[group] for group in together])
        if answers.are_enough(rows):
            ranked.append((answers.off(rows)[0], together, rows))
    return sorted(ranked, key=lambda each: -each[0])


def _apart(ranked: Ranked) -> list[Together]:
    """Take the first groups that do not for the most part hold the same rows."""
    taken: list[tuple[Together, np.ndarray]] = []
    for _, together, rows in ranked:
        overlaps = [np.sum(rows & other) / np.sum(rows | other) for _, other in taken]
        if all(overlap < 0.5 for overlap in overlaps):
            taken.append((together, rows))
        if len(taken) == TOLD:
            break
    return [together for together, _ in taken]


def _told(test: Judged, every: Sequence[Together]) -> list[dict[str, Any]]:
    answers = _Answers(test)
    chosen = [(each, rows_of(each, test.rows)) for each in every]
    chosen = [(each, rows) for each, rows in chosen if rows.any()]
    tested = [answers.are_enough(rows) for _, rows in chosen]
    chances = [
        math.exp(-answers.off(rows)[0] / 2)  # of χ² with two degrees of freedom
        for (_, rows), is_tested in zip(chosen, tested, strict=True)
        if is_tested
    ]
    corrected = iter(holm(chances))
    return [
        _described(test, answers, each, rows, next(corrected) if is_tested else None)
        for (each, rows), is_tested in zip(chosen, tested, strict=True)
    ]


def holm(chances: Sequence[float]) -> list[float]:
    """Correct p-values for their number. Source: Holm (1979), a step-down Bonferroni."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    corrected, highest = [0.0] * len(chances), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, chances[i] * (len(chances) - place)))
        corrected[i] = highest
    return corrected


def _described(
    test: Judged, answers: _Answers, together: Together, rows: np.ndarray, p: float | None
) -> dict[str, Any]:
    part = test.among(rows)
    draws = resampled([part.weighed()], part.truth.size, draws=_DRAWS)[:, 0]
    return {
        "group": name_of(together),
        "features": [group.feature for group in together],
        "rows": part.truth.size,
        "figure": _number(part.figure),
        "interval": [_number(bound) for bound in interval(draws)],
        "told": float(answers.told[rows].mean()),
        "true": float(answers.truth[rows].mean()),
        "p": p,
        "off": answers.off(rows)[1] if p is not None and p < 0.05 else None,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
