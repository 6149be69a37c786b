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
    """Return the search's candidates, best on validation first; equal ones by age.

    What was trained once more on all rows comes before what it repeats.
    """
    trials, candidates = tables.trials, tables.candidates
    query = (
        sa.select(candidates, trials.c.number, trials.c.folds, trials.c.role)
        .join(trials, trials.c.candidate_id == candidates.c.candidate_id)
        .where(trials.c.study == newest_study(context))
        .order_by(trials.c.number)
    )
    rows = list({row["candidate_id"]: row for row in context.catalog.rows(query)}.values())
    sign = -1 if context.pipeline.problem.more_is_better else 1
    return sorted(
        rows, key=lambda row: (sign * row["validation"], row["role"] != "refit", row["number"])
    )


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
