"""Events as a chain: each has a hash of itself and of the one before, so that none changes unseen.

Whoever changes an event, takes one out, adds one between or changes their order breaks it. Who
writes all that follow anew does not: against that helps a head that is kept elsewhere. Source:
Haber and Stornetta, How to Time-Stamp a Digital Document (1991).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

import sqlalchemy as sa

from octavo.errors import DataError, DefinitionError
from octavo.stores.catalog import schema

COLUMNS = ("run_id", "kind", "subject", "severity", "document", "at", "actor")
"""What is hashed of an event."""
FIX = "Compare with a copy of the catalog, and see who can write to its file."
"""What to do where something was changed."""


class Head(NamedTuple):
    """The end of a chain: how many events it has, and the hash of the last."""

    length: int
    hash: str

    def __str__(self) -> str:
        """Return it as `of` reads it."""
        return f"{self.length}:{self.hash}"

    @classmethod
    def of(cls, text: str, *, where: str) -> Self:
        """Read what was printed.

        Raises
        ------
        DefinitionError
            If it is none.
        """
        length, _, hash_ = text.partition(":")
        if not length.isdecimal() or len(hash_) != 64:
            raise DefinitionError(
                f"{text!r} is no head of the log.",
                where=where,
                fix="Give it as `octavo audit verify` printed it.",
            )
        return cls(int(length), hash_)


def linked(before: str, event: Mapping[str, Any]) -> str:
    """Return the hash of an event that comes after one with another hash; "": it is the first."""
    own = json.loads(json.dumps([event[name] for name in COLUMNS]))  # as it will be read again
    text = json.dumps([before, *own], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


_CHAIN = schema.chain
_LONGER = _CHAIN.update().values(length=_CHAIN.c.length + 1).returning(_CHAIN.c.hash)
_ENDED = _CHAIN.update().values(hash=sa.bindparam("told"))
_ADDED = schema.events.insert()


def extend(connection: sa.Connection, event: Mapping[str, Any]) -> None:
    """Add an event at the end.

    Raises
    ------
    DataError
        If somebody took the end away.
    """
    # Written before it is read: so nobody else extends it before this is committed.
    before = connection.scalar(_LONGER)
    if before is None:
        raise _unlike("its end is missing.")
    hash_ = linked(before, event)
    connection.execute(_ENDED, {"told": hash_})
    connection.execute(_ADDED, {**event, "hash": hash_})


def verified(connection: sa.Connection, kept: Head | None = None) -> Head:
    """Return the end of the chain, having looked at all of it.

    Parameters
    ----------
    kept
        An end that was kept elsewhere: the chain must have come by there.

    Raises
    ------
    DataError
        Naming the first event at which something was changed.
    """
    head, last, passed = Head(0, ""), 0, {Head(0, "")}
    while True:
        events = _events(connection, last)
        for event in events:
            head, last = _next(head, event), event["id"]
            if kept is not None and head.length == kept.length:
                passed.add(head)
        known = _end(connection)
        if head == known:
            break
        if not events and not _events(connection, last):  # or else more were written meanwhile
            raise _unlike(f"it has {head.length:,} events, and {known.length:,} were written.")
    if kept is not None and kept not in passed:
        told = f"{kept.length}:{kept.hash[:12]}…"
        raise _unlike(f"it does not come by {told}: its end was cut off, or it was written anew.")
    return head


def _events(connection: sa.Connection, after: int) -> list[dict[str, Any]]:
    """Return a thousand events after one: read one by one, nobody could write meanwhile."""
    table = schema.events
    query = sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(1000)
    try:
        return [dict(row) for row in connection.execute(query).mappings()]
    except ValueError as error:  # a document that is no JSON
        raise _unlike(f"one of the thousand events after ID {after} cannot be read.") from error


def _next(head: Head, event: Mapping[str, Any]) -> Head:
    """Return the head after another event, which has to have the hash that it should have."""
    try:
        found = Head(head.length + 1, linked(head.hash, event))
    except (TypeError, ValueError) as error:  # nobody could have written it
        raise _broken(head.length + 1, event) from error
    if found.hash != event["hash"]:
        raise _broken(found.length, event)
    return found


def _end(connection: sa.Connection) -> Head:
    rows = connection.execute(sa.select(schema.chain.c.length, schema.chain.c.hash)).all()
    if len(rows) != 1:
        raise _unlike("its end is missing.")
    return Head(*rows[0])


def _broken(number: int, event: Mapping[str, Any]) -> DataError:
    try:
        at = f"{datetime.fromtimestamp(event['at'] / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        at = str(event["at"])
    return DataError(
        f"it is not what was written, or is not where it was: {event['kind']} "
        f"{event['subject']!r} of {at}.",
        where=f"event log, event {number:,}",
        fix=FIX,
    )


def _unlike(what: str) -> DataError:
    return DataError(what, where="event log", fix=FIX)
