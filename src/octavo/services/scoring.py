"""Batch scoring of raw events in files of any size, by the same path as one event over HTTP.

Files are read piece by piece; pieces are scored side by side, and each is a part on disk when it is
done (`octavo.services.scoring_job`). Memory is bounded by pieces. An answer depends on its row and
on what the features have seen alone, so neither pieces nor a kill change it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from octavo.definition import Files
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP, stamped
from octavo.definition.needed import source_columns
from octavo.engines import LocalEngine
from octavo.errors import DataError
from octavo.services.log_settings import LogSettings
from octavo.services.scored_records import records
from octavo.services.scoring_job import (
    ANSWERS,
    RECORDS,
    REJECTED,
    Done,
    Job,
    Part,
    opened,
)
from octavo.services.serving import Scorer
from octavo.stages.ingestion.files import begin_of, expand
from octavo.stages.ingestion.opening import inside, is_delta, told_kind
from octavo.stages.ingestion.reading import Piece, Reading
from octavo.stores.home import Home
from octavo.stores.predictions import PredictionStore
from octavo.stores.staged import Shared

BLOCK = 50_000
"""Rows scored together; they bound memory and change no result."""

_YEAR_1 = -62_135_596_800_000_000  # microseconds; no event is earlier


@dataclass(frozen=True)
class Scores:
    """What came of a batch score."""

    rows: int
    rejected: int
    output: Path
    rejected_to: Path | None
    """Where the rows are that could not be scored; None: there are none."""
    found: int
    """Rows that had been dealt with before, by a process that was killed."""


class _Task(NamedTuple):
    """A piece to score, or the end of a file: `piece` is None."""

    part: Part
    piece: Piece | None
    settled: bool = False


def score(
    scorer: Scorer, home: Home, source: Path, output: Path, settings: LogSettings | None = None
) -> Scores:
    """Predict for every event of some files, and log it.

    Columns beyond the dataset's are ignored, so a file may hold more than what is published.

    Parameters
    ----------
    source
        A file, a Delta folder, a folder of files, or a glob.
    output
        A file by its ending, or a folder of Parquet files. Killed and begun again, it goes on.

    Raises
    ------
    DataError
        If a file cannot be read or lacks a column, or the output is a folder with something in it.
    ResourceError
        If the disk is full, or another process scores into it.
    """
    files = files_of(source)
    with opened(output, _identity(scorer, files, output)) as job:
        done = [job.done(number) for number in range(len(files))]
        found = sum(each.scored + each.rejected for each in done if each)
        tally = _Tally(job, done)
        engine, settings = LocalEngine(), settings or LogSettings()
        names = [str(file) for file in files] if len(files) > 1 else None
        work = partial(_done, scorer, job, settings, names)
        for task, scored, before in engine.map(work, _tasks(scorer, files, done)):
            found += task.part.rows if before else 0
            tally.add(task, scored)
        whole = [each for each in tally.done if each is not None]
        parts = [part for each in whole for part in each.parts]
        _log(home, job, parts)
        rejected = job.publish(parts)
    rows, refused = (sum(getattr(d, name) for d in whole) for name in ("scored", "rejected"))
    return Scores(rows, refused, output, rejected, found)


def files_of(source: Path) -> list[Path]:
    """Return the files, and Delta folders, that a path or glob names, sorted.

    Of a folder all files that are called as data are; not those whose names begin with a dot or an
    underscore.

    Raises
    ------
    DataError
        If there are none.
    """
    if not source.is_dir() or is_delta(source):
        return expand([source], Path())
    found = [path for path in inside(source) if _is_data(path.relative_to(source))]
    if not found:
        raise DataError(
            "no file in it is called as data are.", where=str(source), fix="Name the files."
        )
    return found


def _is_data(path: Path) -> bool:
    return told_kind(path.name) is not None and not any(
        p.startswith((".", "_")) for p in path.parts
    )


def _identity(scorer: Scorer, files: Sequence[Path], output: Path) -> dict[str, Any]:
    """Return all that the output depends on, but for how far the features have come."""
    within = [each for file in files for each in (inside(file) if file.is_dir() else [file])]
    found = [(str(file.resolve()), file.stat()) for file in within]
    return {
        "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found],
        "deployment": [scorer.deployment_id, scorer.candidate_id],
        "groups": sorted(each.group_id for of in scorer.features.parts.values() for each in of),
        "output": output.suffix,
        "records": "shared",  # how they are kept: what was begun otherwise begins anew
    }


class _Tally:
    """Counts the parts of each file, and keeps in the job that a file is done."""

    def __init__(self, job: Job, done: Sequence[Done | None]) -> None:
        self.done = list(done)
        self._job = job
        self._parts: list[Part] = []
        self._scored = 0

    def add(self, task: _Task, scored: int) -> None:
        if task.piece is not None:
            self._parts.append(task.part)
            self._scored += scored
            return
        if task.settled:
            all_ = sum(part.rows for part in self._parts)
            done = Done(self._parts, self._scored, all_ - self._scored)
            self.done[task.part.file] = done
            self._job.end(task.part.file, done)
        self._parts, self._scored = [], 0


def _tasks(scorer: Scorer, files: Sequence[Path], done: Sequence[Done | None]) -> Iterator[_Task]:
    """Give the pieces of files that are not done; again, if one is typed otherwise in the end."""
    for number, path in enumerate(files):
        if done[number] is not None:
            continue
        reading, times = _begun(scorer, path), 0
        while not reading.settled:
            times += 1
            for piece in reading.pieces():
                rows = piece.frame.height + piece.rejected.height
                yield _Task(Part(number, times, piece.first, rows), piece)
            yield _Task(Part(number, times, 0, 0), None, reading.settled)


def _begun(scorer: Scorer, path: Path) -> Reading:
    dataset = scorer.pipeline.rows
    files = dataset.offline if isinstance(dataset.offline, Files) else Files(path)
    return begin_of(
        dataset,
        path,
        engine=LocalEngine(),
        where_label=f"{path.name} as {dataset.name!r}",
        schema=scorer.schema,
        needed=source_columns(scorer.pipeline, dataset, labeled=False),
        columns=tuple(scorer.schema),
        lines=files.lines if _may_be_log(path, files) else None,
    )


def _done(
    scorer: Scorer,
    job: Job,
    settings: LogSettings,
    names: Sequence[str] | None,
    task: _Task,
) -> tuple[_Task, int, bool]:
    """Score a piece, unless that was done before; return how many rows could be, and that.

    Parameters
    ----------
    names
        Of the files, to tell their rows apart.
    """
    part, piece = task.part, task.piece
    if piece is None:
        return task, 0, False
    name = None if names is None else names[part.file]
    before = job.has(part)
    if before:
        answers = job.rows(ANSWERS, [part])
        assert answers is not None, "it has the part"
        return task, answers.select(pl.len()).collect().item(), True
    usable, refused = _usable(scorer, piece)
    frames = {ANSWERS: [_nothing(scorer)], RECORDS: [], REJECTED: []}
    for block in usable.iter_slices(BLOCK):
        scored = scorer.score(block.drop("_row"))
        frames[ANSWERS].append(_identified(scorer, scorer.as_table(scored), block["_row"], name))
        call = f"{job.name}-{part.file}-{block['_row'][0]}"
        frames[RECORDS].append(records(scorer, scored, call, settings))
    rejected = pl.concat([piece.rejected, refused]).sort("_row", maintain_order=True)
    if name is not None:
        rejected = rejected.select(pl.lit(name).alias("_file"), pl.all())
    told = {what: pl.concat(found) if found else pl.DataFrame() for what, found in frames.items()}
    job.keep(part, told | {REJECTED: rejected})
    return task, usable.height, False


def _nothing(scorer: Scorer) -> pl.DataFrame:
    return scorer.as_table(scorer.score(pl.DataFrame(schema=scorer.schema)))


def _log(home: Home, job: Job, parts: Sequence[Part]) -> None:
    """Let the prediction table take in the records, which are written as its files are."""
    if found := job.paths(RECORDS, parts):
        PredictionStore(home).share(Shared(found), writer=f"score-{job.name}", version=1)


def _may_be_log(path: Path, files: Files) -> bool:
    """Return whether a file is called as logs are, or as those of the dataset."""
    called = {Path(each).suffix for each in files.patterns}  # type: ignore[union-attr]
    return told_kind(path.name) in (None, "lines") or path.suffix in called


def _identified(
    scorer: Scorer, answers: pl.DataFrame, rows: pl.Series, file: str | None
) -> pl.DataFrame:
    """Call rows without an event ID by their numbers in the file, after its name if it has one."""
    if scorer.pipeline.rows.identity:
        return answers
    numbers = rows.cast(pl.String)
    named = numbers if file is None else f"{file}:" + numbers
    return answers.with_columns(named.alias(EVENT_ID))


def _usable(scorer: Scorer, piece: Piece) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divide rows into those with an event ID and time, and the rest with the reason."""
    order = {**scorer.schema, "_row": pl.Int64}
    frame = piece.frame.match_to_schema(order, missing_columns="insert")  # such as the label's
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
