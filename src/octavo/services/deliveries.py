"""The queue of what people are told, in the catalog: what one process leaves, another sends.

An event is put down for each target that it concerns, once. Whoever sends claims it first: until
the lease ends, nobody else sends it. A process that is killed between sending and writing that down
has it sent again: at least once, and once as a rule.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from octavo.definition.notify import Notify
from octavo.errors import ResourceError
from octavo.services.addresses import sent
from octavo.services.due import Waiting, concerns, first_at, messages, pause
from octavo.services.messages import composed
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.user import user

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
DELAYED_KIND, FAILED_KIND = "notification delayed", "notification failed"
"""Told on the console and in the log alone, unless a target asks for them: another one may be as
unreachable. That such a message did not arrive is itself told to nobody, or there were no end."""
_OF_DELIVERIES = {DELAYED_KIND, FAILED_KIND}
TOGETHER = 10_000
"""Events that one message is of at the most; it shows far fewer."""
UNKNOWN = "the process that sent it ended"
LEASE = 120_000_000
"""Microseconds for which what is sent belongs to a process; no attempt takes so long."""
LOOK = 1.0
"""Seconds between two looks for what is due: two queries of the catalog, about a millisecond."""

_TABLE, _EVENTS, _TOLD = tables.deliveries, tables.events, tables.told
_DECIDING = (
    *(_TABLE.c[name] for name in ("id", "attempts", "next_at")),
    *(_EVENTS.c[name] for name in ("kind", "at", "severity")),
)
"""What decides which deliveries are next."""


def named(notifies: Sequence[Notify]) -> dict[str, Notify]:
    """Return targets by their names: the URL as it may be shown, and a number if several look so.

    >>> list(named([Notify("json://a:1@host"), Notify("json://b:2@host"), Notify("tgram://t/c")]))
    ['json://host', 'json://host #2', 'tgram://…']
    """
    found: dict[str, Notify] = {}
    for notify in notifies:
        same = sum(each.shown == notify.shown for each in found.values())
        found[notify.shown if not same else f"{notify.shown} #{same + 1}"] = notify
    return found


class Deliveries:
    """What the targets of a pipeline have been told, and are to be told.

    Parameters
    ----------
    name
        The pipeline's.
    environment
        Where variables of URLs are read, whenever something is sent.
    now
        The clock, microseconds since the epoch.
    """

    def __init__(
        self,
        catalog: Catalog,
        notifies: Sequence[Notify],
        name: str,
        environment: Mapping[str, str],
        now: Callable[[], int] = tables.now,
    ) -> None:
        self.catalog = catalog
        self.targets = named(notifies)
        self.name = name
        self._environment = environment
        self._now = now

    def run(self, stop: threading.Event, tell: Callable[[str], None]) -> None:
        """Deliver what is due, when it is due, until told to stop; ``tell`` is told of failures."""
        while not stop.is_set():
            try:
                for target, why in self.deliver():
                    tell(f"{target}: {why}")
            except ResourceError as error:  # the catalog is busy or full: the next look tries again
                tell(str(error))
            stop.wait(LOOK)

    def deliver(self) -> list[tuple[str, str]]:
        """Put down what is new, and send what is due.

        Returns
        -------
        list of (str, str)
            Targets that something could not be sent to, and why.
        """
        self._put_down()
        found = []
        for target, rule in self.targets.items():
            while claimed := self._claim(target, rule):
                if why := self._send(target, rule, claimed):
                    found.append((target, why))
                    break  # the others are as likely to fail
        return found

    def test(self) -> list[tuple[str, str]]:
        """Send a message to each target now, whatever its rule; return why it was not taken, if so.

        Nothing of it is written down.
        """
        event = {"kind": "test", "subject": self.name, "severity": "info", "run_id": None}
        event |= {"document": {"reason": "notifications arrive here"}, "at": self._now()}
        event |= {"actor": user()}
        return [
            (target, sent(rule.url, composed(rule, self.name, [event]), self._environment))
            for target, rule in self.targets.items()
        ]

    def _put_down(self) -> None:
        """Decide of new events who is told of them."""
        newest = sa.select(sa.func.max(_EVENTS.c.id).label("id"))
        known = sa.select(_TOLD.c.event)
        if self.catalog.rows(newest)[0]["id"] in (None, self.catalog.rows(known)[0]["event"]):
            return
        with self.catalog.transaction(alone=True) as connection:
            last = connection.scalar(known)
            new = sa.select(_EVENTS).where(_EVENTS.c.id > last).order_by(_EVENTS.c.id)
            for event in connection.execute(new).mappings().all():
                for target, rule in self.targets.items():
                    if concerns(rule, target, event):
                        row = _row(event, target, rule)
                        connection.execute(insert(_TABLE).values(row).on_conflict_do_nothing())
                last = event["id"]
            connection.execute(_TOLD.update().values(event=last))

    def _claim(self, target: str, rule: Notify) -> list[Row]:
        """Return the deliveries of the next message, which are this process's until the lease ends.

        Each has its event with it.
        """
        now = self._now()
        if not self.catalog.rows(_waiting(target).where(_TABLE.c.next_at <= now).limit(1)):
            return []
        with self.catalog.transaction(alone=True) as connection:
            # Of thousands that wait only what decides is read, as all who write wait for this.
            light = _waiting(target).with_only_columns(*_DECIDING)
            rows = [dict(row) for row in connection.execute(light).mappings()]
            lost = [r for r in rows if r["attempts"] >= rule.attempts and r["next_at"] <= now]
            self._give_up(connection, target, lost, UNKNOWN)
            over = {row["id"] for row in lost}
            found = messages(rule, [_seen(row) for row in rows if row["id"] not in over], now)
            chosen = {each.id for each in found[0][:TOGETHER]} if found else set()
            mine = _TABLE.c.id.in_(chosen)
            claim = {"attempts": _TABLE.c.attempts + 1, "next_at": now + LEASE}
            connection.execute(_TABLE.update().where(mine).values(**claim))
            claimed = connection.execute(_waiting(target).where(mine)).mappings()
            return [dict(row) for row in claimed]

    def _send(self, target: str, rule: Notify, claimed: Sequence[Row]) -> str:
        """Send one message, and write down what came of it; return why it was not taken."""
        message = composed(rule, self.name, claimed)
        why = sent(rule.url, message, self._environment)
        now = self._now()
        with self.catalog.transaction(alone=True) as connection:
            if not why:
                for row in claimed:  # also one whose lease has ended meanwhile
                    done = {"state": DELIVERED, "error": None, "ended_at": now}
                    connection.execute(_of(row).values(**done))
                return why
            over = [row for row in claimed if row["attempts"] >= rule.attempts]
            self._give_up(connection, target, over, why)
            self._try_later(connection, target, [row for row in claimed if row not in over], why)
        return why

    def _give_up(
        self, connection: sa.Connection, target: str, rows: Sequence[Row], why: str
    ) -> None:
        for row in rows:
            done = {"state": FAILED, "error": why, "ended_at": self._now()}
            connection.execute(_of(row).values(**done))
        if kinds := [row["kind"] for row in rows if row["kind"] not in _OF_DELIVERIES]:
            reason = f"it did not take {', '.join(dict.fromkeys(kinds))}: {why}; given up"
            tables.emit(connection, FAILED_KIND, target, severity="warning", reason=reason)

    def _try_later(
        self, connection: sa.Connection, target: str, rows: Sequence[Row], why: str
    ) -> None:
        """Try what failed again after a pause, and let all else wait for the target as long."""
        if not rows:
            return
        others = _waiting(target).where(_TABLE.c.id.not_in([row["id"] for row in rows]))
        is_first = (
            all(row["attempts"] == 1 for row in rows)
            and not connection.execute(others.where(_TABLE.c.error.is_not(None)).limit(1)).first()
        )
        later = self._now() + pause(min(row["attempts"] for row in rows))
        for row in rows:
            connection.execute(_of(row).values(error=why, next_at=later))
        waits = (_TABLE.c.target == target) & (_TABLE.c.state == WAITING)
        late = _TABLE.update().where(waits, _TABLE.c.next_at < later)
        connection.execute(late.values(next_at=later))
        if is_first and rows[0]["kind"] not in _OF_DELIVERIES:
            reason = f"it did not take {rows[0]['kind']!r}: {why}; it is tried again"
            tables.emit(connection, DELAYED_KIND, target, severity="warning", reason=reason)


def listed(catalog: Catalog, *, failed: bool = False) -> list[Row]:
    """Return deliveries with their events, oldest first.

    Parameters
    ----------
    failed
        Only what did not arrive: given up, or tried in vain so far.
    """
    names = ("id", "target", "state", "attempts", "next_at", "ended_at", "error")
    about = [_EVENTS.c[name] for name in ("kind", "subject", "severity", "at")]
    query = sa.select(*(_TABLE.c[name] for name in names), *about)
    query = query.join(_EVENTS, _EVENTS.c.id == _TABLE.c.event).order_by(_TABLE.c.id)
    if failed:
        query = query.where(_TABLE.c.state != DELIVERED, _TABLE.c.error.is_not(None))
    return catalog.rows(query)


def undelivered(catalog: Catalog) -> dict[str, int]:
    """Return how many deliveries are ``waiting``, and how many ``failed``."""
    count = sa.select(sa.func.count().label("count"))
    states = {state: count.where(_TABLE.c.state == state) for state in (WAITING, FAILED)}
    return {state: catalog.rows(query)[0]["count"] for state, query in states.items()}


def counted(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Return for each target that was ever told how many deliveries are in which state."""
    columns = [_TABLE.c.target, _TABLE.c.state]
    count = sa.func.count().label("count")
    query: sa.Select[Any] = sa.select(*columns, count).group_by(*columns)
    found: dict[str, dict[str, int]] = {}
    for row in catalog.rows(query.order_by(*columns)):
        found.setdefault(row["target"], {})[row["state"]] = row["count"]
    return found


def _waiting(target: str) -> sa.Select[Any]:
    """Return the query of what waits for a target, each with its event."""
    names = ("id", "event", "attempts", "next_at", "error")
    about = [column for column in _EVENTS.c if column.name != "id"]
    query = sa.select(*(_TABLE.c[name] for name in names), *about)
    query = query.join(_EVENTS, _EVENTS.c.id == _TABLE.c.event).order_by(_TABLE.c.id)
    return query.where(_TABLE.c.target == target, _TABLE.c.state == WAITING)


def _seen(row: Row) -> Waiting:
    return Waiting(*(row[name] for name in ("id", "at", "severity", "attempts", "next_at")))


def _row(event: Any, target: str, rule: Notify) -> Row:
    """Return the delivery of an event to a target, as it begins."""
    at = first_at(rule, event["severity"], event["at"])
    begun = {"state": WAITING, "attempts": 0, "next_at": at}
    return {"event": event["id"], "target": target, **begun}


def _of(row: Row) -> sa.Update:
    """Return the change of a delivery, unless somebody else has claimed it since."""
    same = (_TABLE.c.id == row["id"]) & (_TABLE.c.attempts == row["attempts"])
    return _TABLE.update().where(same, _TABLE.c.state == WAITING)
