"""Reading a file piece by piece: memory is bounded by blocks, types are decided by all of it.

The first blocks tell what the types may be, and the file is read as if they were; meanwhile every
block adds to the evidence. If the whole decides as its beginning did, that was all. If not, the
pieces so far are void, and the file is read again as what it is (`Reading.settled`). The same goes
for the order of day and month. A file of a few blocks is looked at as a whole first.

It knows nothing of formats, batches, checks or stores.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from octavo.engines import Engine
from octavo.errors import DataError
from octavo.quality import Finding
from octavo.quality.dates import DateForms
from octavo.quality.finding import counted, literal
from octavo.stages.ingestion import (
    arff,
    delimited,
    excel,
    extract,
    json_document,
    json_lines,
    lines,
    parquet,
    types,
)
from octavo.stages.ingestion.evidence import ENOUGH, Evidence
from octavo.stages.ingestion.loaded import ROW, Format, Part, Rejection, Wanted
from octavo.stages.ingestion.moments import open_order
from octavo.stages.ingestion.opening import Source, inside, is_delta, opened
from octavo.stages.ingestion.types import Column, Typed

Opens = Callable[[Wanted], AbstractContextManager[tuple[Format, str, int]]]
"""Opens what is read, as what it is; gives also its place, for messages, and its size in bytes."""

HELD = 4
"""Blocks at the beginning of a file that are held in memory to guess types from."""

_REJECTED = {
    ROW: pl.Int64,
    "text": pl.String,
    "column": pl.String,
    "rule": pl.String,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Piece:
    """Some records in a row; each is either in ``frame`` or in ``rejected``, once.

    Attributes
    ----------
    frame, rejected, text
        As those of `octavo.stages.ingestion.files.Parsed`.
    first
        Number of its first record in the file.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame
    text: Callable[[int], str]
    first: int


@dataclass(frozen=True)
class _Taken:
    """A block after reading; records are counted from its first."""

    part: Part
    frame: pl.DataFrame
    rejected: list[Rejection]
    evidence: dict[str, Evidence]
    bad: dict[str, tuple[int, str]]
    """Of columns with values of another type: how many, and the first."""
    dates: dict[str, DateForms]
    """Of columns of dates that were read from text."""


class Reading:
    """One file, which may have to be gone through more than once.

    Parameters
    ----------
    opens
        Opens it, as often as it must be gone through.
    wanted
        Columns and types.
    engine
        As for `octavo.stages.ingestion.files.begin`.
    progress
        Called with the bytes of the file read so far and in all.
    """

    def __init__(
        self,
        opens: Opens,
        wanted: Wanted,
        engine: Engine,
        progress: Callable[[int, int], None],
    ) -> None:
        self.bytes = self.records = 0
        self.settled = False
        """Whether the types of the pieces are certain, while and after they are given."""
        self._opens, self._wanted = opens, wanted
        self._engine, self._progress = engine, progress
        self._columns: tuple[Column, ...] = ()

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column to type; certain once it is `settled`."""
        return {column.name: column.dtype for column in self._columns}

    @property
    def noticed(self) -> list[Finding]:
        """What the typed columns no longer show: dates in several ways, values of another type."""
        found = [self._dates[name].finding(name) for name in self.schema if name in self._dates]
        return [*(each for each in found if each is not None), *self._retyped()]

    def _retyped(self) -> Iterator[Finding]:
        """Tell of columns most of whose values are not what they were in earlier batches."""
        for name, (count, value) in self._bad.items():
            dtype = self.schema[name]
            if self._wanted.schema and name in self._wanted.schema and 2 * count > self._read:
                yield Finding(
                    "schema",
                    "retyped",
                    (name,),
                    np.empty(0, np.int64),
                    self._read,
                    f"`{name}` is of another type than in earlier batches: in "
                    f"{counted(count, self._read)} {types.reason(value, dtype)}. These rows were "
                    "rejected.",
                    f"types={{{literal(name)}: pl.String}}  # then `octavo run --fresh`",
                )

    def pieces(self) -> Iterator[Piece]:
        """Go through the file; again, until it is `settled`: what was given before is void.

        Raises
        ------
        DataError
            If the file cannot be read as what it is named, has no rows or lacks a column that is
            needed, or if not one record of a dataset's first file can be used.
        """
        with self._opens(self._wanted) as (form, place, self.bytes):
            self.records = 0
            blocks = iter(form.blocks())
            held = deque(self._engine.map(form.read, islice(blocks, HELD)))
            following = deque(islice(blocks, 1))
            self._begin(form, held, whole=not following)
            todo = chain(_emptied(held), _emptied(following), blocks)
            yield from self._flow(form, todo)
            self._progress(self.bytes, self.bytes)
            self._end(form, place)

    def _begin(self, form: Format, held: Sequence[Part], *, whole: bool) -> None:
        """Look at the first blocks."""
        self._found = _names(held)
        is_new = not self._columns
        if is_new:
            names = form.names(list(self._found), whole=whole)
            self._columns = tuple(_unknown(form, self._wanted, name) for name in names)
        self._evidence = {c.name: Evidence() for c in self._columns if c.is_open}
        for said in self._engine.map(partial(_examined, form, list(self._evidence)), held):
            self._learn(said)
        if is_new:
            self._columns = tuple(self._thought(form, column) for column in self._columns)
        if whole:
            self._columns = _closed(self._columns)
        is_all = whole or not form.may_grow
        self.settled = is_all and self._columns == _closed(self._columns)
        self._bad: dict[str, tuple[int, str]] = {}
        self._dates: dict[str, DateForms] = {}
        self._read = self._usable = 0
        self._refused: Rejection | None = None

    def _learn(self, said: Mapping[str, Evidence]) -> None:
        for name, evidence in said.items():
            self._evidence[name] += evidence

    def _thought(self, form: Format, column: Column) -> Column:
        """Return a column as all that was seen shows it."""
        if not column.is_open:
            return column
        seen = self._evidence[column.name]
        return replace(
            column,
            dtype=self._decided(form, column) or column.dtype,
            order=seen.order,
            every=seen.every,
        )

    def _decided(self, form: Format, column: Column) -> pl.DataType | None:
        known, seen = _known(form, self._wanted, column.name), self._evidence[column.name]
        if known is not None and self._wanted.may_widen(column.name) and seen.breaks_whole:
            return pl.Float64()
        return known or form.decide(seen)

    def _flow(self, form: Format, todo: Iterator[Any]) -> Iterator[Piece]:
        begun, self._is_one = self._columns, True
        partitions = ((self._columns, number, block) for number, block in enumerate(todo))
        for taken in self._engine.map(partial(_taken, form), partitions):
            self._progress(taken.part.done, self.bytes)
            first = self.records
            self._count(taken)
            self._learn(taken.evidence)
            thought = [self._thought(form, column) for column in self._columns]
            self._columns = tuple(
                replace(new, every=old.every)
                for new, old in zip(thought, self._columns, strict=True)
            )
            self._is_one &= self._columns == begun  # and not again, even if it comes back to that
            if self._is_one:
                yield _piece(taken, first)

    def _count(self, taken: _Taken) -> None:
        first = self.records
        if taken.rejected and self._refused is None:
            self._refused = taken.rejected[0]._replace(row=first + taken.rejected[0].row)
        self.records += taken.part.records
        self._read += taken.part.frame.height
        self._usable += taken.frame.height
        self._found |= _names([taken.part])
        for name, (count, value) in taken.bad.items():
            before, shown = self._bad.get(name, (0, value))
            self._bad[name] = (before + count, shown)
        for name, forms in taken.dates.items():
            self._dates[name] = self._dates.get(name, DateForms()) + forms.after(first)

    def _end(self, form: Format, place: str) -> None:
        """Settle the types, or say what to look at next time."""
        names = form.names(list(self._found), whole=True)
        sure = names == list(self.schema) and all(
            self._decided(form, column) for column in self._columns if column.is_open
        )
        self.settled = sure and self._is_one
        if sure:
            self._columns = _closed(self._columns)
        else:
            known = {column.name: replace(column, every=1) for column in self._columns}
            self._columns = tuple(
                known.get(name) or _unknown(form, self._wanted, name) for name in names
            )
        if self.settled:
            self._check(form, place)

    def _check(self, form: Format, place: str) -> None:
        """Refuse a file of which nothing, or too little, can be used."""
        if not self.records:
            raise DataError(form.empty, where=place, fix="Deliver it with rows, or not at all.")
        for column in self._columns:
            count, value = self._bad.get(column.name, (0, ""))
            if count > (1 - ENOUGH) * self._read and column.dtype.is_temporal():
                _check_order(column.name, value, place)
        if self._wanted.schema is None and not self._usable and self._refused:
            raise DataError(
                f"none of its {self.records} records can be used; record {self._refused.row}: "
                f"{self._refused.reason}.",
                where=place,
                fix="Correct the file, or declare the types of its columns.",
            )


def _check_order(name: str, value: str, place: str) -> None:
    """Refuse a file, rather than most of its rows, if it does not tell day from month."""
    if open_order(value):
        raise DataError(
            f"in column {name!r}, {value!r} and others leave open which is the day and which the "
            "month.",
            where=place,
            fix=f"Declare the format, for example types={{{name!r}: '%d/%m/%Y'}}.",
        )


@contextmanager
def open_file(path: Path, where: str, wanted: Wanted) -> Iterator[tuple[Format, str, int]]:
    """Open a file, or a folder, as what it is; give also its place and size in bytes."""
    if wanted.called or is_delta(path):
        called = wanted.called or f"folder {path}"
        place, size = f"{where}, {called}", sum(f.stat().st_size for f in inside(path))
        load = extract.load if wanted.called else parquet.load_delta
        yield load(path, wanted, place, size), place, size
        return
    kind = "lines" if wanted.lines else None
    with opened(path, where, wanted.encoding, kind) as source:
        yield _format(path, source, wanted), source.place, source.total


def _format(path: Path, source: Source, wanted: Wanted) -> Format:
    match source.kind:
        case "parquet":
            return parquet.load(path, source, wanted)
        case "excel":
            return excel.load(path, source, wanted)
        case "arff":
            return arff.load(source, wanted)
        case "json":
            return json_document.load(source, wanted)
        case "ndjson":
            return json_lines.load(source, wanted)
        case "lines":
            return lines.load(source, wanted)
    return delimited.load(source, wanted, wanted.csv)


def _known(form: Format, wanted: Wanted, name: str) -> pl.DataType | None:
    return wanted.dtype(name) or form.known(name)


def _unknown(form: Format, wanted: Wanted, name: str) -> Column:
    """Return a column before any value was seen."""
    known, given = _known(form, wanted, name), wanted.declared.get(name)
    pattern = given.pattern if given else None
    ordered = known is None or (known.is_temporal() and not pattern and form.known(name) != known)
    return Column(
        name,
        known or pl.String(),
        pattern=pattern,
        codes=given is not None,
        is_open=known is None or ordered or wanted.may_widen(name),
    )


def _closed(columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(replace(column, is_open=False, every=1) for column in columns)


def _names(parts: Iterable[Part]) -> dict[str, None]:
    return dict.fromkeys(n for part in parts for n in part.frame.columns if n != ROW)


def _emptied(held: deque[Any]) -> Iterator[Any]:
    """Give what is held, and let go of it."""
    while held:
        yield held.popleft()


def _examined(form: Format, names: Sequence[str], part: Part) -> dict[str, Evidence]:
    return {name: form.examine(_values(part, name)) for name in names}


def _values(part: Part, name: str) -> pl.Series:
    if name in part.frame.columns:
        return part.frame[name]
    return pl.Series(name, [], dtype=pl.String).extend_constant(None, part.frame.height)


def _taken(form: Format, partition: tuple[tuple[Column, ...], int, Any]) -> _Taken:
    """Read a block, or take one that was held and looked at before, as its columns are thought."""
    columns, number, block = partition
    part = block
    if isinstance(block, Part):
        columns = _closed(columns)
    else:
        part = form.read(block)
    evidence, typed = {}, []
    for column in columns:
        values = _values(part, column.name)
        read, said = form.take(values, column, look=number % column.every == 0)
        typed.append(read)
        if column.is_open:
            evidence[column.name] = said
    return _divided(form, part, columns, typed, evidence)


def _divided(
    form: Format,
    part: Part,
    columns: Sequence[Column],
    typed: Sequence[Typed],
    evidence: dict[str, Evidence],
) -> _Taken:
    """Set records aside that hold a value of another type than its column."""
    faulty: dict[int, Rejection] = {}
    bad: dict[str, tuple[int, str]] = {}
    rows = part.frame[ROW]
    for column in typed:
        places = column.bad.arg_true().to_list()
        values = part.frame[column.values.name] if places else rows
        if places:
            bad[column.values.name] = (len(places), form.shown(values[places[0]]))
        for at in places:
            if at not in faulty:
                faulty[at] = _misfit(form, part, column, form.shown(values[at]), rows[at])
    frame = pl.DataFrame([*(column.values for column in typed), rows])
    dates = {
        c.name: DateForms.seen(part.frame[c.name].filter(~read.bad), rows.filter(~read.bad))
        for c, read in zip(columns, typed, strict=True)
        if c.dtype.is_temporal() and not c.codes and part.frame.schema.get(c.name) == pl.String()
    }
    if faulty:
        kept = pl.Series(sorted(faulty), dtype=pl.UInt32)
        frame = frame.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(kept.implode()))
    rejected = [Rejection(row, part.text(row), None, rule, why) for row, rule, why in part.faults]
    return _Taken(part, frame, sorted([*rejected, *faulty.values()]), evidence, bad, dates)


def _misfit(form: Format, part: Part, column: Typed, value: str, row: int) -> Rejection:
    name = column.values.name
    why = types.reason(value, column.values.dtype)
    return Rejection(row, part.text(row), name, "type", f"column {name!r}: {why}")


def _piece(taken: _Taken, first: int) -> Piece:
    """Count the records of a block through the file."""
    rejected = pl.DataFrame(taken.rejected, schema=_REJECTED, orient="row")
    through = pl.col(ROW) + first

    def text(row: int) -> str:
        return taken.part.text(row - first)

    return Piece(taken.frame.with_columns(through), rejected.with_columns(through), text, first)
