"""What is to be sent now, and when what is not: a function of rule, what waits, and the time.

It knows no clock, no catalog, and nothing of how anything is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from octavo.definition.durations import MICROSECONDS, microseconds
from octavo.definition.kinds import BROADCAST, stage_of
from octavo.definition.notify import SEVERITIES, Notify, Quiet

FIRST_PAUSE = 10 * MICROSECONDS["s"]
"""Microseconds from a first attempt that failed to the second; each later one is twice as long."""
LONGEST_PAUSE = MICROSECONDS["h"]
"""Microseconds between two attempts at the most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Waiting:
    """An event that a target has not been told of yet. Times are microseconds since the epoch."""

    id: int
    at: int
    """When it happened."""
    severity: str
    attempts: int
    """How often it was tried, one that goes on included."""
    next_at: int
    """Not before."""


def concerns(rule: Notify, target: str, event: Any) -> bool:
    """Say whether a target is told of an event, a row of the catalog."""
    kind, subject = event["kind"], event["subject"]
    if subject == target:  # of what was not delivered to it
        return False
    if kind not in (rule.kinds or BROADCAST):
        return False
    if rule.stages and stage_of(kind, subject) not in rule.stages:
        return False
    if kind == "rows rejected" and _share(event["document"]) < rule.share:
        return False
    return _is_at_least(event["severity"], rule.severity)


def first_at(rule: Notify, severity: str, at: int) -> int:
    """Return when an event is to be sent at the earliest."""
    if _is_urgent(rule, severity):
        return at
    collected = microseconds(rule.digest, where="Notify.digest") if rule.digest else 0
    return undisturbed(rule.quiet, at + collected)


def undisturbed(quiet: Quiet | None, at: int) -> int:
    """Return a time if it is not in quiet hours, else their end."""
    if quiet is None:
        return at
    (begin, end), zone = quiet.hours, ZoneInfo(quiet.zone)
    local = (_EPOCH + timedelta(microseconds=at)).astimezone(zone)
    clock, over_midnight = local.time(), begin > end
    is_quiet = (clock >= begin or clock < end) if over_midnight else begin <= clock < end
    if not is_quiet:
        return at
    day = local.date() + timedelta(days=int(over_midnight and clock >= begin))
    ends = datetime.combine(day, end, zone)
    # Where clocks are set back there are two such times, and it may be the second.
    times = [(each - _EPOCH) // timedelta(microseconds=1) for each in (ends, ends.replace(fold=1))]
    return min(time for time in times if time > at)


def pause(attempts: int) -> int:
    """Return how long, in microseconds, after so many attempts the next one follows."""
    return min(FIRST_PAUSE << min(attempts - 1, 30), LONGEST_PAUSE)


def messages(rule: Notify, waiting: Sequence[Waiting], now: int) -> list[list[Waiting]]:
    """Return what is to be sent to a target now: of each message the events that are in it.

    What is urgent comes first and alone. Then, outside of quiet hours, what a digest has collected,
    or what happened in quiet hours, in one message. What was tried least often comes first, so that
    a message that a target refuses does not hold up others.
    """
    alone, together = [], []
    for each in sorted(waiting, key=lambda each: (each.attempts, each.id)):
        is_held = rule.digest or undisturbed(rule.quiet, each.at) != each.at
        (together if is_held and not _is_urgent(rule, each.severity) else alone).append(each)
    is_quiet = undisturbed(rule.quiet, now) != now
    found = [
        [each]
        for each in alone
        if each.next_at <= now and (not is_quiet or _is_urgent(rule, each.severity))
    ]
    found.sort(key=lambda each: not _is_urgent(rule, each[0].severity))
    due = [each for each in together if each.next_at <= now]
    if due and not is_quiet:
        fresh = [each for each in together if each.next_at > now and not each.attempts]
        found.append(sorted([*due, *fresh], key=lambda each: each.id))
    return found


def _is_urgent(rule: Notify, severity: str) -> bool:
    return rule.at_once is not None and _is_at_least(severity, rule.at_once)


def _is_at_least(severity: str, least: str) -> bool:
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def _share(document: Any) -> float:
    """Return which share of a batch's rows was rejected; all, if that is not known."""
    rejected, rows = document.get("rejected", 0), document.get("rows")
    return rejected / (rejected + rows) if rows and rejected else 1.0
