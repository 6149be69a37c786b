"""Write down the problem and the definition it belongs to, before any data are read."""

from typing import Any

from octavo.definition import document
from octavo.definition.notify import redacted
from octavo.stages.contract import Context, Outcome
from octavo.stores import catalog as tables


def inputs(context: Context) -> Any:
    """Return the fingerprint of the definition, and what is stored of it beside the meaning."""
    pipeline = context.pipeline
    return [pipeline.fingerprint, pipeline.schedules, [redacted(url) for url in pipeline.notify]]


def run(context: Context) -> Outcome:
    """Store the definition, with its problem, under its fingerprint."""
    problem = document(context.pipeline.problem)
    with context.catalog.transaction() as connection:
        tables.put(
            connection,
            tables.definitions,
            fingerprint=context.pipeline.fingerprint,
            pipeline=context.home.path.parent.name,
            problem=problem,
            document=document(context.pipeline),
            created_at=context.now(),
        )
        tables.emit(
            connection, "problem stated", context.pipeline.problem.question, run_id=context.run_id
        )
    outputs = {
        "features": len(context.pipeline.features),
        "schedules": document(context.pipeline.schedules),
    }
    return Outcome(rows_in=0, rows_out=0, outputs=outputs)
