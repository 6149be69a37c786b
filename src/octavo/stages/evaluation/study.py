"""The candidates to judge: those of the newest finished search, best on validation first."""

import sqlalchemy as sa

from octavo.errors import DataError
from octavo.stages.contract import Context
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row


def newest_study(context: Context) -> str:
    """Return the newest search that has finished.

    Raises
    ------
    DataError
        If there is none.
    """
    table = tables.studies
    query = sa.select(table).where(table.c.finished_at.is_not(None))
    found = context.catalog.one(query.order_by(table.c.finished_at.desc()))
    if found is None:
        raise DataError("no training has finished yet.", fix="Run `octavo train` first.")
    return found["study"]


def ranking(context: Context) -> list[Row]:
    """Return the search's candidates, best on validation first."""
    more = context.pipeline.problem.more_is_better
    return context.catalog.ranking(newest_study(context), more_is_better=more)


def unseen(ranked: list[Row]) -> Row:
    """Return the best candidate that has not seen validation: where the first has, its like.

    What is trained once more on all rows has the validation figure of what it repeats.
    """
    best = ranked[0]
    likes = [r for r in ranked if r["role"] != "refit" and r["validation"] == best["validation"]]
    return likes[0] if likes else best


def count_reading(context: Context, candidate_id: str, purpose: str) -> None:
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
            data_version=context.segregation().data_version,
            purpose=purpose,
            at=context.now(),
        )
