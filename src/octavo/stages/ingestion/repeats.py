"""Events that came before: in an earlier batch, or further up in the same file.

A 64-bit hash of every event ID is kept in memory, eight bytes a row and as much again to spare. A
row whose hash was there before is set aside on disk with its text, and compared when the file has
been read to its end: exactly, and with its event's newest version. So memory is bounded by the
number of rows, not by their content. It knows nothing of how rows were read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from octavo.definition.events import EVENT_ID, POSITION
from octavo.stages.ingestion.loaded import ROW
from octavo.stores.staged import FILE, Staged

SLOTS = 1 << 16
"""Of an empty set; it grows as it must."""


_STEP = 1 << 20  # slots moved at once to a larger table


class Seen:
    """A set of event IDs, told apart by their hashes alone."""

    def __init__(self) -> None:
        self._table = np.zeros(SLOTS, np.uint64)
        self._count = 0

    def enter(self, ids: pl.Series) -> np.ndarray:
        """Add event IDs; return which may have been there before, also within these."""
        from octavo.stages.ingestion import kernels  # loads numba

        while 4 * (self._count + ids.len()) > 3 * self._table.size:
            old, self._table = self._table, np.zeros(2 * self._table.size, np.uint64)
            for begin in range(0, old.size, _STEP):
                part = old[begin : begin + _STEP]
                kernels.enter(part[part != 0], self._table, np.empty(part.size, bool))
        known = np.empty(ids.len(), bool)
        self._count += kernels.enter(_hashes(ids), self._table, known)
        return known

    def learn(self, rows: pl.LazyFrame) -> None:
        """Add the event IDs of rows."""
        for frame in rows.select(EVENT_ID).collect_batches():
            self.enter(frame[EVENT_ID])

    def holds(self, ids: pl.Series) -> np.ndarray:
        """Return which event IDs may be there."""
        from octavo.stages.ingestion import kernels

        known = np.empty(ids.len(), bool)
        kernels.find(_hashes(ids), self._table, known)
        return known


@dataclass(frozen=True)
class Compared:
    """Rows that may have come before, after comparing."""

    rows: pl.DataFrame
    """Those that did not."""
    restated: pl.DataFrame
    """Those that came with other content."""
    duplicates: int
    """How many came with the same content."""


class Repeats:
    """The events of a file and of the batches before it.

    Parameters
    ----------
    earlier
        Gives the rows of earlier batches that count: `EVENT_ID`, `POSITION` and the source columns.
    aside
        Where to set rows aside.
    named
        Gives columns that files call otherwise the name of the dataset's.
    seen
        Has the event IDs of earlier batches, and perhaps others; those of this file are added.
        None: they are read.
    """

    def __init__(
        self,
        earlier: Callable[[], Sequence[pl.LazyFrame]],
        aside: Staged,
        named: Callable[[pl.DataFrame], pl.DataFrame],
        seen: Seen | None = None,
    ) -> None:
        self._earlier, self._aside, self._named = earlier, aside, named
        if seen is None:
            seen = Seen()
            for rows in earlier():
                seen.learn(rows)
        self._seen = seen

    def divide(self, rows: pl.DataFrame, text: Callable[[int], str]) -> pl.DataFrame:
        """Return the rows of new events; set the others aside.

        Parameters
        ----------
        rows
            `EVENT_ID`, ``_row`` and others, in the order of the file.
        text
            Gives a record as it stands in the file.
        """
        known = self._seen.enter(rows[EVENT_ID])
        if not known.any():
            return rows
        again = rows.filter(known)
        texts = pl.Series("text", [text(row) for row in again[ROW]], dtype=pl.String)
        self._aside.add(again.with_columns(texts))
        return rows.filter(~known)

    def compare(self, source: Sequence[str], rows: pl.LazyFrame) -> Iterator[Compared]:
        """Compare what was set aside, in parts that fit into memory.

        A row is compared with the newest version of its event: that of an earlier batch or, within
        the file, the row before it.

        Parameters
        ----------
        source
            The columns of the file, which are the content: what it says nothing of is not compared.
        rows
            All rows that `divide` returned, with their positions.
        """
        if not self._aside.rows:
            return
        parts = -(-self._aside.bytes // FILE)
        wanted = Seen()
        for frame in self._aside.scan().select(EVENT_ID).collect_batches():
            wanted.enter(frame[EVENT_ID])
        again = _spread([self._aside.scan()], self._aside.folder / "again", parts)
        versions = _alike([*self._earlier(), rows])
        before = _spread(versions, self._aside.folder / "before", parts, wanted)
        for part in range(parts):
            now, then = (each[part].scan().collect() for each in (again, before))
            yield self._compared(now, then, source)

    def _compared(
        self, again: pl.DataFrame, before: pl.DataFrame, source: Sequence[str]
    ) -> Compared:
        newest = before.sort(POSITION).unique(EVENT_ID, keep="last")
        first = self._named(newest.with_columns(pl.lit(-1, dtype=pl.Int64).alias(ROW)))
        now = self._named(again.select(EVENT_ID, ROW, *source))
        content = [name for name in now.columns if name not in (EVENT_ID, ROW)]
        new = [pl.lit(None, now.schema[c]).alias(c) for c in content if c not in first.columns]
        first = first.with_columns(new).select(now.columns)
        versions = pl.concat([first, now], how="vertical_relaxed").sort(EVENT_ID, ROW)
        is_again = pl.col(EVENT_ID) == pl.col(EVENT_ID).shift(1)
        same = pl.all_horizontal([pl.col(c).eq_missing(pl.col(c).shift(1)) for c in content])
        found = versions.select(ROW, is_again.fill_null(False).alias("again"), same.alias("same"))
        found = found.filter(pl.col(ROW) >= 0).sort(ROW)
        again = again.sort(ROW)
        return Compared(
            again.filter(~found["again"]),
            again.filter(found["again"] & ~found["same"]),
            int((found["again"] & found["same"]).sum()),
        )


def _alike(versions: Sequence[pl.LazyFrame]) -> list[pl.LazyFrame]:
    """Give all frames the same columns: null where one has not, numbers where one has."""
    none = pl.concat([rows.clear() for rows in versions], how="diagonal_relaxed")
    return [pl.concat([none, rows], how="diagonal_relaxed") for rows in versions]


def _spread(
    frames: Iterable[pl.LazyFrame], folder: Path, parts: int, wanted: Seen | None = None
) -> list[Staged]:
    """Divide rows by their event IDs; leave out those not wanted."""
    spread = [Staged(folder / str(part), size=FILE // parts) for part in range(parts)]
    for rows in frames:
        for part in spread:
            part.add(pl.DataFrame(schema=rows.collect_schema()))
        for frame in rows.collect_batches(maintain_order=True):
            if wanted is not None:
                frame = frame.filter(wanted.holds(frame[EVENT_ID]))
            of = _hashes(frame[EVENT_ID]) % parts
            for part in range(parts):
                spread[part].add(frame.filter(of == part))
    return spread


def _hashes(ids: pl.Series) -> np.ndarray:
    """Return hashes that are the same in this process, and never 0."""
    return np.maximum(ids.hash(0).to_numpy(), 1)
