"""Where the candidate does worse: groups that are declared, and groups that are found.

Groups differ in how much there is to explain, so that figures such as average precision cannot be
compared between them. What can is the share of the *deviance* that is explained: 1 − the loss of
the predictions ÷ that of the group's own mean (McFadden's R²; R² for numbers). Groups are searched
for on validation, and those that do worst there are tested on test, where nothing was searched.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.bundle.bootstrap import interval, resampled
from octavo.bundle.metrics import log_losses
from octavo.stages.evaluation.groups import Group, groups, name_of, rows_of
from octavo.stages.evaluation.judged import Judged

SEARCHED = 200
"""Features that are searched at the most, the first of the bundle's."""
PAIRED = 24
"""The worst groups, of which pairs are looked at too."""
TOLD = 5
"""Groups that are tested on test."""
LEAST_ROWS = 50
LEAST_SHARE = 0.01
LEAST_OF_A_CLASS = 10
_DRAWS = 200

Together = tuple[Group, ...]


def declared(test: Judged, features: Sequence[str]) -> list[dict[str, Any]]:
    """Measure the groups of some features, one by one; with Holm's correction over all of them."""
    every = [(group,) for feature in features for group in groups(test.rows, feature)]
    return _told(test, every)


def found(validation: Judged, test: Judged) -> list[dict[str, Any]]:
    """Return the groups that do worst on validation and do worse than all rows on test too.

    Those for which a one-sided t-test, corrected by Holm's method, gives p < 0.05.
    """
    return [each for each in _told(test, _worst(validation)) if each["worse"]]


def _worst(judged: Judged) -> list[Together]:
    """Return the groups, single ones and pairs, furthest below what is explained of all rows."""
    losses = _losses(judged)
    if _explained(losses, judged.truth, judged) <= 0:
        return []  # it explains nothing anywhere
    features = list(judged.bundle.schema)[:SEARCHED]
    prose = judged.bundle.encoder.texts
    singles = [
        (group,)
        for feature in features
        if feature not in prose
        for group in groups(judged.rows, feature)
    ]
    ranked = _ranked(judged, losses, singles)
    pairs = [
        one + other
        for one, other in itertools.combinations([each for _, each, _ in ranked[:PAIRED]], 2)
        if one[0].feature != other[0].feature
    ]
    ranked = sorted([*ranked, *_ranked(judged, losses, pairs)], key=lambda each: -each[0])
    return _apart(ranked)


def _ranked(
    judged: Judged, losses: np.ndarray, every: Sequence[Together]
) -> list[tuple[float, Together, np.ndarray]]:
    """Return groups of enough rows with how far each is behind, in standard errors."""
    known: dict[Group, np.ndarray] = {}
    ranked = []
    for together in every:
        for group in together:
            if group not in known:
                known[group] = group.rows(judged.rows)
        rows = np.logical_and.reduce([known[group] for group in together])
        if _enough(judged, rows):
            ranked.append((_behind(judged, losses, rows), together, rows))
    return sorted(ranked, key=lambda each: -each[0])


def _apart(ranked: list[tuple[float, Together, np.ndarray]]) -> list[Together]:
    """Take the first groups that do not for the most part hold the same rows."""
    taken: list[tuple[Together, np.ndarray]] = []
    for behind, together, rows in ranked:
        overlaps = [np.sum(rows & other) / np.sum(rows | other) for _, other in taken]
        if behind > 0 and all(overlap < 0.5 for overlap in overlaps):
            taken.append((together, rows))
        if len(taken) == TOLD:
            break
    return [together for together, _ in taken]


def _enough(judged: Judged, rows: np.ndarray) -> bool:
    count = int(rows.sum())
    if count == rows.size or count < max(LEAST_ROWS, LEAST_SHARE * rows.size):
        return False
    if judged.problem.kind != "binary":
        return True
    positives = judged.truth[rows].sum()
    return min(positives, count - positives) >= LEAST_OF_A_CLASS


def _losses(judged: Judged) -> np.ndarray:
    """Return the loss of each row: −ln of what was told, or the squared error."""
    if judged.problem.kind == "regression":
        return (judged.predicted - judged.truth) ** 2
    return log_losses(judged.truth, judged.predicted)


def _plain_losses(truth: np.ndarray, judged: Judged) -> np.ndarray:
    """Return the same of the rows' own mean, or the shares of their classes."""
    if judged.problem.kind == "regression":
        return (truth - truth.mean()) ** 2
    shares = np.bincount(truth.astype(np.int64)) / truth.size
    return -np.log(shares[truth.astype(np.int64)])


def _explained(losses: np.ndarray, truth: np.ndarray, judged: Judged) -> float:
    """Return the share of the deviance that is explained; NaN if there is none."""
    plain = _plain_losses(truth, judged).sum()
    return float(1 - losses.sum() / plain) if plain else math.nan


def _behind(judged: Judged, losses: np.ndarray, rows: np.ndarray) -> float:
    """Return by how many standard errors a group's loss is above its share of all rows'.

    Its share: what is left unexplained of all rows, of the group's own deviance.
    """
    left = 1 - _explained(losses, judged.truth, judged)
    excess = losses[rows] - left * _plain_losses(judged.truth[rows], judged)
    spread = excess.std(ddof=1)
    return float(excess.mean() / spread * math.sqrt(excess.size)) if spread else 0.0


def _told(test: Judged, every: Sequence[Together]) -> list[dict[str, Any]]:
    losses = _losses(test)
    chosen = [(each, rows_of(each, test.rows)) for each in every]
    chosen = [(each, rows) for each, rows in chosen if rows.any()]
    enough = [_enough(test, rows) for _, rows in chosen]
    chances = [
        _chance(_behind(test, losses, rows))
        for (_, rows), is_enough in zip(chosen, enough, strict=True)
        if is_enough
    ]
    corrected = iter(holm(chances))
    return [
        _described(test, losses, each, rows, next(corrected) if is_enough else None)
        for (each, rows), is_enough in zip(chosen, enough, strict=True)
    ]


def _chance(behind: float) -> float:
    """Return the chance of so many standard errors or more, by the normal distribution."""
    return 0.5 * math.erfc(behind / math.sqrt(2))


def holm(chances: Sequence[float]) -> list[float]:
    """Correct p-values for their number. Source: Holm (1979), a step-down Bonferroni."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    corrected, highest = [0.0] * len(chances), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, chances[i] * (len(chances) - place)))
        corrected[i] = highest
    return corrected


def _described(
    test: Judged, losses: np.ndarray, together: Together, rows: np.ndarray, p: float | None
) -> dict[str, Any]:
    part = test.among(rows)
    figure = part.figure
    draws = resampled([part.weighed()], part.truth.size, draws=_DRAWS)[:, 0]
    several = test.problem.kind == "multiclass"
    explained = _explained(losses[rows], part.truth, part)
    return {
        "group": name_of(together),
        "features": [group.feature for group in together],
        "rows": part.truth.size,
        "figure": _number(figure),
        "interval": [_number(bound) for bound in interval(draws)],
        "truth": None if several else float(part.truth.mean()),
        "predicted": None if several else float(part.predicted.mean()),
        "explained": _number(explained),
        "explained_of_all": _number(_explained(losses, test.truth, test)),
        "p": p,
        "worse": p is not None and p < 0.05,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
