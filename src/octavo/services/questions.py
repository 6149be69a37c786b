"""What can be asked for with JSON besides events: entities at a time, and that events be kept.

It knows nothing of wires, nor of who answers.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from octavo.errors import DataError
from octavo.services.requests import Asked, EventDecoder
from octavo.stores import catalog as tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = (b'"entities"', b'"ingest"')


class Question(NamedTuple):
    """What a request asks for."""

    asked: Asked
    """Its rows: events, or what is given of entities."""
    at: int | None = None
    """Of entities, the time they are asked for, microseconds since the epoch; None: events."""
    given: Collection[str] = ()
    """Of entities, the columns that are given."""
    ingest: bytes | None = None
    """Of events that are to be kept, these as they came, a JSON array."""


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    events: list[dict[str, msgspec.Raw]] | msgspec.UnsetType = msgspec.UNSET
    entities: list[dict[str, msgspec.Raw]] | msgspec.UnsetType = msgspec.UNSET
    at: datetime | msgspec.UnsetType = msgspec.UNSET
    ingest: bool = False
    wait_for: msgspec.Raw = msgspec.Raw(b"[]")


_DECODER = msgspec.json.Decoder(_Body)


def question(decoder: EventDecoder, body: bytes) -> Question:
    """Read ``{"events": […], "ingest": true}`` or ``{"entities": [{key: value}, …], "at": …}``.

    Parameters
    ----------
    decoder
        Reads the rows; it alone is asked where there are plain events, as there are mostly.

    Raises
    ------
    DataError
        Naming field and reason.
    """
    if not any(word in body for word in _WORDS):
        return Question(decoder.decode(body))
    try:
        found = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{error}.".replace("..", "."), where="request body") from error
    events, entities = found.events, found.entities
    if not isinstance(entities, list):
        if not isinstance(events, list) or found.at is not msgspec.UNSET:
            raise DataError("it needs events, or entities and at.", where="request body")
        ingest = msgspec.json.encode(events) if found.ingest else None
        return Question(_rows(decoder, events, found.wait_for), ingest=ingest)
    if isinstance(events, list) or found.ingest:
        raise DataError(
            "entities are no events.", where="request body", fix="Send one of the two; keep events."
        )
    at = tables.now() if not isinstance(found.at, datetime) else _microseconds(found.at)
    given = {name for entity in entities for name in entity}
    return Question(_rows(decoder, entities, found.wait_for), at, given)


def _rows(
    decoder: EventDecoder, rows: list[dict[str, msgspec.Raw]], wait_for: msgspec.Raw
) -> Asked:
    return decoder.decode(msgspec.json.encode({"events": rows, "wait_for": wait_for}))


def _microseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
