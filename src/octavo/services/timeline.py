"""The raw rows of several datasets in the order in which they could be known, for a replay.

A row is at the moment of its ``known_at``: what prep folds by, so a replay brings nothing before it
was known. It knows nothing of speed, or of where rows go.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from octavo.definition import Dataset
from octavo.definition.events import EVENT_TIME, KNOWN_AT, POSITION
from octavo.errors import DataError
from octavo.stores.catalog import Catalog
from octavo.stores.raw import STAMPS, RawStore

CHAPTER = 200_000
"""Rows that are read at a time, about; those of one slot, however many."""
_SLOT = "_slot"

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


class Slot(NamedTuple):
    """What became known from one moment on until another, microseconds since the epoch."""

    begin: int
    end: int
    rows: dict[str, pl.DataFrame]
    """By dataset, in the order of the pipeline: source columns, as they were received; at least
    one row each."""


class Timeline:
    """The events of some datasets, all versions of each, that became known in a span of time.

    Rows that are no events of their dataset have no time, and are not in it; nor are rejected ones.

    Parameters
    ----------
    first, last
        Microseconds since the epoch: rows known at ``first`` or later, and before ``last``. None:
        all from the beginning, or to the end. Facts of a static dataset are known from the
        beginning.

    Raises
    ------
    DataError
        If nothing of a dataset was ingested, or none of the rows is in that span.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        raw: RawStore,
        catalog: Catalog,
        *,
        first: int | None = None,
        last: int | None = None,
    ) -> None:
        self.first, self.last = first, last
        self._rows = {each.name: self._known(each, raw, catalog) for each in datasets}
        self._timed = [each.name for each in datasets if not each.is_static]
        if not self.rows:
            raise DataError(
                "none of the rows was known in that span.",
                where=", ".join(self._rows),
                fix="Choose --from and --to by when rows could be known.",
            )

    def _known(self, dataset: Dataset, raw: RawStore, catalog: Catalog) -> pl.LazyFrame:
        batches = catalog.committed(dataset.name)
        versions = raw.versions(dataset.name, batches)
        if not versions:
            raise DataError(
                "nothing of it was ingested.",
                where=f"dataset {dataset.name!r}",
                fix="Run `octavo run --to ingestion` first.",
            )
        known = pl.col(KNOWN_AT).cast(pl.Int64)
        rows = pl.concat(versions, how="diagonal_relaxed").with_columns(known)
        rows = rows.filter(pl.col(EVENT_TIME).is_not_null())
        return _between(rows, self.first, self.last)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows of each dataset there are."""
        found = pl.collect_all([rows.select(pl.len()) for rows in self._rows.values()])
        return {name: one.item() for name, one in zip(self._rows, found, strict=True)}

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.counts.values())

    @cached_property
    def begin(self) -> int:
        """When the first row with a time of its own became known, microseconds."""
        names = [name for name in self._timed if self.counts[name]] or list(self._rows)
        firsts = [self._rows[name].select(pl.col(KNOWN_AT).min()) for name in names]
        found = (one.item() for one in pl.collect_all(firsts))
        return min(moment for moment in found if moment is not None)

    def slots(self, width: int) -> Iterator[Slot]:
        """Give the rows slot by slot, in order; slots without rows are left out.

        Slots are the same wherever the timeline begins, but for the first and the last, which it
        cuts.

        Parameters
        ----------
        width
            Of a slot, microseconds: slots begin at its multiples since the epoch.
        """
        for begin, end in self._chapters(width):
            parts = {
                name: _in_slots(_between(rows, begin * width, end * width), width)
                for name, rows in self._rows.items()
            }
            for slot in sorted({slot for part in parts.values() for slot in part}):
                found = {name: part[slot] for name, part in parts.items() if slot in part}
                start, stop = slot * width, (slot + 1) * width
                if self.first is not None:
                    start = max(start, self.first)
                if self.last is not None:
                    stop = min(stop, self.last)
                yield Slot(start, stop, found)

    def _chapters(self, width: int) -> list[tuple[int, int]]:
        """Divide the slots, by their numbers, so that each part has few enough rows for memory."""
        here = (pl.col(KNOWN_AT) // width).alias(_SLOT)
        counts = pl.concat(rows.group_by(here).len() for rows in self._rows.values())
        found = counts.group_by(_SLOT).agg(pl.col("len").sum()).sort(_SLOT).collect()
        chapter = (pl.col("len").cum_sum() - pl.col("len")) // CHAPTER
        parts = found.group_by(chapter.alias("chapter"), maintain_order=True).agg(
            pl.col(_SLOT).first().alias("begin"), (pl.col(_SLOT).last() + 1).alias("end")
        )
        return parts.select("begin", "end").rows()

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the rows of each dataset to a Parquet file of its name; return the files.

        Of a dataset without rows there is none.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = {name: folder / f"{name}.parquet" for name, rows in self.counts.items() if rows}
        for name, path in files.items():
            part = path.with_suffix(".part")
            _plain(self._rows[name].sort(KNOWN_AT, POSITION)).sink_parquet(part)
            part.replace(path)
        return files


def _between(rows: pl.LazyFrame, first: int | None, last: int | None) -> pl.LazyFrame:
    if first is not None:
        rows = rows.filter(pl.col(KNOWN_AT) >= first)
    return rows if last is None else rows.filter(pl.col(KNOWN_AT) < last)


def _in_slots(rows: pl.LazyFrame, width: int) -> dict[int, pl.DataFrame]:
    """Return rows by the number of their slot, in log order each."""
    found = rows.sort(KNOWN_AT, POSITION).collect()
    slots = (found[KNOWN_AT] // width).rle().struct.unnest()
    plain, at, parts = _canonical(_plain(found)), 0, {}
    for length, slot in slots.iter_rows():
        parts[slot] = plain.slice(at, length)
        at += length
    return parts


def _plain(rows: Frame) -> Frame:
    return rows.drop(STAMPS)


def _canonical(rows: pl.DataFrame) -> pl.DataFrame:
    """Put one value under each null: what is there depends on how the rows were read, and is sent.

    So the same rows are the same bytes, whenever they are read.
    """
    zeros = {pl.String: "", pl.Boolean: False}
    values = {
        name: pl.lit(zeros.get(type(dtype), 0)).cast(dtype)
        for name, dtype in rows.schema.items()
        if rows[name].null_count() and not dtype.is_nested()
    }
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).fill_null(value))
        for name, value in values.items()
    )
