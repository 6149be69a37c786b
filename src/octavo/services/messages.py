"""Events in words: a sentence for the console, and the title and body that templates make."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from octavo.definition.kinds import stage_of
from octavo.definition.notify import SEVERITIES, Notify
from octavo.stores.catalog import Row

MOST = 50
"""Events that a message shows one by one."""
LONGEST = 250
"""Characters of a title: a mail server refuses a line of a thousand."""


class Message(NamedTuple):
    """What is sent."""

    title: str
    body: str
    severity: str
    """The gravest of its events."""


def sentence(event: Row) -> str:
    """Say what happened, to what, and why."""
    detail = _detail(event)
    return f"{event['kind']}: {event['subject']}" + (f" — {detail}" if detail else "")


def composed(rule: Notify, pipeline: str, events: Sequence[Row]) -> Message:
    """Put some events into words, the oldest first; the title is that of the gravest."""
    count = len(events)
    gravest = max(events, key=lambda event: SEVERITIES.index(event["severity"]))
    lines = [rule.body.format_map(_fields(pipeline, event, count)) for event in events[:MOST]]
    if count > MOST:
        lines.append(f"… and {count - MOST:,} more: octavo audit list")
    body = "\n".join(lines).strip("\n") or sentence(gravest)  # nobody takes a message without one
    title = " ".join(rule.title.format_map(_fields(pipeline, gravest, count)).split())
    return Message(title[:LONGEST], body, gravest["severity"])


def _fields(pipeline: str, event: Row, count: int) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "kind": event["kind"],
        "stage": stage_of(event["kind"], event["subject"]),
        "severity": event["severity"],
        "subject": event["subject"],
        "detail": _detail(event),
        "text": sentence(event),
        "at": datetime.fromtimestamp(event["at"] / 1e6, UTC),
        "by": event["actor"],
        "run": event["run_id"] or "",
        "count": count,
    }


def _detail(event: Row) -> str:
    document = event["document"]
    if event["kind"] == "rows rejected":
        return ", ".join(f"{count} {rule}" for rule, count in document["rules"].items())
    if event["kind"] == "drift":
        return "most: " + ", ".join(document["drifted"][:3])
    return document.get("reason") or document.get("error") or ""
