"""Compare the newest window with the training data, and predictions with what came true."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.bundle.metrics import measured
from octavo.bundle.profile import MEASURES, Profile, load_profile, shares
from octavo.bundle.targets import target_numbers
from octavo.definition import fingerprint
from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.stages.contract import LOOKED, Context, Outcome
from octavo.stages.parts import Part, Parts, replaced
from octavo.stores import catalog as tables


def inputs(context: Context) -> Parts:
    """Return the live deployment, the data version, the monitor and the predictions so far."""
    live = context.catalog.live_deployment()
    log = context.predictions.log
    return {
        "deployment": replaced("deployment", live["deployment_id"] if live else None),
        "data version": replaced("data version", context.segregation().data_version),
        "definition of monitor": Part(fingerprint(context.pipeline.monitor)),
        "predictions": Part(log.version() if log.exists() else None),
    }


def run(context: Context) -> Outcome:
    """Measure drift of features and predictions, and performance where labels have come."""
    live = context.catalog.live_deployment()
    if live is None:
        return Outcome(rows_in=0, rows_out=0, outputs={"deployment": None})
    newest = context.segregation().newest(most=LOOKED)
    timeless = context.pipeline.rows.is_static
    folder = context.home.candidate(live["candidate_id"])
    reference, bundle = load_profile(folder), Bundle.load(folder)
    lacking = bundle.lacking(context.segregation().features)
    compared = {name: each for name, each in reference["features"].items() if name not in lacking}
    drift = _drift(compared, newest)
    predictions = context.predictions.newest(live["deployment_id"], newest[EVENT_ID])
    if predictions.height:
        drift |= _drift({"prediction": reference["prediction"]}, predictions)
    monitor = context.pipeline.monitor
    drifted = sorted(
        (name for name, found in drift.items() if found[monitor.drift] >= monitor.threshold),
        key=lambda name: -drift[name][monitor.drift],
    )
    performance = _performance(context, bundle, predictions, newest)
    with context.catalog.transaction() as connection:
        tables.emit(
            connection,
            "drift" if drifted else "no drift",
            f"{len(drifted)} of {len(drift)} features",
            severity="warning" if drifted else "info",
            run_id=context.run_id,
            drifted=drifted[:20],
        )
    return Outcome(
        rows_in=newest.height,
        rows_out=predictions.height,
        outputs={
            "deployment": live["deployment_id"],
            "data_version": context.segregation().data_version,
            "window": None if timeless else monitor.window,
            "from": None if timeless else str(newest[EVENT_TIME].min()),
            "to": None if timeless else str(newest[EVENT_TIME].max()),
            "measure": monitor.drift,
            "threshold": monitor.threshold,
            "drifted": drifted,
            "drift": drift,
            "performance": performance,
            "alarms": _alarms(bundle, predictions),
            "lacking": lacking,
        },
    )


def _drift(reference: Profile, newest: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return every drift measure, and the change of the share of nulls, for every column."""
    found = {}
    for column, described in reference.items():
        then, now = described["shares"], shares(newest[column], described)
        found[column] = {name: measure(then, now) for name, measure in MEASURES.items()}
        found[column]["nulls"] = now[-1] - then[-1]
    return found


def _alarms(bundle: Bundle, predictions: pl.DataFrame) -> dict[str, Any] | None:
    """Return how many rows of the window raised an alarm (got a yes); None if none can."""
    raised = list(bundle.decisions(predictions["prediction"].to_numpy()).values())
    return {"raised": int(raised[0].sum()), "rows": predictions.height} if raised else None


def _performance(
    context: Context, bundle: Bundle, predictions: pl.DataFrame, newest: pl.DataFrame
) -> dict[str, Any] | None:
    """Return the problem's figure on predictions whose labels have come; None without any."""
    problem, label = context.pipeline.problem, context.pipeline.label.name
    known = newest.filter(pl.col(label).is_not_null()) if problem.needs_labels else newest
    joined = predictions.join(known.select(EVENT_ID, label), on=EVENT_ID)
    enough = joined[label].n_unique() > 1 or not problem.needs_labels
    if joined.is_empty() or not enough or problem.kind == "multiclass":
        return None
    truth = target_numbers(joined[label], context.pipeline, list(bundle.classes))
    verdict = context.catalog.one(sa.select(tables.verdicts).order_by(tables.verdicts.c.id.desc()))
    return {
        "metric": problem.metric,
        "figure": measured(
            problem, truth, joined["prediction"].to_numpy(), threshold=bundle.threshold
        ),
        "test": verdict["document"]["test"] if verdict else None,
        "labeled": joined.height,
        "base_rate": float(truth.mean()) if problem.kind == "binary" else None,
    }
