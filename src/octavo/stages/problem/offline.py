"""Write down the problem and the definition it belongs to, before any data are read."""

from dataclasses import fields

from octavo.definition import Pipeline, document
from octavo.stages.contract import Context, Outcome
from octavo.stages.parts import Part, Parts, named
from octavo.stores import catalog as tables


def inputs(context: Context) -> Parts:
    """Return the fingerprint of the definition, and what is stored of it beside the meaning."""
    pipeline = context.pipeline
    return {
        "definition": Part(pipeline.fingerprint, *named("part", _declared(pipeline))),
        "schedules": Part(pipeline.schedules, *named("schedule", pipeline.schedules)),
        "notify": Part(document(pipeline.notify)),
    }


def _declared(pipeline: Pipeline) -> dict[str, object]:
    """Return the parts of a definition that are not named by others, and mean something."""
    return {f.name: getattr(pipeline, f.name) for f in fields(pipeline) if not f.metadata}


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
