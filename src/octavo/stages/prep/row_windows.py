"""A view's windows for one row at a time: the state asked without a frame, by the same kernel.

What `octavo.stages.prep.request_time` does for a frame of rows, for plain values of a few.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import polars as pl

from octavo.definition import View
from octavo.definition.compiled import NotCompiledError, Row, RowExpressions, is_instant, is_integer
from octavo.definition.events import EVENT_TIME
from octavo.stages.prep.asked import Part, Positions, positions_of
from octavo.stages.prep.folding import late
from octavo.stages.prep.lanes import Lane
from octavo.stages.prep.values import Kind
from octavo.stores.state import Snapshot
from octavo.windows import ask, category_bits, hash_one
from octavo.windows.plan import LIMIT

DAY = 86_400_000_000


class ViewRows:
    """The windows of a view.

    Parameters
    ----------
    schema
        Columns of a row, and their Polars types.
    rows
        The dataset that rows are events of.

    Raises
    ------
    NotCompiledError
        The view is left to frames.
    """

    def __init__(
        self, view: View, parts: Sequence[Part], schema: Mapping[str, Any], rows: str
    ) -> None:
        self._view, self._parts = view, parts
        self._late = late(view)
        self._key = _key(view, schema)
        self._lanes = [[_LaneRow(lane, schema, rows) for lane in p.lanes] for p in parts]
        lanes = [lane for part in parts for lane in part.lanes]
        self._is_bounded = any(lane.plan.horizon is not None for lane in lanes)
        self.dtypes = {name: d for lane in lanes for name, d in lane.columns.items()}
        """The columns, and their types."""

    def of(
        self, rows: Sequence[Row], *, check: bool = False
    ) -> tuple[list[dict[str, Any]], Positions]:
        """Return the columns of each row, and what they have seen.

        Parameters
        ----------
        rows
            Events, plain values.
        check
            Compare with Polars, see `RowExpressions.check`.

        Raises
        ------
        NotCompiledError
            A row is older than the state can answer, or left to Polars.
        """
        found: list[dict[str, Any]] = []
        with ExitStack() as opened:
            snapshots = [opened.enter_context(part.store.snapshot()) for part in self._parts]
            places = [snapshot.place for snapshot in snapshots]
            clock = max(place.known_at for place in places)
            if self._is_bounded and min(row[EVENT_TIME] for row in rows) < clock - self._late:
                raise NotCompiledError("it is too long ago")
            for row in rows:
                entity = self._key(row)
                columns = dict.fromkeys(self.dtypes)
                if entity is not None:
                    asked = (entity, row[EVENT_TIME], clock, self._late)
                    for snapshot, lanes in zip(snapshots, self._lanes, strict=True):
                        for lane in lanes:
                            columns |= lane.of(row, snapshot, *asked, check=check)
                found.append(columns)
        return found, positions_of(self._view, self._parts, places)


def _key(view: View, schema: Mapping[str, Any]) -> Callable[[Row], int | None]:
    """Return what gives the hash of a row's key; None if it has none."""
    columns = view.query_key
    for name in columns:
        dtype = schema[name]
        named = dtype in (pl.String, pl.Boolean, pl.Null)
        if not (named or is_integer(dtype) or is_instant(dtype)):
            raise NotCompiledError(f"a key of {dtype}")

    def key(row: Row) -> int | None:
        parts = [row[name] for name in columns]
        return None if None in parts else hash_one(*parts)

    return key


class _LaneRow:
    """One lane of a view."""

    def __init__(self, lane: Lane, schema: Mapping[str, Any], rows: str) -> None:
        self._lane = lane
        self._names = list(lane.columns)
        self._is_tiled = lane.plan.tiles is not None
        self._are_floats = [dtype == pl.Float64 for dtype in lane.columns.values()]
        self._own: RowExpressions | None = None
        window = lane.window
        if window.dataset.name == rows:
            where = pl.lit(True) if window.where is None else window.where
            given = [window.value_expression.alias("value"), where.alias("where")]
            self._own = RowExpressions(given, schema)
            self._to_float = _to_float(lane.kind, self._own.dtypes["value"])

    def of(
        self,
        row: Row,
        snapshot: Snapshot,
        entity: int,
        event_time: int,
        clock: int,
        late: int,
        *,
        check: bool,
    ) -> dict[str, Any]:
        """Return the lane's columns for one row."""
        lane, reach = self._lane, self._lane.plan.horizon
        after = -LIMIT if reach is None else event_time - reach
        own = self._value(row, check)
        given = math.nan if own is None else self._to_float(own)
        if self._is_tiled:
            past = snapshot.observations_of(lane.name, np.array([entity], np.uint64), after)
            held, tiles = (past.times, past.values), (past.tiles,)
        else:
            held, tiles = snapshot.history(lane.name, entity, after), ()
        floats = ask(*held, lane.plan, event_time, clock, late, given, *tiles).tolist()
        values = [None if x != x else x for x in floats]
        if not all(self._are_floats):
            values = self._meant(snapshot, values, given, own)
        return dict(zip(self._names, values, strict=True))

    def _value(self, row: Row, check: bool) -> Any:
        """Return what the row itself adds, None for nothing."""
        if self._own is None:
            return None
        if check:
            self._own.check([row])
        (found,) = self._own.of_rows([row])
        return found["value"] if found["where"] else None

    def _meant(
        self, snapshot: Snapshot, values: Sequence[float | None], given: float, own: Any
    ) -> list[Any]:
        """Return what stands behind values that are times or texts."""
        pairs = list(zip(values, self._are_floats, strict=True))
        if self._lane.kind is Kind.TIMES:
            return [x if plain or x is None else int(x) for x, plain in pairs]
        hashes = np.array(
            [_bits(x) for x, plain in pairs if not plain and x is not None], np.uint64
        )
        texts = snapshot.categories(self._lane.name, hashes)
        if own is not None:
            texts[_bits(given)] = own
        return [x if plain or x is None else texts.get(_bits(x)) for x, plain in pairs]


def _to_float(kind: Kind, dtype: Any) -> Callable[[Any], float]:
    """Return what makes of a plain value what the kernel takes."""
    if kind is Kind.NUMBERS and (is_integer(dtype) or dtype in (pl.Float64, pl.Boolean, pl.Null)):
        return float
    if kind is Kind.TEXTS and dtype in (pl.String, pl.Null):
        return lambda text: float(category_bits(np.array([hash_one(text)], np.uint64))[0])
    if kind is Kind.TIMES and dtype == pl.Date:
        return lambda day: float(day * DAY)
    if kind is Kind.TIMES and (is_instant(dtype) or dtype == pl.Null):
        return float
    raise NotCompiledError(f"{dtype} in a lane of {kind}")


def _bits(x: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", x))[0]
