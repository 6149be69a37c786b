"""The two records of a state beside its observations: what it is of, and how far it has come.

This module knows nothing of chunks, and nothing of how transactions are made.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from octavo.errors import DataError, DefinitionError, OctavoError
from octavo.stores.state.chunks import FORMAT, Damaged, checked, verified
from octavo.stores.state.environment import Environment, explained, nothing_at
from octavo.windows.plan import TilePlan

OBSERVATIONS, FRESH, TILES, RECORDS = b"observations", b"fresh", b"tiles", b"records"
OUTBOX, CATEGORIES = b"outbox", b"categories"
TABLES = (OBSERVATIONS, FRESH, TILES, RECORDS, OUTBOX, CATEGORIES)

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


class Tiling(NamedTuple):
    """How the older observations of a lane are kept."""

    plan: TilePlan
    """What tiles keep of them."""
    loose: int
    """For how long after its event an observation is kept one by one, microseconds."""


@dataclass(frozen=True)
class Identity:
    """What a state is of; written once."""

    view: str
    fingerprint: str
    lanes: tuple[str, ...]
    """Their names; a lane's number is its place among them."""
    tiles: Mapping[str, TilePlan]
    """What tiles keep, of the lanes that have some."""

    def lacking(self, lanes: Iterable[str], tiles: Mapping[str, Tiling]) -> list[str]:
        """Return which of some lanes it does not have, or not with all that they need of tiles."""

        def serves(lane: str) -> bool:
            mine, wanted = self.tiles.get(lane), tiles.get(lane)
            if mine is None or wanted is None:
                return lane in self.lanes and mine is None and wanted is None
            return mine.covers(wanted.plan)

        return [lane for lane in lanes if not serves(lane)]


@dataclass
class Progress:
    """How far a state has come, and what it holds."""

    place: Place
    too_late: list[int]
    """By lane, the observations that came when nothing could see them: counted, not kept."""
    held: list[int]
    """By lane, the observations that are kept."""


@dataclass(frozen=True)
class Opened:
    """An open environment, and whose state is in it."""

    environment: Environment
    identity: Identity
    retain: Mapping[str, int | None]
    """For each lane that is written how long its observations are kept, microseconds."""
    loose: Mapping[str, int]
    """And for how long one by one, of the lanes that have tiles."""

    def number(self, lane: str) -> int:
        """Return the number of a lane, or raise a DefinitionError that lists the known ones."""
        try:
            return self.identity.lanes.index(lane)
        except ValueError:
            where = f"state of view {self.identity.view!r}"
            raise DefinitionError.unknown("lane", lane, self.identity.lanes, where=where) from None

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
        fix=f"`octavo prep --rebuild --view {view}` makes it again from the raw store.",
    )


def begin(transaction: lmdb.Transaction, table: Any, identity: Identity) -> None:
    """Write what a state is of, unless that is there."""
    tiles = {lane: vars(plan) for lane, plan in identity.tiles.items()}
    document = {"format": FORMAT, **vars(identity), "tiles": tiles}
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
    tiles = {
        lane: TilePlan(**plan | {"halflives": tuple(plan["halflives"])})
        for lane, plan in document["tiles"].items()
    }
    return Identity(**document | {"lanes": tuple(document["lanes"]), "tiles": tiles})


def read_progress(transaction: lmdb.Transaction, table: Any, lanes: int) -> Progress:
    """Return how far a state has come, and what it holds.

    Raises
    ------
    Damaged
        The record is not as it was written.
    """
    value = transaction.get(_PROGRESS, db=table)
    if value is None:
        return Progress(BEGINNING, [0] * lanes, [0] * lanes)
    body = verified(value)
    counts = struct.unpack_from(f"<{2 * lanes}q", body, _PLACE.size)
    return Progress(Place(*_PLACE.unpack_from(body)), list(counts[:lanes]), list(counts[lanes:]))


def write_progress(transaction: lmdb.Transaction, table: Any, progress: Progress) -> None:
    """Write how far a state has come, and what it holds."""
    counts = [*progress.too_late, *progress.held]
    body = _PLACE.pack(*progress.place) + struct.pack(f"<{len(counts)}q", *counts)
    transaction.put(_PROGRESS, checked(body), db=table)
