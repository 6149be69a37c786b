"""Batch scoring of a file of raw events, by the same path as one event over HTTP."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from octavo.definition import Files
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP, stamped
from octavo.definition.needed import source_columns
from octavo.engines import LocalEngine
from octavo.services.serving import Scorer
from octavo.stages.ingestion.files import begin_of
from octavo.stages.ingestion.opening import told_kind
from octavo.stages.ingestion.reading import Piece, Reading
from octavo.stores import catalog as tables
from octavo.stores.home import Home
from octavo.stores.predictions import PredictionStore

BLOCK = 50_000
"""Rows scored together; they bound memory and change no result."""

_YEAR_1 = -62_135_596_800_000_000  # microseconds; no event is earlier


@dataclass(frozen=True)
class ScoredFile:
    """Answers for all rows that could be read, and the rows that could not."""

    answers: pl.DataFrame
    rejected: pl.DataFrame
    """``_row, text, column, rule, reason``."""


def score_file(scorer: Scorer, home: Home, path: Path) -> ScoredFile:
    """Predict for every event of a file and log it.

    Columns beyond the dataset's are ignored, so a file may hold more than what is published.

    Raises
    ------
    DataError
        If the file cannot be read or lacks a column.
    """
    dataset = scorer.pipeline.rows
    files = dataset.offline if isinstance(dataset.offline, Files) else Files(path)
    reading = begin_of(
        dataset,
        path,
        engine=LocalEngine(),
        where_label=f"{path.name} as {dataset.name!r}",
        schema=scorer.schema,
        needed=source_columns(scorer.pipeline, dataset),
        columns=tuple(scorer.schema),
        lines=files.lines if _may_be_log(path, files) else None,
    )
    store, writer, version = PredictionStore(home), f"score-{uuid.uuid4().hex[:12]}", 0
    nothing = pl.DataFrame(schema=scorer.schema)
    answers, rejected = [scorer.as_table(scorer.score(nothing))], []
    for piece in _certain(reading):
        usable, refused = _usable(scorer, piece)
        rejected += [piece.rejected, refused]
        for block in usable.iter_slices(BLOCK):
            scored, version = scorer.score(block.drop("_row")), version + 1
            answers.append(_identified(scorer, scorer.as_table(scored), block["_row"]))
            records = scorer.records(scored, origin="score", at=tables.now(), latency_us=None)
            store.append(records, writer=writer, version=version)
    return ScoredFile(pl.concat(answers), pl.concat(rejected).sort("_row", maintain_order=True))


def _may_be_log(path: Path, files: Files) -> bool:
    """Return whether a file is called as logs are, or as those of the dataset."""
    called = {Path(each).suffix for each in files.patterns}  # type: ignore[union-attr]
    return told_kind(path.name) in (None, "lines") or path.suffix in called


def _certain(reading: Reading) -> Iterator[Piece]:
    """Give the pieces of a file whose types are certain; held back until they are."""
    while not reading.settled:
        held = []
        for piece in reading.pieces():
            if reading.settled:
                yield piece
            else:
                held.append(piece)
        if reading.settled:
            yield from held


def _identified(scorer: Scorer, answers: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Call rows without an event ID by their numbers in the file."""
    if scorer.pipeline.rows.identity:
        return answers
    return answers.with_columns(rows.cast(pl.String).alias(EVENT_ID))


def _usable(scorer: Scorer, piece: Piece) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divide rows into those with an event ID and time, and the rest with the reason."""
    frame = piece.frame
    rows = stamped(scorer.pipeline.rows, frame)
    earliest = max(scorer.features.earliest.values(), default=_YEAR_1)
    named = bool(scorer.pipeline.rows.identity)
    old = pl.col(EVENT_TIME).cast(pl.Int64) < earliest
    first = pl.Series([earliest]).cast(TIMESTAMP)[0]
    rule = (
        pl.when(pl.lit(named) & pl.col(EVENT_ID).is_null()).then(pl.lit("event_id"))
        .when(pl.col(EVENT_TIME).is_null()).then(pl.lit("event_time"))
        .when(old).then(pl.lit("too_old"))
    )  # fmt: skip
    reasons = {
        "event_id": "the event ID cannot be computed",
        "event_time": "the event time cannot be computed",
        "too_old": f"its windows are complete from {first:%Y-%m-%d %H:%M} on; see View.late",
    }
    rules = rows.select(rule.alias("rule")).to_series()
    refused = frame.with_columns(rules).filter(pl.col("rule").is_not_null())
    refused = refused.select(
        "_row",
        pl.Series("text", [piece.text(row) for row in refused["_row"]], dtype=pl.String),
        pl.lit(None, dtype=pl.String).alias("column"),
        "rule",
        pl.col("rule").replace_strict(reasons, return_dtype=pl.String).alias("reason"),
    )
    return frame.filter(rules.is_null()), refused
