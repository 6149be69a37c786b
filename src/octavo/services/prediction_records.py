"""Prediction records in few bytes, and as rows of the prediction table.

`packed` is made while a client waits, and costs about a microsecond; `unpacked` is made of many at
once, in another process. A record is what MessagePack makes of a tuple; what all records of one
deployment share is their `Context`, which is written once before them, and named by its hash.

It knows nothing of files, streams or tables.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import xxhash
from polars.exceptions import PolarsError

from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.stores.predictions import SCHEMA, as_json

_UNITS = ("ms", "us", "ns")
_TYPES: dict[str, Any] = {
    str(each): each
    for each in (
        *(pl.Boolean(), pl.Date(), pl.Time(), pl.Float32(), pl.Float64(), pl.String()),
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64()),
        *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
        *(pl.Datetime(unit, zone) for unit in _UNITS for zone in (None, "UTC")),
        *(pl.Duration(unit) for unit in _UNITS),
    )
}
_PLAIN = (
    (pl.Boolean, bool),
    (pl.Date, datetime.date),
    (pl.Time, datetime.time),
    (pl.Datetime, datetime.datetime),
    (pl.Duration, datetime.timedelta),
    (pl.String, str),
)

Parts = tuple[int | None, int | None, int | None]
"""Microseconds; None: not measured."""
Positions = Mapping[str, tuple[int, int]]
"""How far in the log each view's state had come, known_at in microseconds and position."""


@dataclass(frozen=True)
class Context:
    """What the records of one deployment share."""

    deployment_id: str
    candidate_id: str
    variant: str
    origin: str
    schema: Mapping[str, Any]
    """The features as served, in their order: name to Polars type."""
    entities: Mapping[str, Any]
    """The columns of the key, in their order: name to Polars type."""
    outputs: Sequence[str]
    """What was predicted: the target, or the classes."""
    decision: str | None = None
    """What the answer of yes or no is called, if there is one."""

    @cached_property
    def head(self) -> bytes:
        """What is written before the records, as JSON."""
        return msgspec.json.encode(
            [
                self.deployment_id,
                self.candidate_id,
                self.variant,
                self.origin,
                {name: str(dtype) for name, dtype in self.schema.items()},
                {name: str(dtype) for name, dtype in self.entities.items()},
                list(self.outputs),
                self.decision,
            ]
        )

    @cached_property
    def mark(self) -> int:
        """Its hash, which records name."""
        return xxhash.xxh3_64_intdigest(self.head)

    @classmethod
    def read(cls, head: bytes | memoryview) -> "Context":
        """Return the context that a head was written for."""
        deployment, candidate, variant, origin, *more = msgspec.json.decode(head)
        schema, entities, outputs, decision = more
        types = known_types(schema), known_types(entities)
        return cls(deployment, candidate, variant, origin, *types, outputs, decision)


class Answered(NamedTuple):
    """Predictions that were answered together: one request, or rows that met in a batch.

    In each sequence there is one for each row.
    """

    event_ids: Sequence[str | None]
    event_times: Sequence[int | None]
    """Microseconds since the epoch."""
    outputs: np.ndarray
    """float64, shape (rows,), or (rows, classes)."""
    features: np.ndarray | Sequence[Sequence[Any]] | None
    """As served, in the order of `Context.schema`: float64, shape (rows, features), NaN where there
    is none; or plain values. None: they are not kept."""
    entities: Sequence[Sequence[Any]] | None
    """Values of the key, in the order of `Context.entities`."""
    positions: Positions
    at: int
    """When it was answered, microseconds since the epoch."""
    latency_us: int | None = None
    """Time the prediction took, in microseconds; None: rows that nobody waited for."""
    parts: Parts | None = None
    """Of that: decoding, features, model."""
    decisions: Sequence[bool] | None = None
    """The answers of yes or no."""
    flags: Sequence[Sequence[str] | None] | None = None
    """What was found about the row."""

    def part(self, first: int, end: int) -> "Answered":
        """Return some of the rows."""

        def some(values: Any) -> Any:
            return None if values is None else values[first:end]

        return self._replace(
            event_ids=some(self.event_ids),
            event_times=some(self.event_times),
            outputs=some(self.outputs),
            features=some(self.features),
            entities=some(self.entities),
            decisions=some(self.decisions),
            flags=some(self.flags),
        )


class _Packed(msgspec.Struct, array_like=True):
    writer: str
    number: int
    mark: int
    event_ids: list[str | None]
    event_times: list[int | None]
    outputs: bytes
    features: msgspec.Raw
    entities: msgspec.Raw
    positions: msgspec.Raw
    at: int
    latency_us: int | None
    parts: Parts | None
    decisions: list[bool] | None
    flags: list[list[str] | None] | None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Packed)


def packed(writer: str, number: int, mark: int, answered: Answered) -> bytes:
    """Return records in few bytes.

    Parameters
    ----------
    writer, number
        Name the predictions: no two calls have the same.
    mark
        That of their `Context`.
    """
    features = answered.features
    found = (
        writer,
        number,
        mark,
        answered.event_ids,
        answered.event_times,
        answered.outputs.tobytes(),
        features.tobytes() if isinstance(features, np.ndarray) else features,
        *answered[4:],
    )
    return _ENCODER.encode(found)


def size_of(values: Any) -> int:
    """Return the bytes that plain values take."""
    return len(_ENCODER.encode(values))


def unpacked(
    records: Iterable[bytes | memoryview], contexts: Mapping[int, Context]
) -> pl.DataFrame:
    """Return records as rows of the prediction table, in no order."""
    groups: dict[tuple[int, str], list[_Packed]] = {}
    for record in records:
        found = _DECODER.decode(record)
        kind = _kind(memoryview(found.features)[0])
        groups.setdefault((found.mark, kind), []).append(found)
    frames = [_rows(contexts[mark], kind, group) for (mark, kind), group in groups.items()]
    return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)


def _kind(first: int) -> str:
    """Return how features were packed, by the first byte of what they were packed as."""
    if first == 0xC0:
        return "none"
    return "floats" if 0xC4 <= first <= 0xC6 else "values"


def _rows(context: Context, kind: str, records: Sequence[_Packed]) -> pl.DataFrame:
    """Return the rows of records of one context, whose features were packed in the same way."""
    counts = [len(each.event_ids) for each in records]
    of = pl.Series(np.repeat(np.arange(len(records)), counts))
    found = np.concatenate([np.frombuffer(each.outputs) for each in records])
    found = found.reshape(-1, len(context.outputs))
    parts = [each.parts or (None, None, None) for each in records]
    calls = pl.DataFrame(
        {
            "call": [f"{each.writer}-{each.number:x}" for each in records],
            "positions": [_text_of_positions(bytes(each.positions)) for each in records],
            "at": pl.Series([each.at for each in records], dtype=pl.Int64).cast(TIMESTAMP),
            "latency_us": [each.latency_us for each in records],
            "decode_us": [each[0] for each in parts],
            "features_us": [each[1] for each in parts],
            "model_us": [each[2] for each in parts],
        },
        schema_overrides=dict.fromkeys(
            ("latency_us", "decode_us", "features_us", "model_us"), pl.Int64
        ),
    )[of]
    numbers = np.concatenate([np.arange(count) for count in counts])
    times = [time for each in records for time in each.event_times]
    own = {
        "prediction_id": calls["call"] + ":" + pl.Series(numbers).cast(pl.String),
        EVENT_ID: pl.Series([id_ for each in records for id_ in each.event_ids], dtype=pl.String),
        EVENT_TIME: pl.Series(times, dtype=pl.Int64).cast(TIMESTAMP),
        "prediction": found.max(axis=1),
        "outputs": _outputs(context, found, records),
        "features": _features(context, kind, records, found.shape[0]),
        "entities": _entities(context, records),
        "flags": _flags(records, counts),
    }
    same = {
        "deployment_id": context.deployment_id,
        "candidate_id": context.candidate_id,
        "variant": context.variant,
        "origin": context.origin,
    }
    return (
        calls.drop("call")
        .with_columns(pl.Series(name, values) for name, values in own.items())
        .with_columns(pl.lit(value).alias(name) for name, value in same.items())
        .select(list(SCHEMA))
    )


def _outputs(context: Context, found: np.ndarray, records: Sequence[_Packed]) -> pl.Series:
    columns: dict[str, Any] = {name: found[:, i] for i, name in enumerate(context.outputs)}
    if context.decision is not None:
        columns[context.decision] = [yes for each in records for yes in each.decisions or ()]
    return _json(pl.DataFrame(columns))


def _features(context: Context, kind: str, records: Sequence[_Packed], rows: int) -> pl.Series:
    if kind == "none":
        return pl.repeat(None, rows, dtype=pl.String, eager=True)
    if kind == "floats":
        values = [msgspec.msgpack.decode(each.features, type=bytes) for each in records]
        matrix = np.frombuffer(b"".join(values)).reshape(rows, len(context.schema))
        frame = pl.DataFrame(matrix, schema=list(context.schema)).fill_nan(None)
        return _json(frame.cast(_of_numbers(context.schema), strict=False))  # type: ignore[arg-type]
    return _of_values(context.schema, [each.features for each in records])


def _entities(context: Context, records: Sequence[_Packed]) -> pl.Series:
    if not context.entities:
        return pl.repeat("{}", sum(len(e.event_ids) for e in records), dtype=pl.String, eager=True)
    return _of_values(context.entities, [each.entities for each in records])


def _of_values(schema: Mapping[str, Any], packed: Sequence[msgspec.Raw]) -> pl.Series:
    """Return rows of plain values as JSON objects; a row that was not kept is null."""
    try:
        decode = _decoder(tuple(map(_plain, schema.values())))
        rows = [row for each in packed for row in decode(each)]
        nothing = (None,) * len(schema)
        filled = [nothing if row is None else row for row in rows]
        found = _json(pl.DataFrame(filled, schema=dict(schema), orient="row"))
    except (msgspec.ValidationError, PolarsError, TypeError, OverflowError):
        return _as_they_are(schema, packed)
    kept = pl.Series([row is not None for row in rows], dtype=pl.Boolean)
    return pl.select(pl.when(kept).then(found)).to_series()


def _as_they_are(schema: Mapping[str, Any], packed: Sequence[msgspec.Raw]) -> pl.Series:
    """Return rows whose values are not of the types that were said, as JSON objects."""
    rows = [row for each in packed for row in msgspec.msgpack.decode(each)]
    texts = [None if row is None else as_json(dict(zip(schema, row, strict=False))) for row in rows]
    return pl.Series(texts, dtype=pl.String)


@lru_cache
def _decoder(types: tuple[Any, ...]) -> Callable[[Any], list[Any]]:
    row = tuple[tuple(each | None for each in types)]  # type: ignore[misc]
    return msgspec.msgpack.Decoder(list[row | None]).decode


def known_types(types: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Return the types that are printed as these texts; what has another one is text."""
    return {name: _TYPES.get(text, pl.String()) for name, text in types.items()}


def _of_numbers(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of columns that are no floats, wide enough for what was sent."""
    whole = {name: pl.Int64() for name, dtype in schema.items() if dtype.is_integer()}
    yes = {name: dtype for name, dtype in schema.items() if dtype == pl.Boolean}
    return whole | yes


def _plain(dtype: pl.DataType) -> Any:
    for kind, plain in _PLAIN:
        if isinstance(dtype, kind):
            return plain
    return int if dtype.is_integer() else float


def _flags(records: Sequence[_Packed], counts: Sequence[int]) -> pl.Series:
    found = [
        flags and as_json(flags)
        for each, count in zip(records, counts, strict=True)
        for flags in each.flags or [None] * count
    ]
    return pl.Series([text or None for text in found], dtype=pl.String)


def _json(frame: pl.DataFrame) -> pl.Series:
    return frame.to_struct().struct.json_encode()


@lru_cache(1024)
def _text_of_positions(packed: bytes) -> str:
    return as_json(msgspec.msgpack.decode(packed))
