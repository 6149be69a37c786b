"""Choose on validation, judge once on test, and say whether the problem is answered."""

import json
from dataclasses import asdict
from typing import Any

import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.ranking import decided
from octavo.definition import PARTS, fingerprint
from octavo.definition.events import EVENT_TIME
from octavo.stages.contract import Context, Outcome
from octavo.stages.evaluation.card import EVALUATION, write_card, write_whole
from octavo.stages.evaluation.compared import beside_baseline, beside_champion, beside_last_value
from octavo.stages.evaluation.costs import costs
from octavo.stages.evaluation.curves import curves
from octavo.stages.evaluation.fairness import fairness
from octavo.stages.evaluation.judged import (
    Judged,
    baseline,
    truths,
    validation,
    validation_baseline,
)
from octavo.stages.evaluation.robustness import importance, robustness, sampled
from octavo.stages.evaluation.servable import servable
from octavo.stages.evaluation.slices import declared, found
from octavo.stages.evaluation.study import count_reading, newest_study, ranking, unseen
from octavo.stages.evaluation.verdict import Verdict, answers, refusal
from octavo.stages.parts import Part, Parts, named, replaced
from octavo.stores import approvals
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row

_RANKED = ("candidate_id", "algorithm", "validation", "folds", "log_loss", "seconds")


def inputs(context: Context) -> Parts:
    """Return the study of candidates, the problem, what is looked at and the gate."""
    asked = {name: getattr(context.pipeline, name) for name in ("problem", "evaluation", "gate")}
    return {
        "candidates": replaced("search", newest_study(context)),
        "asked": Part(fingerprint([*asked.values()]), *named("part", asked)),
    }


def run(context: Context) -> Outcome:
    """Judge the best candidate and broadcast the verdict."""
    ranked = ranking(context)
    best = ranked[0]
    folder = context.home.candidate(best["candidate_id"])
    bundle = Bundle.load(folder)
    like = Bundle.load(context.home.candidate(unseen(ranked)["candidate_id"]))
    seen = validation(context, like)
    count_reading(context, best["candidate_id"], "verdict")
    trained_on, truth = truths(context, ("train", "test"))
    problem = context.pipeline.problem
    rows = context.segregation().data("test", problem.learns_from)
    test = Judged.of(problem, bundle, rows, truth)
    base = {
        "validation": validation_baseline(context),
        "test": baseline(problem, trained_on, truth),
    }
    verdict, told = _judge(context, ranked, seen, test, base, beside_baseline(test, trained_on))
    write_whole(folder / EVALUATION, json.dumps(_details(context, seen, test)))
    _record(context, verdict, told)
    write_card(context.home, context.catalog, verdict.candidate)
    return Outcome(
        rows_in=seen.truth.size + rows.height,
        rows_out=int(verdict.answered),
        outputs=asdict(verdict),
    )


def _judge(
    context: Context,
    ranked: list[Row],
    seen: Judged,
    test: Judged,
    base: dict[str, float],
    beside: dict[str, Any],
) -> tuple[Verdict, str]:
    """Return the verdict, and what is told of it."""
    pipeline, problem, best = context.pipeline, test.problem, ranked[0]
    figures = {"validation": best["validation"], "test": test.figure}
    answered, reason = answers(problem, figures, base)
    champion = beside_champion(context, test)
    folder = context.home.candidate(best["candidate_id"])
    checked = servable(test.bundle, folder, seen.rows, pipeline.gate)
    refused = None
    if answered:
        refused = refusal(
            problem,
            pipeline.gate,
            leaks=context.segregation().leaks,
            servable=checked,
            gain=beside["gain"],
            champion=champion,
        )
    has_outcomes = problem.kind != "anomaly"
    verdict = Verdict(
        answered=answered,
        promoted=answered and refused is None,
        needs_approval=pipeline.gate.approval,
        reason=refused[1] if refused else reason,
        candidate=best["candidate_id"],
        algorithm=best["algorithm"],
        metric=problem.metric,
        validation=best["validation"],
        validation_baseline=base["validation"],
        validation_threshold=problem.threshold(base["validation"]),
        test=test.figure,
        test_interval=beside["interval"],
        baseline=base["test"],
        threshold=problem.threshold(base["test"]),
        test_rows=test.truth.size,
        gain=beside["gain"],
        last_value=beside_last_value(context, test),
        champion=champion,
        decision=test.bundle.threshold,
        calibration=test.bundle.calibration.form if test.bundle.calibration else None,
        costs=costs(test),
        slices=declared(test, pipeline.evaluation.slices) if has_outcomes else [],
        worst=found(seen, test) if has_outcomes else [],
        fairness=fairness(test, pipeline.evaluation.fairness),
        servable=checked,
        ranking=[{key: row[key] for key in _RANKED} for row in ranked],
        chosen_by_loss=decided(ranked, more_is_better=problem.more_is_better),
    )
    told = "model ready" if answered else "no candidate answers the problem"
    return verdict, refused[0] if refused else told


def _details(context: Context, seen: Judged, test: Judged) -> dict[str, Any]:
    some = sampled(seen)
    ranked = importance(some)
    return {
        "run_id": context.run_id,
        "data_version": context.segregation().data_version,
        "times": _times(context),
        "metric": test.problem.metric,
        "curves": curves(test),
        "importance": {"rows": some.truth.size, "figure": some.figure, "features": ranked},
        "robustness": robustness(some, ranked),
    }


def _times(context: Context) -> dict[str, list[int]]:
    """Return of each part the first and the last event time; nothing where rows have none."""
    if context.pipeline.rows.is_static:
        return {}
    segregation, rows = context.segregation(), context.pipeline.problem.learns_from
    times = {p: segregation.data(p, rows, [])[EVENT_TIME].cast(pl.Int64) for p in PARTS}
    return {part: [each.min(), each.max()] for part, each in times.items()}  # type: ignore[misc]


def _record(context: Context, verdict: Verdict, kind: str) -> None:
    at, live = context.now(), context.catalog.live_deployment()
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
                at=at,
            )
        )
        superseded: dict[str, Any] = {}
        if names := approvals.supersede(connection):
            superseded["superseded"] = names
        tables.emit(
            connection,
            kind,
            f"{verdict.candidate} ({verdict.algorithm})",
            severity="info" if verdict.answered else "warning",
            run_id=context.run_id,
            reason=verdict.reason,
            **superseded,
        )
        is_live = live is not None and live["candidate_id"] == verdict.candidate
        if verdict.promoted and verdict.needs_approval and not is_live:
            why = f"{verdict.reason}; `octavo approve` lets it answer"
            approvals.ask(connection, verdict.candidate, context.run_id, at=at, reason=why)
