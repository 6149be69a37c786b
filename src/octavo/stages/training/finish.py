"""What follows the trials: the best of them blended, and what is best trained once more on all.

Like trials these run in a process of their own, and know nothing of catalogs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.bundle import Bundle, blended
from octavo.bundle.finishing import finished
from octavo.bundle.metrics import measured
from octavo.definition import Problem
from octavo.stages.training.algorithms import Algorithm
from octavo.stages.training.material import Material
from octavo.stages.training.trial import Terms, Trial, Tried, fit, predictions, store

BLEND = "blend"
"""The name under which a blend is kept, where others have an algorithm's."""
_ROUNDS = 20
_LOOKED = 50_000
"""Validation rows by which weights are chosen, at the most."""
_LEAST = 0.05
"""A member with less weight is not worth its time."""


@dataclass(frozen=True)
class Member:
    """A candidate that may be part of a blend."""

    number: int
    """Of its trial."""
    candidate_id: str
    algorithm: Algorithm
    found: Mapping[str, Any]
    """The parameters as they turned out."""
    weight: float = 1.0


def blend(request: tuple[Terms, Sequence[Member]]) -> Tried:
    """Choose weights for the candidates on the validation part, and store what they make.

    Members are added one at a time, the one that helps most, several times if need be; a member's
    weight is how often. Source: Caruana et al., Ensemble Selection from Libraries of Models (2004).

    Parameters
    ----------
    request
        The terms and the candidates, best first.

    Returns
    -------
    Tried
        Without a candidate if one member alone is best.
    """
    terms, members = request
    truths = [Material.load(fold).validation_truth for fold in terms.folds]
    predicted = [
        [np.load(predictions(fold, member.number), mmap_mode="r") for member in members]
        for fold in terms.folds
    ]
    weights = weights_of(terms.problem, truths, predicted, terms.seed)
    used = [replace(m, weight=float(w)) for m, w in zip(members, weights, strict=True) if w > 0]
    if len(used) < 2:
        return Tried()
    bundles = [Bundle.load(terms.candidates / member.candidate_id) for member in used]
    means = [_mean(weights, of_fold) for of_fold in predicted]
    problem = terms.problem
    figures = [measured(problem, truth, mean) for truth, mean in zip(truths, means, strict=True)]
    bundle = finished(put_together(bundles, used), means[-1], truths[-1], problem)
    train = Material.load(terms.folds[-1]).train
    candidate_id = store(bundle, train, bundle.calibrated(means[-1]), terms.candidates)
    return Tried(figures=figures, candidate_id=candidate_id, found=dict(bundle.params))


def weights_of(
    problem: Problem,
    truths: Sequence[np.ndarray],
    predicted: Sequence[Sequence[np.ndarray]],
    seed: int = 0,
) -> np.ndarray:
    """Return what each member should weigh in a mean of their predictions.

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
    sign = 1 if problem.more_is_better else -1
    looked = [_some(truth.size, seed) for truth in truths]
    truths = [truth[at] for truth, at in zip(truths, looked, strict=True)]
    each = [
        np.array([member[at] for member in found])
        for found, at in zip(predicted, looked, strict=True)
    ]

    def score(counts: np.ndarray) -> float:
        means = [np.tensordot(counts / counts.sum(), found, axes=1) for found in each]
        return sign * float(
            np.mean([measured(problem, t, m) for t, m in zip(truths, means, strict=True)])
        )

    members = len(predicted[0])
    counts, best, kept = np.zeros(members), -np.inf, np.zeros(members)
    for _ in range(_ROUNDS):
        found = [score(counts + more) for more in np.eye(members)]
        counts[int(np.argmax(found))] += 1
        if max(found) > best:
            best, kept = max(found), counts.copy()
    weights = np.where(kept > _LEAST * kept.sum(), kept, 0.0)
    return weights / weights.sum()


def _mean(weights: np.ndarray, predicted: Sequence[np.ndarray]) -> np.ndarray:
    """Return the weighted mean of predictions; those without weight are not read."""
    return sum(
        (weight * each for weight, each in zip(weights, predicted, strict=True) if weight),
        start=np.zeros_like(predicted[0]),
    )


def _some(rows: int, seed: int) -> np.ndarray:
    """Return which rows are looked at."""
    if rows <= _LOOKED:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, _LOOKED, replace=False))


def put_together(bundles: Sequence[Bundle], members: Sequence[Member]) -> Bundle:
    """Put the bundles of members into one."""
    weights = np.array([member.weight for member in members])
    parts = [(bundle.encoder, bundle.model) for bundle in bundles]
    encoder, model = blended(parts, weights)  # type: ignore[arg-type]  members are no blends
    listed = [
        {
            "trial": member.number,
            "algorithm": member.algorithm.name,
            "weight": float(weight),
            "params": dict(bundle.params),
        }
        for member, bundle, weight in zip(members, bundles, model.weights, strict=True)
    ]
    return replace(
        bundles[0], model=model, encoder=encoder, algorithm=BLEND, params={"members": listed}
    )


def refit(request: tuple[Terms, Sequence[Member], str, Path]) -> Tried:
    """Train what is best once more, on the training and the validation part together.

    With the parameters as they turned out, such as the number of rounds, and the calibration and
    threshold of what it repeats, nothing is left to be chosen on the validation part. How good it
    is stays to be what it was before, on rows it had not seen.

    Parameters
    ----------
    request
        The terms, the members (one, or those of a blend), the candidate they make so far, and a
        folder for encoded rows.
    """
    terms, members, candidate_id, folder = request
    apart = Material.load(terms.folds[-1])
    before = Bundle.load(terms.candidates / candidate_id)
    material = apart.joined
    bundles = [
        fit(Trial(terms, member.number, member.algorithm, member.found), material, folder)
        for member in members
    ]
    bundle = bundles[0] if len(bundles) == 1 else put_together(bundles, members)
    bundle = replace(bundle, calibration=before.calibration, threshold=before.threshold)
    predicted = before.predict(apart.validation)
    stored = store(bundle, material.train, predicted, terms.candidates)
    return Tried(candidate_id=stored, found=dict(bundle.params))
