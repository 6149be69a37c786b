"""The candidate beside others on the same test rows: two baselines, and the champion."""

from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import Bundle, LastModel, OrdinalEncoder
from octavo.bundle.bootstrap import difference, interval, resampled
from octavo.bundle.metrics import measured, trivial
from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import last_value_feature
from octavo.definition.events import EVENT_TIME
from octavo.stages.contract import Context
from octavo.stages.evaluation.judged import Judged, weighed
from octavo.stages.evaluation.study import count_reading, newest_study


def beside_baseline(test: Judged, trained_on: np.ndarray) -> dict[str, Any]:
    """Return the 95 % interval of the figure, and by how much it is better than the baseline's."""
    plain = trivial(test.problem.kind, trained_on, test.truth.size)
    draws, gained = _beside(test, plain)
    return {"interval": interval(draws[:, 0]), "gain": gained}


def beside_last_value(context: Context, test: Judged) -> dict[str, Any] | None:
    """Compare with what the last known value of the label alone would tell.

    Returns
    -------
    dict or None
        The feature, the figures of ``validation`` (the mean over the folds) and ``test``, and the
        candidate's ``gain`` over it on test; None where no feature is the label's last value.
    """
    feature, problem = last_value_feature(context.pipeline), test.problem
    if feature is None or problem.kind == "anomaly":
        return None
    folds = range(1, context.segregation().folds + 1)
    told = [_last_value(context, feature, "validation", fold) for fold in folds]
    _, predicted = _last_value(context, feature, "test")
    return {
        "feature": feature,
        "validation": float(np.mean([measured(problem, *each) for each in told])),
        "test": measured(problem, test.truth, predicted),
        "gain": _beside(test, predicted)[1],
    }


def _last_value(
    context: Context, feature: str, part: str, fold: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what came true in a part, and what the last value alone tells by train."""
    pipeline, segregation = context.pipeline, context.segregation()
    asked, label = pipeline.problem.learns_from, pipeline.label.name
    train, rows = (segregation.data(p, asked, [feature], fold=fold) for p in ("train", part))
    classes = classes_of(train[label], pipeline)
    encoder, X = OrdinalEncoder.fit_transform(train.select(feature))
    truth = target_numbers(train[label], pipeline, classes)
    model = LastModel.learned(pipeline.problem.kind, X, 0, truth)
    predicted = model.predict(encoder.transform(rows))
    return target_numbers(rows[label], pipeline, classes), predicted


def _beside(test: Judged, predicted: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return draws of the candidate's figure and of other predictions', and the gain over these."""
    problem = test.problem
    figures = [test.weighed(), weighed(problem, test.truth, predicted, None)]
    draws = resampled(figures, test.truth.size)
    other = measured(problem, test.truth, predicted)
    found = difference(test.figure, other, draws, more_is_better=problem.more_is_better)
    return draws, asdict(found) | {"significant": found.significant}


def beside_champion(context: Context, test: Judged) -> dict[str, Any] | None:
    """Compare with the deployed champion on the test rows later than both trainings."""
    live = context.catalog.live_deployment()
    row = context.catalog.candidate(live["candidate_id"]) if live else None
    if row is None or row["study"] == newest_study(context):
        return None  # none yet, or a resumed run that had deployed already
    champion_id = row["candidate_id"]
    champion = Bundle.load(context.home.candidate(champion_id))
    if why := _not_comparable(context, champion, test):
        return {"candidate": champion_id, "rows": 0, "why": why}
    end = champion.learned.get("trained_until")
    times = test.rows[EVENT_TIME].cast(pl.Int64).to_numpy()
    later = test.among(times > end if end else np.ones(times.size, bool))
    enough = np.unique(later.truth).size > 1 or not test.problem.needs_labels
    if not later.truth.size or not enough:
        return {"candidate": champion_id, "rows": later.truth.size, "why": "too few later rows"}
    count_reading(context, champion_id, "champion")
    theirs = Judged.of(test.problem, champion, later.rows, later.truth)
    draws = resampled([later.weighed(), theirs.weighed()], later.truth.size)
    more = test.problem.more_is_better
    found = difference(later.figure, theirs.figure, draws, more_is_better=more)
    return {
        "candidate": champion_id,
        "rows": later.truth.size,
        "champion": theirs.figure,
        "challenger": later.figure,
        "gain": asdict(found) | {"significant": found.significant},
    }


def _not_comparable(context: Context, champion: Bundle, test: Judged) -> str:
    """Say why the champion cannot be asked the same; "" if it can."""
    if champion.lacking(context.segregation().features):
        return "its features are defined no longer"
    if champion.learned["label"] != test.bundle.learned["label"]:
        return "it was trained for another label"
    if list(champion.classes) != list(test.bundle.classes):
        return "it knows other classes"
    return ""
