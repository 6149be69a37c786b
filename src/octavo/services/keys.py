"""API keys: who may ask a server, and for what.

A key is ``octavo_<ID>_<secret>``, shown once, when it is made. The ID finds its row; of the secret
the catalog has a salted SHA-256. Slow hashes are for passwords, which people choose and machines
guess; a secret of 256 random bits cannot be guessed at any speed, and is checked at every request.

It knows nothing of wires: which role a route needs is `octavo.server.access`'s to say.
"""

import enum
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from octavo.definition.durations import microseconds
from octavo.errors import DefinitionError, OctavoError, ResourceError
from octavo.services.limits import Rate
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.user import user

_TABLE = tables.keys

EVERY = 1.0
"""Seconds between two looks into the catalog: by then a new key is taken, a revoked one is not."""
BLIND = 60.0
"""Seconds after which, if the catalog cannot be read, no key is taken any more."""
LONGEST_NAME = 100
"""Characters of a key's name."""


class Role(enum.StrEnum):
    """What a key is for."""

    READ = "read"
    """Rows, features, settings, metrics."""
    INGEST = "ingest"
    """Sending rows."""
    PREDICT = "predict"
    """Asking for predictions."""
    OPERATE = "operate"
    """Changing settings and what is deployed; implies the three before."""
    ADMIN = "admin"
    """Everything, and other people's keys."""


IMPLIED = {Role.OPERATE: {Role.READ, Role.INGEST, Role.PREDICT}, Role.ADMIN: {*Role}}
"""The other three imply nothing: who sends rows need not read any, who asks need not send."""


class Caller(NamedTuple):
    """Who asks, as their key says."""

    key_id: str
    name: str
    roles: frozenset[Role]
    """With all that is implied."""
    rate: Rate | None
    """The key's own."""


class Made(NamedTuple):
    """A key that was just made."""

    key: str
    """Never shown again."""
    row: Row
    """As `listed` gives it."""


def create(
    catalog: Catalog,
    name: str,
    roles: Sequence[str],
    *,
    expires: str = "",
    rate: str = "",
    by: str = "",
) -> Made:
    """Make a key.

    Parameters
    ----------
    name
        Of who will use it; it stands in the settings' history and in events. No other usable key
        has it.
    expires
        After how long it is refused, such as ``90d``; empty: never.
    rate
        Such as ``100/s``; empty: that of the profile.
    by
        Who makes it; the user of this process if nothing is said.

    Raises
    ------
    DefinitionError
        If a name, role, duration or rate cannot be used.
    """
    now = tables.now()
    row = _described(name, roles, expires, rate, now) | {"made_by": by or user()}
    secret, salt = secrets.token_urlsafe(32), secrets.token_bytes(16)
    hashed = _hashed(salt, secret.encode())
    with catalog.transaction(alone=True) as connection:
        of_name = sa.select(_TABLE.c.key_id).where(_TABLE.c.name == name, _usable(now))
        if connection.scalar(of_name) is not None:
            raise DefinitionError(
                f"there is a key of the name {name!r}.",
                where="octavo keys",
                fix=f"Choose another name, or revoke it before: octavo keys revoke {name}.",
            )
        stored = row | {"salt": salt.hex(), "hash": hashed.hex(), "revoked_at": None}
        connection.execute(_TABLE.insert().values(**stored))
        told = {"key": row["key_id"], "roles": row["roles"], "actor": row["made_by"]}
        tables.emit(connection, "key made", name, **told)
    return Made(f"octavo_{row['key_id']}_{secret}", row | {"revoked_at": None})


def _described(name: str, roles: Sequence[str], expires: str, rate: str, now: int) -> Row:
    if not (name.isprintable() and 0 < len(name.strip()) <= LONGEST_NAME):
        fix = f"Give it 1 to {LONGEST_NAME} characters that can be read."
        raise DefinitionError(f"{name!r} is no name.", where="NAME", fix=fix)
    if not roles:
        raise DefinitionError(
            "a key needs a role.", where="--role", fix=f"One of {', '.join(Role)}."
        )
    for role in roles:
        if role not in {*Role}:
            raise DefinitionError.unknown("role", role, map(str, Role), where="--role")
    if rate:
        Rate.of(rate, where="--rate")
    return {
        "key_id": secrets.token_hex(6),
        "name": name,
        "roles": [role for role in Role if role in roles],
        "rate": rate or None,
        "made_at": now,
        "expires_at": now + microseconds(expires, where="--expires") if expires else None,
    }


def listed(catalog: Catalog) -> list[Row]:
    """Return all keys there ever were, oldest first, without what would let one check a guess."""
    shown = [column for column in _TABLE.c if column.name not in ("salt", "hash")]
    return catalog.rows(sa.select(*shown).order_by(_TABLE.c.made_at))


def revoke(catalog: Catalog, name: str, *, by: str = "") -> Row:
    """Revoke the usable key of a name or ID; servers refuse it within `EVERY` seconds.

    Raises
    ------
    DefinitionError
        If there is none.
    """
    now = tables.now()
    with catalog.transaction(alone=True) as connection:
        usable = connection.execute(sa.select(_TABLE).where(_usable(now))).mappings().all()
        found = [row for row in usable if name in (row["name"], row["key_id"])]
        if not found:
            raise DefinitionError.unknown("usable key", name, [row["name"] for row in usable])
        (row,) = found[:1]
        mine = _TABLE.update().where(_TABLE.c.key_id == row["key_id"])
        connection.execute(mine.values(revoked_at=now))
        told = {"key": row["key_id"], "actor": by or user()}
        tables.emit(connection, "key revoked", row["name"], **told)
    return next(each for each in listed(catalog) if each["key_id"] == row["key_id"])


def _usable(now: int) -> sa.ColumnElement[bool]:
    expires = _TABLE.c.expires_at
    return _TABLE.c.revoked_at.is_(None) & (expires.is_(None) | (expires > now))


def _hashed(salt: bytes, secret: bytes) -> bytes:
    return hashlib.sha256(salt + secret).digest()


class _Known(NamedTuple):
    caller: Caller
    salt: bytes
    hash: bytes
    expires_at: float


class KnownKeys:
    """The usable keys of a home, in memory, as a server asks for them at every request.

    There are hashes in it and no keys: a right one is hashed anew each time, which takes a
    microsecond. A thread of its own looks for new and revoked ones.

    Parameters
    ----------
    tell
        Is told of errors.
    """

    def __init__(self, catalog: Catalog, tell: Callable[[str], None]) -> None:
        self._catalog, self._tell = catalog, tell
        self.look()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="keys", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._known)

    def look(self) -> None:
        """Read which keys are usable."""
        known = {}
        for row in self._catalog.rows(sa.select(_TABLE).where(_usable(tables.now()))):
            try:
                known[row["key_id"].encode()] = _of(row)
            except DefinitionError as error:  # others are good
                self._tell(f"keys: {error}")
        self._known, self._seen = known, time.monotonic()

    def caller(self, key: bytes) -> Caller | None:
        """Return whose key it is; None if it is nobody's.

        Raises
        ------
        ResourceError
            If it cannot be known, for the catalog was not to be read for `BLIND` seconds.
        """
        begin, _, rest = key.partition(b"_")
        key_id, _, secret = rest.partition(b"_")
        known = self._known.get(key_id) if begin == b"octavo" else None
        if known is None or not hmac.compare_digest(_hashed(known.salt, secret), known.hash):
            return None
        if time.monotonic() - self._seen > BLIND:
            raise ResourceError("the keys cannot be read.", fix="Look into the server's log.")
        return known.caller if time.time() < known.expires_at else None

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.look()
            except OctavoError as error:
                self._tell(f"keys: {error}")

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


def _of(row: Row) -> _Known:
    # A newer version may know more of them: what such a one is for does not exist here.
    given = [Role(role) for role in row["roles"] if role in {*Role}]
    roles = frozenset(given).union(*(IMPLIED.get(role, ()) for role in given))
    rate = Rate.of(row["rate"], where=f"key {row['name']!r}") if row["rate"] else None
    expires = row["expires_at"]
    return _Known(
        Caller(row["key_id"], row["name"], roles, rate),
        bytes.fromhex(row["salt"]),
        bytes.fromhex(row["hash"]),
        float("inf") if expires is None else expires / 1e6,
    )
