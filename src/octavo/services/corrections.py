"""Corrections that a person asks for: to withdraw a batch, and to rebuild what is stale."""

from collections.abc import Sequence

from octavo.definition import Pipeline
from octavo.definition.versions import ROWS
from octavo.errors import DataError, DefinitionError
from octavo.stages.prep.stale import WITHDRAWN, Correction, marks, write_marks
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row, name_of
from octavo.stores.home import Home
from octavo.stores.raw import RawStore


def withdraw(
    pipeline: Pipeline,
    home: Home,
    catalog: Catalog,
    batch_id: str,
    reason: str,
    *,
    rebuild: bool = False,
) -> list[Row]:
    """Take a batch back: no reader finds its rows any more; what they were folded into is stale.

    Its rows stay in the raw store, and its file is recognized and not ingested again.

    Parameters
    ----------
    rebuild
        Ask, in the same transaction, the next prep to fold anew what is stale by it: whoever preps
        next does it, also if this process is killed.

    Returns
    -------
    list of dict
        The marks that were made: ``name`` of the view, ``key``, ``rows``.

    Raises
    ------
    DefinitionError
        If there is no such batch.
    DataError
        If it was withdrawn before.
    """
    with home.lock(), catalog.transaction(alone=True) as connection:
        batches = catalog.batches()
        known = {batch["batch_id"]: batch for batch in batches}
        if batch_id not in known:
            raise DefinitionError.unknown("batch", batch_id, known)
        batch = known[batch_id]
        if batch["withdrawn"] is not None:
            raise DataError(
                f"it was withdrawn before: {batch['withdrawn_why']}.", where=f"batch {batch_id}"
            )
        place = catalog.next_place()
        correction = Correction(batch | {"withdrawn": place}, WITHDRAWN)
        folded = {g["name"] for g in catalog.live_groups() if g["position"] >= batch["sequence"]}
        names = [name for name in (ROWS, *(v.name for v in pipeline.views)) if name in folded]
        found = marks(pipeline, RawStore(home), batches, correction, names)
        table = tables.batches
        taken = table.update().where(table.c.batch_id == batch_id)
        connection.execute(taken.values(state=WITHDRAWN, withdrawn=place, withdrawn_why=reason))
        tables.emit(
            connection,
            "batch withdrawn",
            f"{batch['dataset']}: {name_of(batch)}",
            severity="warning",
            reason=reason,
            batch_id=batch_id,
            rows=batch["rows"],
        )
        write_marks(connection, found, tables.now(), None)
        if rebuild and found:
            stale = sorted({mark["name"] for mark in found})
            asked = tables.rebuilds.insert()
            connection.execute(asked.values(names=stale, asked_at=tables.now()))
    return found


def ask_rebuild(pipeline: Pipeline, catalog: Catalog, names: Sequence[str]) -> None:
    """Ask the next prep to fold some views (or the rows) anew; none named: all that is stale.

    What is asked for outlives a killed prep.

    Raises
    ------
    DefinitionError
        If there is no such view.
    """
    known = [ROWS, *(view.name for view in pipeline.views)]
    for name in names:
        if name not in known:
            raise DefinitionError.unknown("view", name, known)
    catalog.insert(tables.rebuilds, names=list(names), asked_at=tables.now())


def stale_causes(catalog: Catalog, view: str, key: Sequence[str]) -> list[str]:
    """Say why the features of an entity are stale; nothing if they are not."""
    text = "|".join(key)
    found = [mark for mark in catalog.stale(view) if mark["key"] in (text, "*")]
    return [f"batch {mark['batch_id']} {mark['cause']}" for mark in found]
