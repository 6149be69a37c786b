"""The state of the eight stages as one document, and nothing else."""

from typing import Any

import sqlalchemy as sa

from octavo.definition import Lift, Pipeline
from octavo.runner import STAGES
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog


def status(pipeline: Pipeline, name: str, catalog: Catalog) -> dict[str, Any]:
    """Return pipeline, newest run, problem, stages, verdict and deployment.

    Seconds are wall time of the stage's last run; rows are what that run read and left.
    """
    run = catalog.one(sa.select(tables.runs).order_by(tables.runs.c.started_at.desc()))
    return {
        "pipeline": name,
        "run_id": run["run_id"] if run else None,
        "state": run["state"] if run else "never ran",
        "error": run["error"] if run else None,
        "problem": _problem(pipeline),
        "stages": [_stage(catalog, stage) for stage in STAGES],
        "verdict": _verdict(catalog),
        "deployment": _deployment(catalog),
    }


def _problem(pipeline: Pipeline) -> dict[str, Any]:
    problem = pipeline.problem
    lift = isinstance(problem.at_least, Lift)
    document = {
        "question": problem.question,
        "metric": problem.metric,
        "at_least": {"lift": problem.at_least.times} if lift else problem.at_least,  # type: ignore[union-attr]
    }
    return document | ({"at_most": problem.at_most} if problem.at_most is not None else {})


def _stage(catalog: Catalog, name: str) -> dict[str, Any]:
    table = tables.stage_runs
    row = catalog.one(sa.select(table).where(table.c.stage == name).order_by(table.c.id.desc()))
    if row is None:
        return {
            "name": name, "state": "waiting", "seconds": None,
            "rows_in": None, "rows_out": None, "rejected": None,
        }  # fmt: skip
    wanted = ("state", "seconds", "rows_in", "rows_out", "rejected")
    return {"name": name, **{key: row[key] for key in wanted}, "why": row["reason"]}


def _verdict(catalog: Catalog) -> dict[str, Any] | None:
    row = catalog.one(sa.select(tables.verdicts).order_by(tables.verdicts.c.id.desc()))
    return row["document"] if row else None


def _deployment(catalog: Catalog) -> dict[str, Any] | None:
    live = catalog.live_deployment()
    if live is None:
        return None
    candidate = catalog.candidate(live["candidate_id"])
    return {
        "deployment": live["deployment_id"],
        "candidate": live["candidate_id"],
        "algorithm": candidate["algorithm"] if candidate else None,
        "live_from": live["live_from"],
    }


def outputs(catalog: Catalog, stage: str) -> dict[str, Any]:
    """Return what the last succeeded run of a stage left, as plain values."""
    table = tables.stage_runs
    row = catalog.one(
        sa.select(table)
        .where(table.c.stage == stage, table.c.state == "succeeded")
        .order_by(table.c.id.desc())
    )
    return row["outputs"] if row else {}
