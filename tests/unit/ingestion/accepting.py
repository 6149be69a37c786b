"""How the tests of ingestion take a file into the raw store."""

from typing import NamedTuple

import polars as pl

from octavo.stages.ingestion.accept import Intake


class Accepted(NamedTuple):
    """What came of the rows of a file."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    restated: pl.DataFrame
    duplicates: int


def accept(dataset, reading, batch, raw, earlier=()):
    """Take a file in, and commit it."""
    with raw.receive(dataset.name, batch["batch_id"]) as incoming:
        intake = Intake(dataset, batch, raw, lambda: list(earlier), incoming)
        for piece in reading.pieces():
            intake.take(piece)
        intake.finish()
        incoming.restated.add(incoming.rows.empty)
        parts = (incoming.rows, incoming.rejected, incoming.restated)
        found = Accepted(*(part.scan().collect() for part in parts), intake.duplicates)
        incoming.commit()
    return found
