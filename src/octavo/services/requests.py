"""Decoding events that come one at a time, typed as the raw store types them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import msgspec
import polars as pl

from octavo.definition import Nested
from octavo.errors import DataError
from octavo.stages.ingestion.nesting import Record, columns_of, length_of, rows_of, too_deep


class Mark(msgspec.Struct, forbid_unknown_fields=True):
    """Rows that were sent, as the answer to sending them names them."""

    dataset: str
    partition: int
    offset: int
    rows: int = 1
    topic: str = ""
    repeated: bool = False


class Asked(NamedTuple):
    """What a request asks for."""

    events: Sequence[Any]
    wait_for: Sequence[Mark]
    """What its features must have seen."""


_WAIT_FOR = ("wait_for", Mark | list[Mark], msgspec.field(default_factory=list))
_RAW = msgspec.json.Decoder(
    msgspec.defstruct(
        "Raw", [("events", list[dict[str, msgspec.Raw]]), _WAIT_FOR], forbid_unknown_fields=True
    )
)
_UNSENT = re.compile(r'["\\\x00-\x1f]')


def _python_type(dtype: Any) -> Any:
    if dtype == pl.Int64:
        return int
    if dtype == pl.Float64:
        return float
    if dtype == pl.Boolean:
        return bool
    if dtype == pl.Date:
        return date
    return datetime if isinstance(dtype, pl.Datetime) else str


class EventDecoder:
    """JSON to frames of events of one dataset.

    A missing column is null; an unknown one, or a value of another type, is an error that names
    the column. Datetimes are ISO 8601; without an offset they are UTC, as in files. A column whose
    name holds a quote, a backslash or a control character cannot be sent, and is null.

    Parameters
    ----------
    schema
        Column to Polars type.
    nested
        How objects and lists become columns; each event is one row.
    """

    def __init__(self, schema: Mapping[str, Any], nested: Nested | None = None) -> None:
        self.schema = dict(schema)
        self._nested = replace(nested or Nested(), rows=None)
        names = {f"c{i}": name for i, name in enumerate(schema) if not _UNSENT.search(name)}
        event = msgspec.defstruct(
            "Event",
            [(field, _python_type(schema[name]) | None, None) for field, name in names.items()],
            rename=names,
            forbid_unknown_fields=True,
        )
        request = msgspec.defstruct(
            "Request", [("events", list[event]), _WAIT_FOR], forbid_unknown_fields=True
        )
        self._decoder = msgspec.json.Decoder(request)
        fields = {name: field for field, name in names.items()}
        self._fields = [fields.get(name) for name in schema]

    def decode(self, body: bytes) -> Asked:
        """Return what ``{"events": [{column: value, …}, …], "wait_for": […]}`` asks for.

        Raises
        ------
        DataError
            Naming field and reason.
        """
        try:
            asked = self._decoded(body)
        except RecursionError as error:
            raise too_deep() from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(
                f"{error}.".replace("..", "."),
                where="request body",
                fix='Send {"events": [{"column": value, …}]}; columns: ' + ", ".join(self.schema),
            ) from error
        if not asked.events:
            raise DataError("there is no event.", where="events", fix="Send at least one.")
        marks = asked.wait_for
        return Asked(asked.events, [marks] if isinstance(marks, Mark) else marks)

    def _decoded(self, body: bytes) -> Any:
        """Decode events whose values are plain, or else flatten them before."""
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError:
            raw: Any = _RAW.decode(body)
            flat = [self._flat(event) for event in raw.events]
            asked = {"events": flat, "wait_for": raw.wait_for}
            return self._decoder.decode(msgspec.json.encode(asked))

    def _flat(self, event: Record) -> Record:
        """Return an event's columns; lists, and objects kept whole, are texts.

        The length of a list that was none before is no column of the dataset, and left out.
        """
        (found,) = rows_of(event, self._nested)
        valued = {name for name, value in found.items() if bytes(value) != b"null"}
        lengths = {length_of(name, self._nested) for name in found} - self.schema.keys()
        return {
            name: bytes(found[name]).decode()
            if memoryview(found[name])[0] in b"[{"
            else msgspec.Raw(found[name])
            for name in columns_of(found, valued, self.schema, self._nested)
            if name not in lengths
        }

    def values(self, event: Any) -> tuple[Any, ...]:
        """Return the values of a decoded event, in the order of the schema."""
        return tuple(None if field is None else getattr(event, field) for field in self._fields)

    def frame(self, events: Sequence[Any]) -> pl.DataFrame:
        """Return decoded events as a typed frame, a row each."""
        columns = {}
        for number, (name, dtype) in enumerate(self.schema.items()):
            values = [getattr(event, f"c{number}", None) for event in events]
            if isinstance(dtype, pl.Datetime):
                values = [_utc(value) for value in values]
            try:
                columns[name] = pl.Series(name, values, dtype=dtype)
            except (OverflowError, TypeError) as error:
                raise DataError(
                    f"{error}.", where=f"column {name!r}", fix=f"Send values of {dtype}."
                ) from error
        return pl.DataFrame(columns)


def _utc(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is None:
        return value if value is None else value.replace(tzinfo=UTC)
    return value.astimezone(UTC)
