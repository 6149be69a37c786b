"""Where the rows of a dataset come from: files, a stream, or both.

It knows what of a source is told by whoever declares it, and not how it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from octavo.definition.arguments import columns, instance, whole_number
from octavo.definition.durations import Duration, microseconds, written
from octavo.definition.fingerprint import Declaration, meaningless
from octavo.definition.lines import line_pattern
from octavo.definition.names import check_name, one_of
from octavo.definition.nested import Nested
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Csv(Declaration):
    """How a delimited text is written; what is None is told from each file."""

    delimiter: str | None = None
    """Separates fields: one ASCII character."""
    quote: str | None = None
    """Opens and closes fields that hold delimiters or line ends: one ASCII character."""
    decimal: Literal[".", ","] | None = None
    """The mark before the fraction of a number."""
    header: bool | None = None
    """Whether the first record names the columns; otherwise they are ``column_1``, …"""
    skip: int | None = None
    """Lines to leave aside before the header: titles and remarks."""

    def __post_init__(self) -> None:
        for name in ("delimiter", "quote"):
            given = getattr(self, name)
            if given is not None and not (
                isinstance(given, str)
                and len(given) == 1
                and given.isascii()
                and given not in "\r\n"
            ):
                raise DefinitionError(
                    f"{given!r} is not one ASCII character.",
                    where=f"Csv.{name}",
                    fix='Write one, such as ";".',
                )
        if self.decimal is not None:
            one_of(self.decimal, (".", ","), where="Csv.decimal")
        instance(self.header, (bool, type(None)), where="Csv.header")
        if self.skip is not None:
            whole_number(self.skip, least=0, where="Csv.skip")


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(Declaration):
    """How what a source holds becomes columns; `Files` and `Stream` are sources."""

    columns: Sequence[str] | None = None
    """The columns to take, None for all of them."""
    types: Mapping[str, Any] = field(default_factory=dict)
    """Polars types that win over inference, by column."""
    nested: Nested = field(default_factory=Nested)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Columns that some rows call otherwise: their name there to the name of the dataset's column.
    The raw store keeps the name that came; events have both as one column."""

    def __post_init__(self) -> None:
        where = type(self).__name__
        if self.columns is not None:
            object.__setattr__(self, "columns", columns(self.columns, where=f"{where}.columns"))
        instance(self.types, Mapping, where=f"{where}.types")
        object.__setattr__(self, "types", dict(self.types))
        instance(self.nested, Nested, where=f"{where}.nested")
        _check_renamed(self.renamed, where=f"{where}.renamed")
        object.__setattr__(self, "renamed", dict(self.renamed))


@dataclass(frozen=True, eq=False)
class Files(Source):
    """Files on disk: CSV, NDJSON, JSON, ARFF, logs, Parquet, Excel, Delta folders.

    Every file is one batch. Types are inferred over the whole file; those of the first batch that
    has a column hold for later ones. Columns may come and go, see `renamed`.
    """

    patterns: str | Path | Sequence[str | Path] = meaningless()
    """Paths or globs, relative to the folder of ``pipeline.py``."""
    encoding: str | None = None
    """Of texts, as Python names it (``"latin-1"``); None: told from each file."""
    csv: Csv = field(default_factory=Csv)
    lines: str | None = None
    """The pattern that every line fits: one of `LINES`, or a regular expression whose named groups
    are the columns. None: what a file is is told from its name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        single = isinstance(self.patterns, str | Path)
        patterns = (self.patterns,) if single else tuple(self.patterns)  # type: ignore[arg-type]
        if not patterns or not all(isinstance(p, str | Path) and str(p) for p in patterns):
            raise DefinitionError(
                "no file is named.",
                where="Files",
                fix='Name one: ov.Files("data/*.csv").',
            )
        object.__setattr__(self, "patterns", patterns)
        instance(self.csv, Csv, where="Files.csv")
        instance(self.lines, (str, type(None)), where="Files.lines")
        if self.lines is not None:
            line_pattern(self.lines, where="Files.lines")
        if self.encoding is not None:
            _check_encoding(self.encoding)


@dataclass(frozen=True, eq=False)
class Stream(Source):
    """Rows that are sent while they happen, over HTTP: JSON, NDJSON or Arrow.

    What is sent waits in the topic ``incoming.NAME`` until the ingestion service has taken it into
    the raw store; what it accepted is in ``accepted.NAME``. A micro-batch is one batch.
    """

    name: str | None = None
    """What the two topics are called after; None: the dataset."""
    partitions: int = 1
    """Of ``incoming.NAME``; fixed as long as the topic is there."""
    rows: int = 50_000
    """So many rows make a micro-batch, more or less."""
    age: Duration = "1s"
    """How long rows wait for others to come."""
    keep: Duration = "7d"
    """How long the topics keep what was read of them, and with it idempotency keys."""
    backlog: int = 1 << 30
    """Bytes that may wait to be ingested; from there on senders are told to wait."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name is not None:
            check_name(self.name, where="Stream.name")
        for name in ("partitions", "rows", "backlog"):
            whole_number(getattr(self, name), least=1, where=f"Stream.{name}")
        for name in ("age", "keep"):
            text = written(getattr(self, name), where=f"Stream.{name}")
            object.__setattr__(self, name, text)
        if self.nested.rows is not None:
            raise DefinitionError(
                "a row that is sent has one place in the stream, and would become several.",
                where="Stream.nested",
                fix="Send each element of the list as a row; Nested(rows=…) is for files.",
            )

    @property
    def oldest(self) -> float:
        """`age` in seconds."""
        return microseconds(self.age, where="Stream.age") / 1e6

    @property
    def kept(self) -> float:
        """`keep` in seconds."""
        return microseconds(self.keep, where="Stream.keep") / 1e6


def _check_renamed(renamed: Any, *, where: str) -> None:
    """Refuse what leads from one new name to another, or nowhere."""
    instance(renamed, Mapping, where=where)
    columns([*renamed, *renamed.values()], where=where)
    if chained := sorted(set(renamed) & set(renamed.values())):
        raise DefinitionError(
            f"{chained[0]!r} is both a name in files and a name of the dataset.",
            where=where,
            fix='Map each name in files to the one that the definition uses: {"amt": "amount"}.',
        )


def _check_encoding(name: str) -> None:
    """Refuse what is no text encoding."""
    try:
        "a".encode(name)
    except (LookupError, TypeError) as error:
        raise DefinitionError(
            f"there is no text encoding {name!r}.",
            where="Files.encoding",
            fix='Name one that Python knows: "utf-16", "windows-1252", "latin-1".',
        ) from error
