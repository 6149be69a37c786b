"""Stage 3: windows over an entity's past, and the views that keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl

from octavo.definition.aggregates import (
    DECAYED,
    LAGS,
    OF_EVENTS,
    check_aggregate,
    meaning,
)
from octavo.definition.arguments import columns, instance, listed
from octavo.definition.dataset import Dataset
from octavo.definition.durations import Duration, microseconds, spoken, written
from octavo.definition.expressions import check_row_expression
from octavo.definition.fingerprint import BY_NAME, Declaration, beside, fingerprint
from octavo.definition.names import check_name, unique
from octavo.definition.schedule import Schedule, check_schedule
from octavo.errors import DefinitionError

TILED = "tiles"
"""Part of the fingerprints of windows with a resolution, whose meaning changes with it."""

HALFLIVES = 64
"""Longest window of a decayed aggregate: what is older weighs less than 2^-64."""


class WindowFeature(NamedTuple):
    """One column that a window gives, and all that its values depend on besides its view."""

    name: str
    lane: str
    """Fingerprint of the stream of observations."""
    over: int | None
    """Length of the window in microseconds; None reaches back to the beginning."""
    delay: int
    """How long before the query the window ends, in microseconds."""
    aggregate: str
    """A word of `AGGREGATES`, or ``lag`` or ``quantile``."""
    parameter: int = 0
    """The k of a lag, thousandths of a quantile, half-life in microseconds; 0 for the others."""
    resolution: int | None = None
    """Microseconds to whose multiples the window is rounded; None for an exact window."""
    current: bool = True
    """Whether a row that is itself observed sees itself."""


@dataclass(frozen=True, eq=False)
class Window(Declaration):
    """Aggregates of one value over an entity's trailing event time.

    A query at time t sees the observations with event time in ``(t − delay − over, t − delay]``
    that were known before it. Nulls are skipped; an empty window is null, its count 0.
    """

    dataset: Dataset = field(metadata=BY_NAME)
    """Whose events are observed."""
    value: str | pl.Expr | None = None
    """A column of numbers, booleans, text or times, or a row expression; None counts events."""
    over: Duration | Sequence[Duration] | None = None
    """One or more lengths; None reaches back to the beginning (``last`` is an as-of lookup)."""
    take: str | Sequence[str] = ("count",)
    """One or more of `AGGREGATES`; which of them depends on the type of the value."""
    where: pl.Expr | None = None
    """Which events are observed."""
    delay: Duration = "0s"
    """How late the facts are known, when it is the same for all of them."""
    current: bool = True
    """Whether a row that is itself an event of this dataset sees itself."""
    name: str | None = None
    """Stands for the value in the column names; needed with ``where`` or an expression."""
    halflife: Duration | None = None
    """The time in which an observation loses half its weight, for the decayed aggregates."""
    resolution: Duration | None = None
    """Rounds the window's start, and with a delay its end, down to multiples since the epoch."""

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, Dataset):
            raise DefinitionError(
                f"{self.dataset!r} is not a dataset.",
                where="Window",
                fix="Give the ov.Dataset object first: ov.Window(arrivals, …).",
            )
        where = f"Window over {self.dataset.name!r}"
        self._normalise(where)
        for aggregate in self.take:
            check_aggregate(aggregate, where=f"{where}.take")
        self._check_value(where)
        if 0 in self._lengths:
            raise DefinitionError("a window of no length is empty.", where=where, fix='Use "1h".')
        self._check_decay(where)
        self._check_resolution(where)
        if self.dataset.is_static and set(self.over) != {None}:  # type: ignore[arg-type]
            raise DefinitionError(
                "static facts hold from the beginning of time, where no window of a length begins.",
                where=where,
                fix="Leave over= out.",
            )

    def _normalise(self, where: str) -> None:
        """Make lists of single values, and write equal durations equally."""
        single = isinstance(self.over, str) or not isinstance(self.over, Sequence)
        spans: Sequence[Any] = (self.over,) if single else self.over  # type: ignore[assignment]
        over = (None if o is None else written(o, where=f"{where}.over") for o in spans)
        object.__setattr__(self, "over", tuple(over))
        object.__setattr__(self, "delay", written(self.delay, where=f"{where}.delay"))
        for name in ("halflife", "resolution"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, written(given, where=f"{where}.{name}"))
        object.__setattr__(self, "take", columns(self.take, where=f"{where}.take"))
        if not self.over or not self.take:
            raise DefinitionError(
                "over or take is an empty list.",
                where=where,
                fix="Name something, or leave it out.",
            )

    def _check_value(self, where: str) -> None:
        if self.value is None and not set(self.take) <= set(OF_EVENTS):
            raise DefinitionError(
                "without a value only count, since_* and decayed_count can be taken.",
                where=where,
                fix='Name a column: ov.Window(arrivals, "arr_delay", take="mean", …).',
            )
        if (self.where is not None or isinstance(self.value, pl.Expr)) and self.name is None:
            raise DefinitionError(
                "a window with where= or an expression has no name for its columns.",
                where=where,
                fix='Add name="…".',
            )
        if self.name is not None:
            check_name(self.name, where=f"{where}.name")
        if not isinstance(self.value, str | None):
            check_row_expression(self.value, where=f"{where}.value")
        if self.where is not None:
            check_row_expression(self.where, where=f"{where}.where")

    def _check_decay(self, where: str) -> None:
        decayed = [word for word in self.take if word in DECAYED]
        halflife = self._halflife
        if decayed and halflife is None:
            raise DefinitionError(
                f"{decayed[0]} has no half-life.",
                where=f"{where}.halflife",
                fix='Add halflife="1d": the time in which an observation loses half its weight.',
            )
        if halflife is None:
            return
        if not decayed:
            raise DefinitionError(
                "nothing that is taken decays.",
                where=f"{where}.halflife",
                fix=f"Take {', '.join(DECAYED)}, or leave halflife= out.",
            )
        if not halflife:
            raise DefinitionError(
                "a half-life of 0 leaves no weight.", where=f"{where}.halflife", fix='Use "1d".'
            )
        longest = HALFLIVES * halflife - (self._resolution or 0)
        if any(over is None or over > longest for over in self._lengths):
            raise DefinitionError(
                f"a decayed window reaches back {HALFLIVES} half-lives at the most.",
                where=f"{where}.over",
                fix=f"Use {spoken(HALFLIVES * halflife)} or less, resolution included: what is "
                "older has no weight left.",
            )

    def _check_resolution(self, where: str) -> None:
        resolution = self._resolution
        if resolution is None:
            return
        if not resolution:
            raise DefinitionError(
                "a resolution of 0 rounds nothing.",
                where=f"{where}.resolution",
                fix='Use "1h", or leave it out: windows are exact by default.',
            )
        for word in self.take:
            if word in LAGS:
                raise DefinitionError(
                    f"{word} needs observations one by one, which a resolution gives up.",
                    where=f"{where}.take",
                    fix="Take it in a window of its own, without resolution=.",
                )
        for over in self._lengths:
            if over is None:
                raise DefinitionError(
                    "a window that reaches back to the beginning has no start to round.",
                    where=f"{where}.resolution",
                    fix="Give over=, or leave resolution= out.",
                )
            if over % resolution:
                longer = spoken(over + -over % resolution)
                raise DefinitionError(
                    f"{spoken(over)} is not a multiple of the resolution {self.resolution}.",
                    where=f"{where}.over",
                    fix=f"Use {longer}, or a resolution that divides every length.",
                )

    @property
    def _lengths(self) -> list[int | None]:
        given: Sequence[Any] = self.over  # type: ignore[assignment]
        return [None if o is None else microseconds(o, where="Window.over") for o in given]

    @property
    def _halflife(self) -> int | None:
        given = self.halflife
        return None if given is None else microseconds(given, where="Window.halflife")

    @property
    def _resolution(self) -> int | None:
        given = self.resolution
        return None if given is None else microseconds(given, where="Window.resolution")

    @property
    def value_expression(self) -> pl.Expr:
        """The observed value as an expression (1 where events are only counted)."""
        if self.value is None:
            return pl.lit(1.0)
        return pl.col(self.value) if isinstance(self.value, str) else self.value

    @property
    def label(self) -> str:
        """What stands for the value in the column names."""
        return self.name or (self.value if isinstance(self.value, str) else self.dataset.name)

    def features(self, view: str) -> list[WindowFeature]:
        """Return the columns this window gives in a view, in order."""
        delay = microseconds(self.delay, where="Window.delay")
        columns = []
        for over in self._lengths:
            for word in self.take:
                aggregate, number = meaning(word)
                parameter = (self._halflife or 0) if word in DECAYED else number
                parts = [self.label, word]
                parts += [spoken(over)] if over is not None else []
                parts += [f"half{self.halflife}"] if word in DECAYED else []
                parts += ["delay" + spoken(delay)] if delay else []
                name = f"{view}__{'_'.join(parts)}"
                stream = (name, self.lane, over, delay, aggregate, parameter)
                columns.append(WindowFeature(*stream, self._resolution, self.current))
        return columns

    @cached_property
    def lane(self) -> str:
        """Fingerprint of the stream of observations, shared by windows of different lengths."""
        return fingerprint([self.dataset.events_fingerprint, self.value, self.where])


@dataclass(frozen=True, eq=False)
class View(Declaration):
    """The window features of one kind of entity: exactly one key, its own log and state."""

    name: str
    key: str | Sequence[str]
    """The columns that identify the entity, in every dataset the windows read."""
    windows: Sequence[Window] = ()
    on: Mapping[str, str] = field(default_factory=dict)
    """Maps columns of the predicted rows to columns of the key: ``on={"dest": "origin"}``."""
    late: Duration = "7d"
    """How much longer than its longest window the state keeps observations, so that queries and
    updates that come this late are still answered in full."""
    schedule: Schedule | None = beside(None)
    """When it is prepped, and all other views with it: prep brings all to one position. None:
    whenever ingestion has run."""

    def __post_init__(self) -> None:
        check_name(self.name, where="View.name")
        where = f"View {self.name!r}"
        check_schedule(self.schedule, where=f"{where}.schedule")
        if self.name == "rows":
            raise DefinitionError(
                "'rows' is the name of the rows' own features.", where=where, fix="Choose another."
            )
        object.__setattr__(self, "key", columns(self.key, where=f"{where}.key"))
        windows = listed(self.windows, Window, where=f"{where}.windows")
        object.__setattr__(self, "windows", windows)
        instance(self.on, Mapping, where=f"{where}.on")
        object.__setattr__(self, "on", dict(self.on))
        if not self.key or not self.windows:
            raise DefinitionError("a view needs a key and windows.", where=where, fix="Add them.")
        for column in self.on.values():
            if column not in self.key:
                raise DefinitionError.unknown("key column", column, self.key, where=f"{where}.on")
        object.__setattr__(self, "late", written(self.late, where=f"{where}.late"))
        unique((f.name for f in self.features), kind="feature", where=where)

    @property
    def query_key(self) -> list[str]:
        """The columns of the predicted rows that identify the entity, in the key's order."""
        back = {column: asked for asked, column in self.on.items()}
        return [back.get(column, column) for column in self.key]

    @property
    def features(self) -> list[WindowFeature]:
        """All columns of the view, in order."""
        return [feature for window in self.windows for feature in window.features(self.name)]

    def feature_fingerprint(self, feature: WindowFeature) -> str:
        """Return a fingerprint of all that one column's values depend on; not of its name.

        Whether its dataset had been loaded when it was first computed is not a part of it.
        """
        _, *depends_on = feature
        if feature.resolution is not None:
            depends_on.append(TILED)
        return fingerprint([self.key, self.query_key, self.late, *depends_on])

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets it observes, in order."""
        return list(dict.fromkeys(window.dataset.name for window in self.windows))
