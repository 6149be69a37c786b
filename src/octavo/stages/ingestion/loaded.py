"""What a reader of one format hands over: parts of columns before their types are decided.

It knows nothing of formats.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

import polars as pl

from octavo.definition import Csv, Nested
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION
from octavo.errors import DataError, DefinitionError
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.types import Column, Declared, Typed, examine, take

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
        Those to take; None for all of them.
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
    """

    columns: tuple[str, ...] | None = None
    schema: Mapping[str, pl.DataType] | None = None
    declared: Mapping[str, Declared] = field(default_factory=dict)
    encoding: str | None = None
    csv: Csv = field(default_factory=Csv)
    nested: Nested = field(default_factory=Nested)
    lines: str | None = None

    def dtype(self, column: str) -> pl.DataType | None:
        """Return the type a column must have, None where it is to be inferred."""
        if column in self.declared:
            return self.declared[column].dtype
        return None if self.schema is None else self.schema[column]

    def choose(self, names: Iterable[str], place: str, *, sparse: bool = False) -> list[str]:
        """Return the columns to take, in their order; fail before any record is read.

        Parameters
        ----------
        names
            The columns the file has.
        place
            Dataset and file, for messages.
        sparse
            A column of earlier batches may be missing: all its values are null.

        Raises
        ------
        DataError
            If columns are missing, new, or named as Octavo names its own.
        DefinitionError
            If a type is declared for a column that does not exist.
        """
        names = list(names)
        if sparse and self.schema is not None:
            names += [name for name in self.schema if name not in names]
        for name in self.declared:
            if name not in names:
                raise DefinitionError.unknown("column", name, names, where=f"{place}, types")
        taken = names if self.columns is None else list(dict.fromkeys(self.columns))
        if own := sorted(_RESERVED.intersection(taken)):
            raise DataError(
                f"Octavo keeps the column names {', '.join(own)} for itself.",
                where=place,
                fix="Rename them in the source, or leave them out with columns=[…].",
            )
        expected = taken if self.schema is None else list(self.schema)
        missing = [name for name in dict.fromkeys((*taken, *expected)) if name not in names]
        unknown = [name for name in taken if name in names and name not in expected]
        if missing or unknown:
            raise _other_columns(missing, unknown, names, place)
        dropped = [name for name in expected if name not in taken]
        if dropped:
            raise _other_columns(dropped, [], taken, place)
        return expected


def _other_columns(
    missing: list[str], unknown: list[str], names: list[str], place: str
) -> DataError:
    said = []
    if missing:
        near = [get_close_matches(name, unknown or names, n=1, cutoff=0.75) for name in missing]
        said.append(
            "lacks "
            + ", ".join(
                f"{name!r}" + (f" (is it {close[0]!r}?)" if close else "")
                for name, close in zip(missing, near, strict=True)
            )
        )
    if unknown:
        said.append("has " + ", ".join(map(repr, unknown)) + ", which earlier batches do not have")
    return DataError(
        f"the file {' and '.join(said)}.",
        where=place,
        fix="Deliver the same columns as before; for other columns declare another dataset.",
    )
