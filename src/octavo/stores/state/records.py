"""The two records of a state beside its observations: what it is of, and how far it has come.

This module knows nothing of chunks, and nothing of how transactions are made.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from octavo.errors import DataError, DefinitionError, OctavoError
from octavo.stores.state.chunks import FORMAT, Damaged, checked, verified
from octavo.stores.state.environment import Environment, explained, nothing_at

OBSERVATIONS, RECORDS, OUTBOX, CATEGORIES = b"observations", b"records", b"outbox", b"categories"
TABLES = (OBSERVATIONS, RECORDS, OUTBOX, CATEGORIES)

CATEGORY = struct.Struct(">HQ")
"""Key of a category: lane and hash; its value is the text."""

_IDENTITY, _PROGRESS = b"identity", b"progress"
_PLACE = struct.Struct("<qqq")


class Place(NamedTuple):
    """How far a state has come."""

    known_at: int
    """Knowledge time of the last operation in it, microseconds."""
    position: int
    """Its position among the operations of this time."""
    offset: int
    """How much of the input is in the state; the owner counts it, upwards from 0."""


BEGINNING = Place(-(2**61), -(2**63), 0)
"""The place of a state in which nothing is."""


@dataclass(frozen=True)
class Identity:
    """What a state is of; written once."""

    view: str
    fingerprint: str
    lanes: dict[str, int | None]
    """Name of each lane to how long its observations are kept, microseconds. A lane's number is
    its place among them."""


@dataclass(frozen=True)
class Opened:
    """An open environment, and whose state is in it."""

    environment: Environment
    identity: Identity

    def number(self, lane: str) -> int:
        """Return the number of a lane, or raise a DefinitionError that lists the known ones."""
        if lane not in self.identity.lanes:
            where = f"state of view {self.identity.view!r}"
            raise DefinitionError.unknown("lane", lane, self.identity.lanes, where=where)
        return list(self.identity.lanes).index(lane)

    def explained(self, error: Exception) -> OctavoError:
        """Say in plain words what is wrong."""
        if isinstance(error, Damaged):
            return unusable(f"{error}.", self.environment.path, self.identity.view)
        return explained(error, self.environment.path)


def unusable(what: str, path: Path, view: str) -> DataError:
    """Make the error for a state that must be made again."""
    return DataError(
        what,
        where=f"state of view {view!r}, {path}",
        fix=f"`octavo prep --rebuild {view}` makes it again from the raw store.",
    )


def begin(transaction: lmdb.Transaction, table: Any, identity: Identity) -> None:
    """Write what a state is of, unless that is there."""
    document = {"format": FORMAT, **vars(identity)}
    value = checked(json.dumps(document, ensure_ascii=False).encode())
    transaction.put(_IDENTITY, value, overwrite=False, db=table)


def read_identity(transaction: lmdb.Transaction, table: Any, path: Path, view: str) -> Identity:
    """Return what a state is of.

    Raises
    ------
    DataError
        That is not known yet, damaged, or of another format version.
    """
    value = transaction.get(_IDENTITY, db=table)
    if value is None:
        raise nothing_at(path)
    try:
        document = json.loads(bytes(verified(value)))
    except Damaged as error:
        raise unusable(f"{error}.", path, view) from error
    version = document.pop("format")
    if version != FORMAT:
        raise unusable(
            f"the state is of format version {version}; this Octavo reads {FORMAT}.", path, view
        )
    return Identity(**document)


def read_progress(transaction: lmdb.Transaction, table: Any, lanes: int) -> tuple[Place, list[int]]:
    """Return how far a state has come, and how many observations each lane had too late.

    Raises
    ------
    Damaged
        The record is not as it was written.
    """
    value = transaction.get(_PROGRESS, db=table)
    if value is None:
        return BEGINNING, [0] * lanes
    body = verified(value)
    late = struct.unpack_from(f"<{lanes}q", body, _PLACE.size)
    return Place(*_PLACE.unpack_from(body)), list(late)


def write_progress(
    transaction: lmdb.Transaction, table: Any, place: Place, too_late: list[int]
) -> None:
    """Write how far a state has come."""
    body = _PLACE.pack(*place) + struct.pack(f"<{len(too_late)}q", *too_late)
    transaction.put(_PROGRESS, checked(body), db=table)
