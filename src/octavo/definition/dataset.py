"""Stage 2: a dataset, its source, its times and its checks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import polars as pl

from octavo.definition.arguments import columns, instance, listed, whole_number
from octavo.definition.durations import Duration, microseconds, written
from octavo.definition.expressions import check_row_expression
from octavo.definition.fingerprint import Declaration, beside, fingerprint, meaningless
from octavo.definition.lines import line_pattern
from octavo.definition.names import check_name, one_of, unique
from octavo.definition.nested import Nested
from octavo.definition.schedule import DATA, Schedule, check_schedule
from octavo.definition.source import Source
from octavo.definition.sql import Sql
from octavo.definition.stream import Stream
from octavo.definition.treatments import Treatment
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


@dataclass(frozen=True, eq=False)
class Files(Source):
    """Files on disk: CSV, NDJSON, JSON, ARFF, logs, Parquet, Excel, Delta folders.

    Every file is one batch. Types are inferred over the whole file; those of the first batch that
    has a column hold for later ones. Columns may come and go, see `renamed`.
    """

    patterns: str | Path | Sequence[str | Path] = meaningless()
    """Paths or globs, relative to the folder of ``pipeline.py``."""
    columns: Sequence[str] | None = None
    """The columns to take, None for all of them."""
    encoding: str | None = None
    """Of texts, as Python names it (``"latin-1"``); None: told from each file."""
    csv: Csv = field(default_factory=Csv)
    nested: Nested = field(default_factory=Nested)
    lines: str | None = None
    """The pattern that every line fits: one of `LINES`, or a regular expression whose named groups
    are the columns. None: what a file is is told from its name."""
    follow: bool = beside(False)
    """They grow: the first run loads what is there; what is appended afterwards, and new files,
    come by the dataset's stream while `octavo up` runs."""

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
        if self.columns is not None:
            object.__setattr__(self, "columns", columns(self.columns, where="Files.columns"))
        instance(self.csv, Csv, where="Files.csv")
        instance(self.follow, bool, where="Files.follow")
        instance(self.nested, Nested, where="Files.nested")
        instance(self.lines, (str, type(None)), where="Files.lines")
        if self.lines is not None:
            line_pattern(self.lines, where="Files.lines")
        if self.encoding is not None:
            _check_encoding(self.encoding)


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


@dataclass(frozen=True, eq=False)
class Check(Declaration):
    """A condition every row should meet; a null result counts as met.

    ``reject`` keeps a failing row out of the raw store, in the rejected table; ``flag`` lets it
    in and counts it; ``stop`` refuses the batch if more than ``tolerate`` of its rows fail.
    """

    name: str
    condition: pl.Expr
    severity: Literal["reject", "flag", "stop"] = "reject"
    tolerate: float = 0.0
    """For ``stop``: the share of failing rows (a fraction) that is let through, each rejected."""

    def __post_init__(self) -> None:
        where = f"Check {self.name!r}"
        check_row_expression(self.condition, where=where)
        one_of(self.severity, ("reject", "flag", "stop"), where=f"{where}.severity")
        instance(self.tolerate, (int, float), where=f"{where}.tolerate")
        if not 0 <= self.tolerate < 1:
            raise DefinitionError(
                f"tolerate={self.tolerate} is not a fraction.", where=where, fix="Use 0 … 1."
            )


@dataclass(frozen=True, eq=False)
class Dataset(Declaration):
    """A source of events (or of static facts) with a pipeline of its own.

    Raises
    ------
    DefinitionError
        If a name or an expression cannot be used.
    """

    name: str
    offline: Files | Sql | None = None
    """Where it is loaded from; None: it comes by its stream alone."""
    event_id: str | Sequence[str] | None = None
    """The columns that identify an event; None: every row is an event of its own."""
    event_time: str | pl.Expr | None = None
    """When it happened: a column or an expression giving a datetime. None: a static dataset,
    whose facts hold from the beginning of time."""
    available: Duration | pl.Expr | None = None
    """When it could be known: a duration after the event, or an expression giving a datetime.
    None: at the event time."""
    where: pl.Expr | None = None
    """Which rows of the source are events of this dataset; the others stay in the raw store."""
    columns: Mapping[str, pl.Expr] = field(default_factory=dict)
    """Computed columns, each from its own row; a later one may use an earlier one."""
    treat: Sequence[Treatment] = ()
    """What becomes of faulty values, in this order, before all else is computed. The raw store
    keeps what was received."""
    checks: Sequence[Check] = ()
    description: str = meaningless()
    schedule: Schedule | None = beside(None)
    """When it is ingested; None: whenever another dataset is."""
    online: Stream | None = None
    """The stream it comes by, while `octavo up` runs; None: it is loaded alone."""

    def __post_init__(self) -> None:
        check_name(self.name, where="Dataset.name")
        where = f"Dataset {self.name!r}"
        self._check_sources(where)
        ids = columns(self.event_id or (), where=f"{where}.event_id")
        if isinstance(self.offline, Sql) and self.offline.overlap is not None and not ids:
            raise DefinitionError(
                "an overlap reads rows again, and no event_id tells which these are.",
                where=f"{where}.offline",
                fix="Declare event_id, or leave overlap out.",
            )
        object.__setattr__(self, "event_id", ids)
        checks = listed(self.checks, Check, where=f"{where}.checks")
        object.__setattr__(self, "checks", checks)
        treat = listed(self.treat, Treatment, where=f"{where}.treat")
        object.__setattr__(self, "treat", treat)
        check_schedule(self.schedule, where=f"{where}.schedule", on=(DATA,))
        self._check_watched(where)
        instance(self.columns, Mapping, where=f"{where}.columns")
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        unique((c.name for c in self.checks), kind="check", where=where)
        self._check_expressions(where)
        if self.event_time is None and self.available is not None:
            raise DefinitionError(
                "a dataset without event_time cannot have available.",
                where=where,
                fix="Declare event_time, or leave available out.",
            )

    def _check_watched(self, where: str) -> None:
        """Refuse a schedule of what comes by itself, or waiting for what cannot be seen to come."""
        if self.schedule is None:
            return
        if self.offline is None:
            raise DefinitionError(
                "it comes by its stream, as it is sent.",
                where=f"{where}.schedule",
                fix="Take out the schedule.",
            )
        if self.schedule.on == DATA and isinstance(self.offline, Sql):
            raise DefinitionError(
                "a database does not tell whether anything is new: it has to be asked.",
                where=f"{where}.schedule",
                fix='Say how often: ov.Schedule(every="10m").',
            )

    def _check_sources(self, where: str) -> None:
        if self.offline is not None:
            instance(self.offline, (Files, Sql), where=f"{where}.offline")
        if self.online is not None:
            instance(self.online, Stream, where=f"{where}.online")
        if self.offline is None and self.online is None:
            raise DefinitionError(
                "it comes from nowhere.",
                where=where,
                fix='Give it files, ov.Files("data/*.csv"), or online=ov.Stream().',
            )
        if self.is_followed and self.online is None:
            raise DefinitionError(
                "its files are followed, and what is appended to them comes by no stream.",
                where=where,
                fix="Add online=ov.Stream(), or take out follow=True.",
            )
        if self.offline is None or self.online is None:
            return
        if self.offline.nested.rows is not None:
            raise DefinitionError(
                "a row that is sent would become several.",
                where=f"{where}.online",
                fix="Take out Nested(rows=…), or online=….",
            )
        plain = Stream()
        for each in ("columns", "types", "nested", "renamed"):
            if getattr(self.online, each) != getattr(plain, each):
                raise DefinitionError(
                    f"{each} is given of the stream, and the dataset is loaded too.",
                    where=f"{where}.online",
                    fix="Give it of what it is loaded from, for both.",
                )

    def _check_expressions(self, where: str) -> None:
        for name in self.kept_as_text:
            given = self.source.types.get(name, pl.String)
            if given not in (pl.String, pl.String()):
                raise DefinitionError(
                    f"a treatment reads {name!r} as text, and its type is declared as {given!r}.",
                    where=where,
                    fix="Leave one of the two out.",
                )
        for name, expression in self.columns.items():
            check_row_expression(expression, where=f"{where}.columns[{name!r}]")
        if self.where is not None:
            check_row_expression(self.where, where=f"{where}.where")
        if not isinstance(self.event_time, str | None):
            check_row_expression(self.event_time, where=f"{where}.event_time")
        if isinstance(self.available, pl.Expr):
            check_row_expression(self.available, where=f"{where}.available")
        elif self.available is not None:
            after = written(self.available, where=f"{where}.available")
            object.__setattr__(self, "available", after)

    @property
    def source(self) -> Files | Sql | Stream:
        """What says how its values are read, wherever they come from."""
        source = self.offline or self.online
        assert source is not None, "one of the two was asked for"
        return source

    @property
    def is_followed(self) -> bool:
        """Whether it has files that grow."""
        return isinstance(self.offline, Files) and self.offline.follow

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that identify an event; none where every row is one of its own."""
        return tuple(self.event_id or ())

    @property
    def is_static(self) -> bool:
        """Whether its facts have no time of their own."""
        return self.event_time is None

    @property
    def kept_as_text(self) -> tuple[str, ...]:
        """The columns that come into the raw store as text, since a treatment reads them."""
        read = dict.fromkeys(each.column for each in self.treat if each.reads_text)
        renamed = (given for given, name in self.source.renamed.items() if name in read)
        return (*read, *renamed)

    @property
    def time_expression(self) -> pl.Expr:
        """The event time as an expression (the epoch, for a static dataset)."""
        if self.event_time is None:
            return pl.lit(0, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
        return pl.col(self.event_time) if isinstance(self.event_time, str) else self.event_time

    @property
    def available_expression(self) -> pl.Expr:
        """When a row could be known, as an expression over its columns."""
        if isinstance(self.available, pl.Expr):
            return self.available
        if self.available is None:
            return self.time_expression
        after = microseconds(self.available, where=f"Dataset {self.name!r}.available")
        return self.time_expression + pl.duration(microseconds=after)

    @cached_property
    def events_fingerprint(self) -> str:
        """Fingerprint of what its events are: stamps, which rows, computed and treated columns."""
        renamed = [self.source.renamed] if self.source.renamed else []
        found = [self.stamps_fingerprint, self.where, self.columns, *self.treat, *renamed]
        return fingerprint(found)

    @cached_property
    def stamps_fingerprint(self) -> str:
        """Fingerprint of what is stamped on raw rows: identity, times, and which are events."""
        stamps = [self.time_expression, self.available_expression]
        stamps += [] if self.where is None else [self.where]
        used = self.reach([*self.identity, *(n for e in stamps for n in e.meta.root_names())])
        needed = {name: self.columns[name] for name in sorted(used & self.columns.keys())}
        treated = self.treat if any(each.column in used for each in self.treat) else ()
        found = [self.name, self.event_id, stamps, needed, *treated]
        return fingerprint(found)

    def reach(self, names: Iterable[str]) -> set[str]:
        """Return some columns with all those that they are computed from."""
        used: set[str] = set()
        open_names = [*names]
        while open_names:
            name = open_names.pop()
            if name not in used:
                used.add(name)
                if name in self.columns:
                    open_names += self.columns[name].meta.root_names()
        return used

    def read_for(self, names: Iterable[str]) -> set[str]:
        """Return what must be read, treated and computed for some columns to be as all of it."""
        used = self.reach(names)
        while True:
            treated = [each.expression for each in self.treat if each.column in used]
            more = used | self.reach(n for each in treated for n in each.meta.root_names())
            if more == used:
                return used | {given for given, name in self.source.renamed.items() if name in used}
            used = more
