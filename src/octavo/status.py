"""The state of the eight stages, and of what flows between them, as one document; nothing else."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from octavo.definition import Lift, Pipeline
from octavo.definition.versions import ROWS
from octavo.runner import STAGES
from octavo.services.deliveries import undelivered
from octavo.stages.ingestion.tail import behind
from octavo.stages.prep.stale import ALL
from octavo.stores import approvals
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.stores.state import StateStore
from octavo.streams import Stream
from octavo.streams.topics import GROUP, incoming


def status(pipeline: Pipeline, name: str, catalog: Catalog) -> dict[str, Any]:
    """Return run, problem, stages, verdict, deployment, groups, what is stale, suspected leaks.

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
        "approval": _approval(catalog),
        "deployment": _deployment(catalog),
        "notifications": undelivered(catalog),
        "feature_groups": _groups(pipeline, catalog),
        "stale": _stale(pipeline, catalog),
        "leaks": outputs(catalog, "segregation").get("leaks", []),
    }


def flow(
    pipeline: Pipeline, folder: Path, home: Home, catalog: Catalog, stream: Stream
) -> dict[str, Any]:
    """Return `streams`, ``views``, `followed` and ``tables``, of `tables_of`, as one document."""
    return {
        "streams": streams(pipeline, catalog, stream),
        "views": states(pipeline, home, catalog) if stream.topics() else [],
        "followed": followed(pipeline, folder, home),
        "tables": tables_of(home),
    }


def streams(pipeline: Pipeline, catalog: Catalog, stream: Stream) -> list[dict[str, Any]]:
    """Return how far the ingestion of each stream is, by dataset and partition.

    ``end`` is the offset that the next row gets, ``lag`` how many offsets wait to be ingested,
    ``freshness`` the seconds from the append of the newest batch's first row to its commit; None
    before the first.
    """
    found = []
    known = stream.topics()
    for dataset in pipeline.datasets:
        topic = incoming(dataset).name if dataset.online is not None else ""
        if topic not in known:
            continue
        lags = stream.lags(topic)[GROUP]
        for partition, (extent, lag) in enumerate(zip(stream.extents(topic), lags, strict=True)):
            fresh = _freshness(catalog, topic, partition)
            told = {"dataset": dataset.name, "partition": partition, "end": extent.end}
            found.append(told | {"lag": lag, "freshness": fresh})
    return found


def states(pipeline: Pipeline, home: Home, catalog: Catalog) -> list[dict[str, Any]]:
    """Return how far the state of each view has come, as a request sees it.

    ``rows`` that are in the raw store wait to be folded, the oldest of them since ``waits``
    seconds after it was received, or planned.
    """
    offsets: dict[str, int] = {}
    for group in catalog.live_groups():
        path = home.state(group["name"], group["group_id"])
        if group["state"] and path.exists():
            told = {"view": group["name"], "fingerprint": group["group_id"], "readonly": True}
            offset = StateStore.open(path, **told).place.offset
            offsets[group["name"]] = min(offset, offsets.get(group["name"], offset))
    found = []
    for view in pipeline.views:
        if view.name in offsets:
            table = tables.batches
            waits = (table.c.sequence > offsets[view.name]) & (table.c.state == "committed")
            rows = catalog.rows(sa.select(table).where(waits))
            since = min((row["received_at"] or row["planned_at"] for row in rows), default=None)
            seconds = 0.0 if since is None else (tables.now() - since) / 1e6
            waiting = sum(row["rows"] for row in rows)
            found.append({"view": view.name, "rows": waiting, "waits": seconds})
    return found


def tables_of(home: Home) -> list[dict[str, Any]]:
    """Return for each Delta table how many data files it has now, and their ``bytes`` on disk."""
    found = []
    for folder in home.tables:
        files = DeltaLog(folder).files()
        name, size = str(folder.relative_to(home.path)), sum(file.bytes for file in files)
        found.append({"table": name, "files": len(files), "bytes": size})
    return found


def followed(pipeline: Pipeline, folder: Path, home: Home) -> dict[str, int]:
    """Return for each dataset whose files grow how many bytes of them are not in its stream yet."""
    return {each.name: behind(each, folder, home) for each in pipeline.datasets if each.is_followed}


def _freshness(catalog: Catalog, topic: str, partition: int) -> float | None:
    table = tables.batches
    here = (table.c.topic == topic) & (table.c.partition == partition)
    query = sa.select(table).where(here, table.c.committed_at.is_not(None))
    last = catalog.one(query.order_by(table.c.end_offset.desc()))
    return (last["committed_at"] - last["received_at"]) / 1e6 if last else None


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


def _approval(catalog: Catalog) -> dict[str, Any] | None:
    """Return what a person was asked for, or decided, of the newest verdict; None: nobody was."""
    row = catalog.one(sa.select(tables.verdicts).order_by(tables.verdicts.c.id.desc()))
    request = approvals.of_verdict(catalog, row) if row else None
    names = ("candidate_id", "state", "asked_at", "decided_at", "actor", "reason")
    return {name: request[name] for name in names} if request else None


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


def _groups(pipeline: Pipeline, catalog: Catalog) -> list[dict[str, Any]]:
    """Return the feature groups in use, with the position from which each counts."""
    groups = catalog.live_groups()
    newest = max((group["position"] for group in groups), default=0)
    names = [ROWS, *(view.name for view in pipeline.views)]
    in_use = [g for g in groups if g["name"] in names and g["position"] == newest]
    return [
        {
            "name": group["name"],
            "group": group["group_id"],
            "columns": len(group["columns"]),
            "cut_over": group["cut_over"],
            "cause": group["cause"],
            "position": group["position"],
        }
        for group in sorted(in_use, key=lambda g: (names.index(g["name"]), g["cut_over"]))
    ]


def _stale(pipeline: Pipeline, catalog: Catalog) -> list[dict[str, Any]]:
    """Return, for each view and correction, how many entities it makes stale (None: all)."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    names = [ROWS, *(view.name for view in pipeline.views)]
    for mark in catalog.stale():
        if mark["name"] in names:
            key = mark["name"], mark["batch_id"], mark["cause"]
            each = found.setdefault(key, {"entities": 0, "rows": 0})
            each["rows"] += mark["rows"]
            each["entities"] = None if mark["key"] == ALL else each["entities"] + 1
    return [
        {"name": name, "batch_id": batch_id, "cause": cause, **each}
        for (name, batch_id, cause), each in found.items()
    ]


def outputs(catalog: Catalog, stage: str) -> dict[str, Any]:
    """Return what the last succeeded run of a stage left, as plain values."""
    table = tables.stage_runs
    row = catalog.one(
        sa.select(table)
        .where(table.c.stage == stage, table.c.state == "succeeded")
        .order_by(table.c.id.desc())
    )
    return row["outputs"] if row else {}
