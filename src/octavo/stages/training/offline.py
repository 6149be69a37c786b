"""Search: trial after trial, each a candidate, until the trials or the budget are spent.

Trial k's parameters are a function of the trials before it alone, so that a search killed and
resumed proposes what the undisturbed one would have.
"""

import os
import time
from typing import Any

import sqlalchemy as sa

from octavo.definition import Problem, fingerprint
from octavo.definition.durations import microseconds
from octavo.errors import DataError, OctavoError
from octavo.stages.contract import Context, Outcome, Segregation
from octavo.stages.training.search import Proposal, propose
from octavo.stages.training.trial import Material, run_trial
from octavo.stores import catalog as tables

# Threads of a fit that wait for each other by spinning multiply its time on a busy machine. Read
# when the first training library is loaded, which happens within a trial.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def inputs(context: Context) -> Any:
    """Return the data version, the settings and the features and metric asked for."""
    pipeline = context.pipeline
    return [
        context.segregation().data_version,
        dict(context.settings),
        pipeline.features,
        fingerprint([pipeline.row, pipeline.derived, pipeline.inputs, _asked(pipeline.problem)]),
        fingerprint(pipeline.texts),
        [getattr(a, "name", a) for a in pipeline.algorithms],
    ]


def _asked(problem: Problem) -> list[Any]:
    return [problem.kind, problem.metric, problem.budget]


def run(context: Context) -> Outcome:
    """Run the trials that are not done yet."""
    study = "study-" + fingerprint(inputs(context))[:12]
    _begin(context, study)
    segregation = context.segregation()
    settings = context.settings
    material = Material.of(context.pipeline, segregation, settings["rows"])
    if material.left_out:
        context.catalog.emit(
            "no model input",
            ", ".join(material.left_out),
            run_id=context.run_id,
            reason="times can only be used in derived features, such as the duration between two",
        )
    budget = microseconds(settings["budget"], where="training.budget") / 1e6
    done = _done(context, study)
    context.progress("trials", len(done), settings["trials"])
    for number in range(len(done), settings["trials"]):
        if sum(trial["seconds"] for trial in done) >= budget:
            break
        proposal = propose(number, done, context.pipeline, settings)
        done.append(_tried(context, study, proposal, material, segregation))
        context.progress("trials", len(done), settings["trials"])
    good = [trial for trial in done if trial["state"] == "complete"]
    if not good:
        raise DataError(
            f"all {len(done)} trials failed; the last: {done[-1]['error']}",
            where="training",
            fix="See `octavo candidates --trials`, and check the features.",
        )
    with context.catalog.transaction() as connection:
        table = tables.studies
        finished = table.update().where(table.c.study == study)
        connection.execute(finished.values(trials=len(done), finished_at=context.now()))
    return Outcome(
        rows_in=material.train.height + material.validation.height,
        rows_out=len(good),
        outputs={
            "study": study,
            "trials": len(done),
            "failed": len(done) - len(good),
            "most": settings["rows"],
            "drawn": _drawn(context, segregation),
        },
    )


def _drawn(context: Context, segregation: Segregation) -> dict[str, int]:
    """Return how many rows the parts have of which not all were used."""
    learns_from = context.pipeline.problem.learns_from
    rows = {p: segregation.outcomes(p, learns_from).len() for p in ("train", "validation")}
    return {part: height for part, height in rows.items() if height > context.settings["rows"]}


def _begin(context: Context, study: str) -> None:
    known = context.catalog.one(sa.select(tables.studies).where(tables.studies.c.study == study))
    if known is None:
        context.catalog.put(tables.studies, study=study, started_at=context.now())


def _done(context: Context, study: str) -> list[dict[str, Any]]:
    table = tables.trials
    return context.catalog.rows(sa.select(table).where(table.c.study == study).order_by("number"))


def _tried(
    context: Context, study: str, proposal: Proposal, material: Material, segregation: Segregation
) -> dict[str, Any]:
    """Run one trial and record it; a failure is a result, not an end."""
    began = time.monotonic()
    trial: dict[str, Any] = {
        "study": study,
        "number": proposal.number,
        "algorithm": proposal.algorithm.name,
        "params": proposal.params,
        "figure": None,
        "folds": None,
        "candidate_id": None,
        "error": None,
    }
    try:
        found = run_trial(context, proposal, material, segregation)
        trial |= {"state": "complete", "figure": found.figure, "folds": found.figures}
        trial["candidate_id"] = found.candidate_id
    except OctavoError:
        raise
    except Exception as error:  # noqa: BLE001  a library's or the user's own code runs here
        trial |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}
    trial["seconds"] = time.monotonic() - began
    with context.catalog.transaction() as connection:
        tables.put(connection, tables.trials, **trial)
        if trial["state"] == "complete":
            tables.put(
                connection,
                tables.candidates,
                candidate_id=trial["candidate_id"],
                study=study,
                run_id=context.run_id,
                algorithm=trial["algorithm"],
                params=trial["params"],
                data_version=segregation.data_version,
                config_version=context.config_version,
                validation=trial["figure"],
                seconds=trial["seconds"],
                created_at=context.now(),
            )
        tables.emit(
            connection,
            "trial finished",
            f"{trial['algorithm']} #{proposal.number}",
            severity="info" if trial["state"] == "complete" else "warning",
            run_id=context.run_id,
            figure=trial["figure"],
            folds=trial["folds"],
            error=trial["error"],
        )
    return trial
