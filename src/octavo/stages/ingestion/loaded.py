"""What a reader of one format hands over: parts of columns before their types are decided.

It knows nothing of formats.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

import polars as pl

from octavo.definition import Csv, Nested
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION
from octavo.errors import DataError, DefinitionError
from octavo.quality.finding import enumerated
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.types import Column, Declared, Typed, examine, take
from octavo.stores.raw import WIDE

ROW = "_row"
"""Int64; the number of the record in its file: from 0, header and empty lines not counted."""

_RESERVED = frozenset((ROW, "_batch_id", "_available", EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION))


class Rejection(NamedTuple):
    """One record that is kept aside."""

    row: int
    """Its number in the file."""
    text: str
    """The record as it stands in the file; bytes that are no UTF-8 appear as ``\\xff``."""
    column: str | None
    """Where the fault is, if it is in one column."""
    rule: str
    """``fields``, ``quotes``, ``encoding``, ``json``, ``lines`` or ``type``."""
    reason: str
    """What is wrong, in words."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some records in a row: those that can be read, and those that cannot.

    Attributes
    ----------
    frame
        Columns as the format gives them, and `ROW`, counted from the part's first record.
    faults
        Record, rule and reason.
    records
        Number of all records.
    text
        Gives the original text of a record.
    done
        Bytes of the file on disk read so far.
    """

    frame: pl.DataFrame
    faults: list[tuple[int, str, str]]
    records: int
    text: Callable[[int], str]
    done: int


class Format:
    """A file opened as what it is, and how its columns are read; here those of a text file."""

    empty = "the file has no records."
    """What to say of a file without any."""

    def blocks(self) -> Iterator[Any]:
        """Give the file piece by piece, once; each can be read alone."""
        raise NotImplementedError

    def read(self, block: Any) -> Part:
        """Read a piece into records, not knowing of types."""
        raise NotImplementedError

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns to take, or fail because they are others than wanted.

        Parameters
        ----------
        found
            The columns that parts had, in the order they were met.
        whole
            That was the whole file; else the columns are those to begin with.
        """
        raise NotImplementedError

    @property
    def may_grow(self) -> bool:
        """Whether a column may be met for the first time late in the file."""
        return False

    def known(self, name: str) -> pl.DataType | None:
        """Return the type that the format itself gives a column, as a dataset holds it."""
        return None

    def examine(self, values: pl.Series) -> Evidence:
        """Return what a part of a column says about its type."""
        return examine(values)

    def decide(self, found: Evidence) -> pl.DataType | None:
        """Decide on a type; None if that needs a look at what was not looked at."""
        return found.dtype()

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Read a part of a column as what it is thought to be; see `types.take`."""
        return take(values, column, look=look)

    def shown(self, value: Any) -> str:
        """Return a value of a part's frame as a reader of messages knows it."""
        return str(value)


@dataclass(frozen=True)
class Wanted:
    """Which columns of a file to take, and what is known of their types.

    Attributes
    ----------
    columns
        Those to take, if they are there; None for all of them.
    schema
        Types from earlier batches; None: this is the first.
    declared
        Types given by the user; they win.
    encoding, csv
        Of texts, as the user declared them.
    nested
        How objects and lists become columns.
    lines
        The pattern of lines that the file is made of, declared by name or in full.
    renamed
        Columns that some files call otherwise: their name there to the usual one.
    needed
        The columns that must be there, under either name, and what asks for each; None: all of
        `columns`, or of `schema`.
    called
        What rows of a database are called in messages; empty for a file.
    naming
        Columns of whole numbers whose values are names, and so stay whole numbers where other
        columns become numbers, if fractions come; None: all of them stay.
    """

    columns: tuple[str, ...] | None = None
    schema: Mapping[str, pl.DataType] | None = None
    declared: Mapping[str, Declared] = field(default_factory=dict)
    encoding: str | None = None
    csv: Csv = field(default_factory=Csv)
    nested: Nested = field(default_factory=Nested)
    lines: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    needed: Mapping[str, str] | None = None
    naming: Collection[str] | None = None
    called: str = ""

    def dtype(self, column: str) -> pl.DataType | None:
        """Return the type a column must have, None where it is to be inferred."""
        if column in self.declared:
            return self.declared[column].dtype
        known, usual = self.schema or {}, self.renamed.get(column, column)
        same = (column, usual, *(given for given, name in self.renamed.items() if name == usual))
        return next((known[name] for name in same if name in known), None)

    def may_widen(self, column: str) -> bool:
        """Return whether a column of whole numbers may turn out to be one of numbers."""
        if self.naming is None or column in self.naming or column in self.declared:
            return False
        return self.dtype(column) == pl.Int64()

    def begin(self, found: Sequence[str]) -> list[str]:
        """Return the columns to begin with, of a file that may show more of them later."""
        if self.columns is not None:
            return list(self.schema or self.columns)
        return list(dict.fromkeys((*(self.schema or ()), *found)))

    def choose(self, names: Iterable[str], place: str, *, sparse: bool = False) -> list[str]:
        """Return the columns to take, in their order; fail before any record is read.

        Those of earlier batches come first, then new ones. What is lacking and not needed is left
        out.

        Parameters
        ----------
        names
            The columns the file has.
        place
            Dataset and file, for messages.
        sparse
            Any column of earlier batches may be missing: all its values are null.

        Raises
        ------
        DataError
            If needed columns are missing, or columns are named as Octavo names its own.
        DefinitionError
            If a type is declared for a column that does not exist.
        """
        names = list(names)
        earlier = [name for name in self.schema or () if name not in self.renamed]
        if sparse:
            names += [name for name in earlier if name not in names]
        for name in self.declared:
            if name not in (*names, *earlier, *self.renamed, *self.renamed.values()):
                raise DefinitionError.unknown("column", name, names, where=f"{place}, types")
        taken = names if self.columns is None else self._named(names)
        check_named(taken, earlier, place)
        self._check_needed(names, taken, place)
        return [name for name in dict.fromkeys((*(self.schema or ()), *taken)) if name in taken]

    def _named(self, names: list[str]) -> list[str]:
        """Return those of some columns that were asked for, in the order asked for."""
        asked = dict.fromkeys(self.columns or ())
        return [n for each in asked for n in names if each in (n, self.renamed.get(n))]

    def _check_needed(self, names: list[str], taken: list[str], place: str) -> None:
        needed = self.needed
        if needed is None:
            needed = dict.fromkeys(self.columns or self.schema or (), "")
        there = {*taken, *(self.renamed.get(name) for name in taken)}
        missing = [name for name in needed if name not in there]
        if not missing:
            return
        if dropped := [name for name in missing if name in names]:
            raise DefinitionError(
                f"columns=[…] leaves out {_listed(dropped, needed)}.",
                where=place,
                fix="Name it there too, or do not use it.",
            )
        unknown = [name for name in names if name not in (self.schema or needed)]
        meant = _meant(missing, unknown or names)
        what = f"{'the query' if self.called else 'the file'} lacks {_listed(missing, needed)}"
        if self.schema is None:
            said = [f"{name!r} for {given!r}" for given, name in meant.items()]
            fix = f"Write {enumerated(said)}." if said else f"It has {enumerated(names, 8)}."
            raise DataError(f"{what}.", where=place, fix=fix)
        if unknown:
            what += f" and has {enumerated(map(repr, unknown), 8)}, which earlier batches have not"
        fix = "Deliver the column, or take out what uses it."
        if meant:
            kind = "Sql" if self.called else "Files"
            fix = f"If it is called otherwise now, declare ov.{kind}(…, renamed={meant})."
        raise DataError(f"{what}.", where=place, fix=f"Nothing of it was taken in. {fix}")


def check_named(names: Iterable[str], earlier: Iterable[str], place: str) -> None:
    """Refuse names that are Octavo's own, or that a Delta table does not hold, or tell apart.

    Parameters
    ----------
    earlier
        Columns that there are.
    """
    names = list(names)
    own = [name for name in names if name.lower() in _RESERVED or name.endswith(WIDE)]
    if own:
        raise reserved(own, place)
    spelled: dict[str, str] = {}
    for name in dict.fromkeys((*earlier, *names)):
        other = spelled.setdefault(name.lower(), name)
        if other != name or "\0" in name:
            what = f"the columns {other!r} and {name!r} differ in case alone."
            raise DataError(
                f"the column {name!r} has a NUL in its name." if other == name else what,
                where=place,
                fix="Rename it in the source, or leave it out with columns=[…].",
            )


def reserved(names: Iterable[str], place: str) -> DataError:
    """Return that columns are named as Octavo names its own."""
    return DataError(
        f"Octavo keeps the column names {', '.join(sorted(names))} for itself.",
        where=place,
        fix="Rename them in the source, or leave them out with columns=[…].",
    )


def _meant(missing: list[str], names: list[str]) -> dict[str, str]:
    """Guess which columns are those that are missing."""
    found: dict[str, str] = {}
    for name in missing:
        near = get_close_matches(name, [n for n in names if n not in found], n=1, cutoff=0.6)
        if near or len(names) == len(missing) == 1:
            found[(near or names)[0]] = name
    return found


def _listed(missing: list[str], needed: Mapping[str, str]) -> str:
    uses = (f" ({needed[name]} needs it)" if needed[name] else "" for name in missing)
    return enumerated([f"{name!r}{use}" for name, use in zip(missing, uses, strict=True)], 8)
