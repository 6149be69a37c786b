"""What is recorded of all eight stages, from the catalog, as `octavo.report` draws it.

Nothing is computed of rows, and none are read: whatever has not happened is None or empty.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from octavo.definition import Pipeline
from octavo.errors import DataError
from octavo.services.audit import DEPLOYING, entries
from octavo.services.deliveries import counted, named
from octavo.services.scheduling.control import listed
from octavo.services.scheduling.jobs import jobs_of
from octavo.stages.evaluation.card import known as card_of
from octavo.stores import catalog as tables
from octavo.stores import deployments
from octavo.stores.catalog import Catalog, Row, name_of
from octavo.stores.home import Home

LISTED = 25
"""Runs, decisions and warnings that are listed at the most: the newest."""
WATCHED = 200
"""Looks at the live deployment that are drawn at the most: the newest."""
REFUSALS = 1000
"""Batches with rejected rows of which the reasons are counted at the most: the newest."""

BATCHES = 500
"""Batches that are drawn at the most: the newest."""

_BATCH = ("dataset", "source", "topic", "rows", "committed_at", "withdrawn")


def overview(pipeline: Pipeline, home: Home, catalog: Catalog, now: int) -> dict[str, Any]:
    """Return all that a report tells besides `octavo.status.status`.

    Parameters
    ----------
    now
        Microseconds since the epoch.
    """
    return {
        "target": pipeline.problem.target,
        "kind": pipeline.problem.kind,
        "more_is_better": pipeline.problem.more_is_better,
        "datasets": [each.name for each in pipeline.datasets],
        "totals": catalog.totals(),
        "features": len(pipeline.features),
        "batches": _batches(catalog),
        "rules": _rules(catalog),
        "quality": _quality(catalog, [each.name for each in pipeline.datasets]),
        "groups": catalog.live_groups(),
        "data": catalog.newest(tables.data_versions, "created_at"),
        "study": _study(catalog),
        "judged": _judged(catalog, home),
        "verdicts": catalog.rows(sa.select(tables.verdicts).order_by(tables.verdicts.c.id)),
        "deployments": _deployments(catalog),
        "watched": _watched(catalog),
        "jobs": listed(jobs_of(pipeline), catalog, now),
        "told": {name: {} for name in named(pipeline.notify)} | counted(catalog),
        "failures": _failures(catalog),
        "warnings": _warnings(catalog),
        "runs": _runs(catalog),
        "steps": _steps(catalog),
        "decisions": entries(catalog, last=LISTED),
    }


def _batches(catalog: Catalog) -> list[Row]:
    """Return the newest batches that were ever committed, oldest first."""
    table = tables.batches
    query = sa.select(*(table.c[name] for name in _BATCH)).where(table.c.state != "planned")
    rows = catalog.rows(query.order_by(table.c.sequence.desc()).limit(BATCHES))
    return [row | {"file": name_of(row)} for row in reversed(rows)]


def _rules(catalog: Catalog) -> dict[tuple[str, str], int]:
    """Return how many rows were rejected, by dataset and rule."""
    table, found = tables.events, Counter[tuple[str, str]]()
    columns = [table.c.subject, table.c.document]
    query = sa.select(*columns).where(table.c.kind == "rows rejected")
    for row in catalog.rows(query.order_by(table.c.id.desc()).limit(REFUSALS)):
        dataset = row["subject"].partition(": ")[0]
        for rule, count in row["document"].get("rules", {}).items():
            found[dataset, rule] += count
    return dict(found.most_common())


def _quality(catalog: Catalog, datasets: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the report of each dataset's newest batch, or the one before, if prep made it."""
    table = tables.batches
    found: dict[str, dict[str, Any]] = {}
    for name in datasets:
        here = (table.c.dataset == name) & (table.c.state == "committed")
        query = sa.select(table.c.quality).where(here).order_by(table.c.sequence.desc()).limit(2)
        reports = (row["quality"] or {} for row in catalog.rows(query))
        if report := next((each for each in reports if "findings" in each), None):
            found[name] = report
    return found


def _study(catalog: Catalog) -> dict[str, Any] | None:
    """Return the newest search with its trials, in order."""
    study = catalog.newest(tables.studies, "started_at")
    if study is None:
        return None
    table = tables.trials
    query = sa.select(table).where(table.c.study == study["study"]).order_by(table.c.number)
    return study | {"trials": catalog.rows(query)}


def _judged(catalog: Catalog, home: Home) -> dict[str, Any] | None:
    """Return what the model card of the newest judged candidate knows, if it is still there."""
    found = catalog.newest(tables.verdicts, "id")
    if found is None:
        return None
    try:
        return card_of(home, catalog, found["candidate_id"])
    except DataError:
        return None


def _deployments(catalog: Catalog) -> list[Row]:
    """Return what answered when, oldest first, each with its algorithm and its event."""
    table = tables.events
    query = sa.select(table).where(table.c.kind.in_(DEPLOYING)).order_by(table.c.id)
    told = {row["document"].get("deployment"): row for row in catalog.rows(query)}
    rows = []
    for row in deployments.history(catalog):
        candidate = catalog.candidate(row["candidate_id"])
        algorithm = candidate["algorithm"] if candidate else None
        rows.append(row | {"algorithm": algorithm, "event": told.get(row["deployment_id"])})
    return rows


def _watched(catalog: Catalog) -> list[Row]:
    """Return the newest looks at what is deployed, oldest first."""
    table = tables.stage_runs
    here = (table.c.stage == "monitoring") & (table.c.state == "succeeded")
    query = sa.select(table).where(here).order_by(table.c.id.desc()).limit(WATCHED)
    return [row for row in reversed(catalog.rows(query)) if row["outputs"].get("drift")]


def _failures(catalog: Catalog) -> dict[str, str]:
    """Return of each stage that ever failed why it did the last time."""
    table = tables.events
    here = table.c.kind == "run failed"
    newest = sa.select(sa.func.max(table.c.id)).where(here).group_by(table.c.subject)
    rows = catalog.rows(sa.select(table).where(table.c.id.in_(newest)))
    return {row["subject"]: row["document"].get("error", "") for row in rows}


def _warnings(catalog: Catalog) -> list[Row]:
    """Return the newest events that are no mere information, oldest first."""
    table = tables.events
    query = sa.select(table).where(table.c.severity != "info").order_by(table.c.id.desc())
    return catalog.rows(query.limit(LISTED))[::-1]


def _runs(catalog: Catalog) -> list[Row]:
    table = tables.runs
    return catalog.rows(sa.select(table).order_by(table.c.started_at.desc()).limit(LISTED))[::-1]


def _steps(catalog: Catalog) -> list[Row]:
    """Return the stages of the newest run, each time that one was begun, in order."""
    run = catalog.newest(tables.runs, "started_at")
    table = tables.stage_runs
    query = sa.select(table).where(table.c.run_id == (run["run_id"] if run else ""))
    return catalog.rows(query.order_by(table.c.id))
