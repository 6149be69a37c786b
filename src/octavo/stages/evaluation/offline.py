"""Choose on validation, judge once on test, and say whether the problem is answered."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.bundle.metrics import figure, interval, trivial
from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import Problem, fingerprint
from octavo.definition.events import EVENT_TIME
from octavo.errors import DataError
from octavo.stages.contract import Context, Outcome
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row

_RANKED = ("candidate_id", "algorithm", "validation", "folds", "seconds")


@dataclass(frozen=True)
class Verdict:
    """What evaluation found; figures are in units of the problem's metric."""

    answered: bool
    """Whether the candidate reaches the problem's figure on validation and on test."""
    promoted: bool
    """Whether it takes the champion's place: it answers, and the champion (if any) is beaten."""
    reason: str
    candidate: str
    algorithm: str
    metric: str
    validation: float
    validation_baseline: float
    validation_threshold: float
    test: float
    test_interval: tuple[float, float]
    baseline: float
    threshold: float
    test_rows: int
    champion: dict[str, Any] | None
    """The deployed champion: its ID, both figures on the rows later than both trainings, and
    how many these are."""
    ranking: list[dict[str, Any]]
    """All candidates, best first; ``validation`` is the mean over ``folds``."""


def inputs(context: Context) -> Any:
    """Return the study of candidates, the problem and the gate."""
    return [_study(context), fingerprint([context.pipeline.problem, context.pipeline.gate])]


def _study(context: Context) -> str:
    table = tables.studies
    query = sa.select(table).where(table.c.finished_at.is_not(None))
    found = context.catalog.one(query.order_by(table.c.finished_at.desc()))
    if found is None:
        raise DataError("no training has finished yet.", fix="Run `octavo train` first.")
    return found["study"]


def run(context: Context) -> Outcome:
    """Judge the best candidate and broadcast the verdict."""
    problem = context.pipeline.problem
    segregation = context.segregation()
    ranking = _ranking(context)
    best = ranking[0]
    bundle = Bundle.load(context.home.candidate(best["candidate_id"]))
    _count_reading(context, best["candidate_id"], segregation.data_version, "verdict")
    trained_on, truth = _truths(context, ("train", "test"))
    base = {
        "validation": _validation_baseline(context),
        "test": _baseline(problem, trained_on, truth),
    }
    test = segregation.data("test", problem.learns_from)
    predicted = bundle.predict(test)
    found = figure(problem.metric, truth, predicted)
    low, high = interval(problem.metric, truth, predicted)
    champion = _against_champion(context, bundle, test, truth, predicted)
    answered, reason = _answers(context, best["validation"], found, base)
    refused = _refusal(context, champion) if answered else None
    verdict = Verdict(
        answered=answered,
        promoted=answered and refused is None,
        reason=refused[1] if refused else reason,
        candidate=best["candidate_id"],
        algorithm=best["algorithm"],
        metric=problem.metric,
        validation=best["validation"],
        validation_baseline=base["validation"],
        validation_threshold=problem.threshold(base["validation"]),
        test=found,
        test_interval=(low, high),
        baseline=base["test"],
        threshold=problem.threshold(base["test"]),
        test_rows=test.height,
        champion=champion,
        ranking=[{key: row[key] for key in _RANKED} for row in ranking],
    )
    told = "model ready" if answered else "no candidate answers the problem"
    _record(context, verdict, refused[0] if refused else told)
    return Outcome(
        rows_in=segregation.outcomes("validation", "with").len() + test.height,
        rows_out=int(answered),
        outputs=asdict(verdict),
    )


def _ranking(context: Context) -> list[Row]:
    """Return the study's candidates, best on validation first; equal ones by age.

    What was trained once more on all rows comes before what it repeats.
    """
    trials, candidates = tables.trials, tables.candidates
    query = (
        sa.select(candidates, trials.c.number, trials.c.folds, trials.c.role)
        .join(trials, trials.c.candidate_id == candidates.c.candidate_id)
        .where(trials.c.study == _study(context))
        .order_by(trials.c.number)
    )
    rows = list({row["candidate_id"]: row for row in context.catalog.rows(query)}.values())
    sign = -1 if context.pipeline.problem.more_is_better else 1
    return sorted(
        rows, key=lambda row: (sign * row["validation"], row["role"] != "refit", row["number"])
    )


def _truths(
    context: Context, parts: tuple[str, str], fold: int | None = None
) -> tuple[np.ndarray, ...]:
    """Return the labels of some parts as numbers, by the classes of the first of them."""
    pipeline, segregation = context.pipeline, context.segregation()
    rows = pipeline.problem.learns_from
    labels = [segregation.outcomes(p, rows, fold=fold) for p in parts]
    classes = classes_of(labels[0], pipeline)
    return tuple(target_numbers(label, pipeline, classes) for label in labels)


def _baseline(problem: Problem, trained_on: np.ndarray, truth: np.ndarray) -> float:
    """Return the figure of the trivial baseline."""
    return figure(problem.metric, truth, trivial(problem.kind, trained_on, truth.size))


def _validation_baseline(context: Context) -> float:
    """Return the mean over the folds, as a candidate's figure on validation is one."""
    folds = range(1, context.segregation().folds + 1)
    truths = [_truths(context, ("train", "validation"), fold) for fold in folds]
    return float(np.mean([_baseline(context.pipeline.problem, *each) for each in truths]))


def _count_reading(context: Context, candidate_id: str, data_version: str, purpose: str) -> None:
    """Record that test is about to be read; the same reading of a resumed run counts once."""
    table = tables.test_readings
    same = sa.select(table).where(
        table.c.run_id == context.run_id,
        table.c.candidate_id == candidate_id,
        table.c.purpose == purpose,
    )
    if context.catalog.one(same) is None:
        context.catalog.insert(
            table,
            run_id=context.run_id,
            candidate_id=candidate_id,
            data_version=data_version,
            purpose=purpose,
            at=context.now(),
        )


def _against_champion(
    context: Context, bundle: Bundle, test: Any, truth: np.ndarray, predicted: np.ndarray
) -> dict[str, Any] | None:
    """Compare with the deployed champion on the test rows later than both trainings."""
    live = context.catalog.live_deployment()
    row = context.catalog.candidate(live["candidate_id"]) if live else None
    if row is None or row["study"] == _study(context):
        return None  # none yet, or a resumed run that had deployed already
    champion_id = row["candidate_id"]
    champion = Bundle.load(context.home.candidate(champion_id))
    if champion.lacking(context.segregation().features):
        return {"candidate": champion_id, "rows": 0, "why": "its features are defined no longer"}
    if champion.learned["label"] != bundle.learned["label"]:
        return {"candidate": champion_id, "rows": 0, "why": "it was trained for another label"}
    end = champion.learned.get("trained_until")
    later = (test[EVENT_TIME].cast(int) > end).to_numpy() if end else np.ones(truth.size, bool)
    enough = np.unique(truth[later]).size > 1 or not context.pipeline.problem.needs_labels
    if not later.any() or not enough:
        return {"candidate": champion_id, "rows": int(later.sum()), "why": "too few later rows"}
    _count_reading(context, champion_id, context.segregation().data_version, "champion")
    metric = context.pipeline.problem.metric
    return {
        "candidate": champion_id,
        "rows": int(later.sum()),
        "champion": figure(metric, truth[later], champion.predict(test)[later]),
        "challenger": figure(metric, truth[later], predicted[later]),
    }


def _answers(
    context: Context, validation: float, test: float, base: dict[str, float]
) -> tuple[bool, str]:
    """Say whether the figures answer the problem, and why."""
    problem = context.pipeline.problem
    for part, found in (("validation", validation), ("test", test)):
        needed = problem.threshold(base[part])
        if not problem.answers(found, base[part]):
            return False, f"{problem.metric} on {part} is {found:.4f}, {needed:.4f} is needed"
    return True, f"{problem.metric} on test is {test:.4f}, {needed:.4f} needed"


def _refusal(context: Context, champion: dict[str, Any] | None) -> tuple[str, str] | None:
    """Return what is told, and why, if a candidate that answers is not promoted.

    None if nothing stands against it; a champion that cannot be compared does not.
    """
    leaks = context.segregation().leaks
    if leaks and context.pipeline.gate.refuse_leaks:
        kinds = ", ".join(dict.fromkeys(leak["kind"] for leak in leaks))
        return "candidate refused", f"leaks are suspected ({kinds}); see `octavo leaks`"
    if champion is None or "champion" not in champion:
        return None
    gain = champion["challenger"] - champion["champion"]
    gain = gain if context.pipeline.problem.more_is_better else -gain
    if gain >= context.pipeline.gate.beat_champion_by:
        return None
    return (
        "champion stays",
        f"the champion {champion['candidate']} is not beaten: "
        f"{champion['champion']:.4f} against {champion['challenger']:.4f}",
    )


def _record(context: Context, verdict: Verdict, kind: str) -> None:
    with context.catalog.transaction() as connection:
        connection.execute(
            tables.verdicts.delete().where(tables.verdicts.c.run_id == context.run_id)
        )
        connection.execute(
            tables.verdicts.insert().values(
                run_id=context.run_id,
                candidate_id=verdict.candidate,
                answered=int(verdict.answered),
                document=asdict(verdict),
                at=context.now(),
            )
        )
        tables.emit(
            connection,
            kind,
            f"{verdict.candidate} ({verdict.algorithm})",
            severity="info" if verdict.answered else "warning",
            run_id=context.run_id,
            reason=verdict.reason,
        )
