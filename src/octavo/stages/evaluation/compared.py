"""The candidate beside others on the same test rows: the trivial baseline, and the champion."""

from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.bootstrap import difference, interval, resampled
from octavo.bundle.metrics import measured, trivial
from octavo.definition.events import EVENT_TIME
from octavo.stages.contract import Context
from octavo.stages.evaluation.judged import Judged, weighed
from octavo.stages.evaluation.study import count_reading, newest_study


def beside_baseline(test: Judged, trained_on: np.ndarray) -> dict[str, Any]:
    """Return the 95 % interval of the figure, and by how much it is better than the baseline's."""
    problem = test.problem
    plain = trivial(problem.kind, trained_on, test.truth.size)
    figures = [test.weighed(), weighed(problem, test.truth, plain, None)]
    draws = resampled(figures, test.truth.size)
    other = measured(problem, test.truth, plain)
    found = difference(test.figure, other, draws, more_is_better=problem.more_is_better)
    gained = asdict(found) | {"significant": found.significant}
    return {"interval": interval(draws[:, 0]), "gain": gained}


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
