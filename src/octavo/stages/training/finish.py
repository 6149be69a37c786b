"""What follows the trials: the best of them put together, and what is best trained once more.

Like trials these run in a process of their own, and know nothing of catalogs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.bundle import Bundle, blended, stacked
from octavo.bundle.finishing import finished
from octavo.bundle.metrics import measured
from octavo.bundle.ranking import Closeness
from octavo.stages.training.algorithms import Algorithm
from octavo.stages.training.blending import mean_of, weights_of
from octavo.stages.training.material import Material
from octavo.stages.training.stacking import PARTS, stack, told
from octavo.stages.training.trial import Terms, Trial, Tried, fit, predictions, store

Row = Mapping[str, Any]

BLEND, STACK = "blend", "stack"
"""The names under which what is put together is kept, where others have an algorithm's."""


@dataclass(frozen=True)
class Member:
    """A candidate that may be put together with others."""

    number: int
    """Of its trial."""
    candidate_id: str
    algorithm: Algorithm
    found: Mapping[str, Any]
    """The parameters as they turned out."""
    weight: float = 1.0


@dataclass(frozen=True)
class Whole:
    """A candidate as its members, and how they are put together."""

    members: Sequence[Member]
    """One alone, or those of a blend or a stack."""
    intercept: Sequence[float] | None = None
    """Of a stack; None: it is none."""

    def of(self, bundles: Sequence[Bundle]) -> Bundle:
        """Put the bundles of the members into one."""
        if len(bundles) == 1:
            return bundles[0]
        weights = np.array([member.weight for member in self.members])
        parts = [(bundle.encoder, bundle.model) for bundle in bundles]
        if self.intercept is None:
            encoder, model = blended(parts, weights)
        else:
            encoder, model = stacked(parts, weights, np.array(self.intercept))
        listed = [
            {
                "trial": member.number,
                "algorithm": member.algorithm.name,
                "weight": float(weight),
                "params": dict(bundle.params),
            }
            for member, bundle, weight in zip(self.members, bundles, model.weights, strict=True)
        ]
        known = {} if self.intercept is None else {"intercept": list(self.intercept)}
        return replace(
            bundles[0],
            model=model,
            encoder=encoder,
            algorithm=BLEND if self.intercept is None else STACK,
            params={"members": listed} | known,
        )


def whole_of(row: Row, rows: Mapping[int, Row], algorithm_of: Callable[[str], Algorithm]) -> Whole:
    """Return the members of a candidate that is none trained once more.

    Parameters
    ----------
    row
        Of its trial, blend or stack.
    rows
        All of the study, by their numbers.
    """

    def member(trial: Row, weight: float = 1.0) -> Member:
        algorithm = algorithm_of(trial["algorithm"])
        return Member(trial["number"], trial["candidate_id"], algorithm, trial["found"], weight)

    if row["role"] == "trial":
        return Whole([member(row)])
    listed = row["params"]["members"]
    return Whole(
        [member(rows[each["trial"]], each["weight"]) for each in listed],
        row["params"].get("intercept"),
    )


def blend(request: tuple[Terms, Sequence[Member], float]) -> Tried:
    """Choose weights for the candidates on the validation part, and store what they make.

    That is a blend, or a stack of the same members where it does better.

    Parameters
    ----------
    request
        The terms, the candidates, best first, and the seconds that all of it may take.

    Returns
    -------
    Tried
        Without a candidate if one member alone is best.
    """
    terms, members, seconds = request
    problem, began = terms.problem, time.monotonic()
    truths = [Material.load(fold).validation_truth for fold in terms.folds]
    predicted = [
        [np.load(predictions(fold, member.number), mmap_mode="r") for member in members]
        for fold in terms.folds
    ]
    weights = weights_of(problem, truths, predicted, terms.seed)
    places = np.flatnonzero(weights).tolist()
    if len(places) < 2:
        return Tried()
    weights = weights[places]
    members = [members[place] for place in places]
    predicted = [[of_fold[place] for place in places] for of_fold in predicted]
    means = [mean_of(weights, of_fold) for of_fold in predicted]
    figures = [measured(problem, truth, mean) for truth, mean in zip(truths, means, strict=True)]
    closeness, unseen, intercept = Closeness.of(problem, truths, means), means[-1], None
    # A blend is not risked for what may be a little better: a stack takes at most as long for each
    # of its parts.
    is_time = (PARTS + 1) * (time.monotonic() - began) < seconds
    if is_time and (found := stack(problem, truths, predicted, weights, terms.seed)):
        weights, intercept = found.weights, found.intercept.tolist()
        figures, closeness = found.figures, found.closeness
        unseen = told(problem.kind, predicted[-1], weights, found.intercept)
    used = [replace(m, weight=float(w)) for m, w in zip(members, weights, strict=True) if w > 0]
    bundles = [Bundle.load(terms.candidates / member.candidate_id) for member in used]
    bundle = finished(Whole(used, intercept).of(bundles), unseen, truths[-1], problem)
    last, answered = Material.load(terms.folds[-1]), bundle.calibrated(unseen)
    candidate_id = store(bundle, last, last.train, answered, terms.candidates)
    return Tried(
        figures=figures,
        closeness=closeness,
        candidate_id=candidate_id,
        found=dict(bundle.params),
    )


def refit(request: tuple[Terms, Whole, str, Path]) -> Tried:
    """Train what is best once more, on the training and the validation part together.

    With the parameters as they turned out, such as the number of rounds, and the calibration and
    threshold of what it repeats, nothing is left to be chosen on the validation part. How good it
    is stays to be what it was before, on rows it had not seen.

    Parameters
    ----------
    request
        The terms, the candidate's members, its ID, and a folder for encoded rows.
    """
    terms, whole, candidate_id, folder = request
    before = Bundle.load(terms.candidates / candidate_id)
    bundle = trained(terms, whole, Material.load(terms.folds[-1]).joined, folder)
    bundle = replace(bundle, calibration=before.calibration, threshold=before.threshold)
    return _stored(terms, before, bundle)


def bag(request: tuple[Terms, Whole, str]) -> Tried:
    """Train what is best on the earlier folds too, and average.

    All else as for `refit`: where folds change places, each validation part is learned from.
    Source: Breiman, Bagging Predictors (1996), with folds in the place of samples.

    Parameters
    ----------
    request
        The terms, the candidate's members, and its ID.
    """
    terms, whole, candidate_id = request
    last = Bundle.load(terms.candidates / candidate_id)
    earlier = [trained(terms, whole, Material.load(fold), fold) for fold in terms.folds[:-1]]
    return _stored(terms, last, bagged(earlier, last))


def trained(terms: Terms, whole: Whole, material: Material, folder: Path) -> Bundle:
    """Train all members on some material, as far as their trials went, and put them together."""
    return whole.of(
        [
            fit(Trial(terms, member.number, member.algorithm, member.found), material, folder)
            for member in whole.members
        ]
    )


def bagged(earlier: Sequence[Bundle], last: Bundle) -> Bundle:
    """Average what was trained on the folds; all else is the last one's."""
    bundles = [*earlier, last]
    parts = [(bundle.encoder, bundle.model) for bundle in bundles]
    encoder, model = blended(parts, np.ones(len(bundles)))
    return replace(last, encoder=encoder, model=model)


def _stored(terms: Terms, before: Bundle, bundle: Bundle) -> Tried:
    """Store what was trained once more, with what was predicted before for unseen rows."""
    last = Material.load(terms.folds[-1])
    predicted = before.predict(last.validation)
    stored = store(bundle, last, last.joined.train, predicted, terms.candidates)
    return Tried(candidate_id=stored, found=dict(bundle.params))
