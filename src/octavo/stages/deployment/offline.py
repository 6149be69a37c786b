"""Put the passed candidate in the champion's place, and score the newest rows with it."""

import numpy as np
import polars as pl
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.errors import DataError
from octavo.stages.contract import Context, Outcome
from octavo.stages.parts import Part, Parts, replaced
from octavo.stores import approvals, deployments
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row

SERVABLE_ROWS = 256
"""Rows on which a bundle must give, one by one, what it gives for all together."""


BLOCK = 200_000
"""Rows scored together; they bound memory and change no result."""


def inputs(context: Context) -> Parts:
    """Return the newest verdict, the data version to score, and what a person decided, if asked."""
    verdict = newest_verdict(context)
    found = {
        "candidate": replaced("candidate", verdict["candidate_id"]),
        "verdict": Part(verdict["document"]["promoted"]),
        "data version": replaced("data version", context.segregation().data_version),
    }
    request = approvals.of_verdict(context.catalog, verdict)
    return found | {"approval": replaced("approval", request["state"])} if request else found


def newest_verdict(context: Context) -> Row:
    """Return the newest verdict's row."""
    table = tables.verdicts
    found = context.catalog.one(sa.select(table).order_by(table.c.id.desc()))
    if found is None:
        raise DataError("nothing has been evaluated yet.", fix="Run `octavo evaluate` first.")
    return found


def run(context: Context) -> Outcome:
    """Deploy what was promoted; either way the champion scores the newest rows.

    What needs a person's approval is deployed by that.
    """
    verdict = newest_verdict(context)
    live = context.catalog.live_deployment()
    document = verdict["document"]
    goes = document["promoted"] and not document.get("needs_approval")
    if goes and _is_new(context, verdict):
        live = _replace(context, verdict["candidate_id"])
    if live is None:
        return Outcome(rows_in=0, rows_out=0, outputs={"deployment": None, "scored": 0})
    bundle = Bundle.load(context.home.candidate(live["candidate_id"]))
    if lacking := bundle.lacking(context.segregation().features):
        return _not_scored(context, live, lacking)
    store, scored = context.predictions, 0
    version = (store.log.transaction_version("batch") or 0) if store.log.exists() else 0
    known = store.scored(live["deployment_id"])
    for rows in context.segregation().newest_blocks(BLOCK):
        scored += rows.height
        new = rows.join(known, on=EVENT_ID, how="anti", maintain_order="left")
        if new.height:
            version += 1
            predicted = _predicted(context, live, bundle, new)
            store.append(predicted, writer="batch", version=version)
    return Outcome(
        rows_in=scored,
        rows_out=scored,
        outputs={
            "deployment": live["deployment_id"],
            "candidate": live["candidate_id"],
            "scored": scored,
        },
    )


def _is_new(context: Context, verdict: Row) -> bool:
    """Return whether what a verdict promotes has not been deployed for it yet.

    If it was and is not live any more, somebody went back: so it stays, until another verdict.
    """
    rows = deployments.history(context.catalog)
    of = [row for row in rows if row["candidate_id"] == verdict["candidate_id"]]
    return not any(row["live_to"] is None or row["live_from"] >= verdict["at"] for row in of)


def _not_scored(context: Context, live: Row, lacking: list[str]) -> Outcome:
    """Leave the champion in its place, but give it no features other than it was trained on."""
    context.catalog.emit(
        "champion not scored",
        live["candidate_id"],
        severity="warning",
        run_id=context.run_id,
        reason=f"the definition no longer gives {', '.join(lacking)}",
    )
    outputs = {"deployment": live["deployment_id"], "candidate": live["candidate_id"]}
    return Outcome(rows_in=0, rows_out=0, outputs=outputs | {"scored": 0, "lacking": lacking})


def _replace(context: Context, candidate_id: str) -> Row:
    """Check that the bundle is servable and make it the live one, in one transaction."""
    bundle = Bundle.load(context.home.candidate(candidate_id))
    learns_from = context.pipeline.problem.learns_from
    rows = context.segregation().data("validation", learns_from, most=SERVABLE_ROWS)
    check_servable(bundle, rows)
    with context.catalog.transaction(alone=True) as connection:
        return deployments.replace(connection, candidate_id, context.run_id, at=context.now())


def check_servable(bundle: Bundle, rows: pl.DataFrame) -> None:
    """Refuse a model that predicts one row alone otherwise than among others.

    Raises
    ------
    DataError
        If it does.
    """
    together = bundle.predict(rows)
    single = np.concatenate([bundle.predict(rows.slice(i, 1)) for i in range(rows.height)])
    if not np.array_equal(together, single):
        raise DataError(
            "one row alone is predicted otherwise than among others.",
            where=f"candidate of {bundle.algorithm}",
            fix="This is a fault of the algorithm's array form; it was not deployed.",
        )


def _predicted(context: Context, live: Row, bundle: Bundle, rows: pl.DataFrame) -> pl.DataFrame:
    """Return predictions for prepped rows, in the prediction store's form."""
    found = bundle.predict(rows)
    positions = context.segregation().positions
    return rows.select(
        pl.format("{}:batch:{}", pl.lit(live["deployment_id"]), EVENT_ID).alias("prediction_id"),
        EVENT_ID,
        EVENT_TIME,
        pl.lit(live["deployment_id"]).alias("deployment_id"),
        pl.lit(live["candidate_id"]).alias("candidate_id"),
        pl.lit("champion").alias("variant"),
        pl.lit("batch").alias("origin"),
        pl.Series("prediction", found if found.ndim == 1 else found.max(axis=1)),
        outputs(bundle, found).alias("outputs"),
        pl.struct(list(bundle.schema)).struct.json_encode().alias("features"),
        pl.lit("{}").alias("entities"),
        pl.lit(pl.Series([positions]).struct.json_encode()[0]).alias("positions"),
        pl.lit(context.now(), dtype=pl.Int64).cast(TIMESTAMP).alias("at"),
        pl.lit(None, dtype=pl.Int64).alias("latency_us"),
    )


def outputs(bundle: Bundle, found: np.ndarray) -> pl.Series:
    """Return predictions as JSON objects: one number, or one for each class; and yes or no."""
    if found.ndim == 1:
        columns = {bundle.target: found, **bundle.decisions(found)}
        return pl.DataFrame(columns).to_struct().struct.json_encode()
    columns = {str(name): found[:, i] for i, name in enumerate(bundle.classes)}
    return pl.DataFrame(columns).to_struct().struct.json_encode()
