"""What is due when, who is told, and of what people were warned last."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, moment, paragraph, section, table

Known = Mapping[str, Any]
_STATES = ("delivered", "waiting", "failed")


def watch(known: Known) -> Markup:
    """Return the section."""
    return section("Schedules and notifications", _schedules(known), _told(known), _warnings(known))


def _schedules(known: Known) -> str:
    rows = [
        (
            code(job["job"]),
            job["state"],
            Figure(moment(job["ended_at"])),
            f"{job['result']}: {job['why']}" if job["result"] else "–",
            f"on {job['on']}" if job["on"] else Figure(moment(job["next"])),
        )
        for job in known["jobs"]
    ]
    if not rows:
        return paragraph("No schedule is declared.", soft=True)
    return table(("job", "state", "last run (UTC)", "how it ended", "next (UTC)"), rows)


def _told(known: Known) -> str:
    rows = [
        (target, *(Figure(counts.get(state, 0)) for state in _STATES))
        for target, counts in known["told"].items()
    ]
    if not rows:
        return paragraph("Nobody is told by URL.", soft=True)
    return f"<h3>Told</h3>{table(('who', *_STATES), rows)}"


def _warnings(known: Known) -> str:
    rows = [
        (Figure(moment(each["at"])), each["severity"], each["kind"], each["subject"], _why(each))
        for each in reversed(known["warnings"])
    ]
    if not rows:
        return paragraph("There were no warnings.", soft=True)
    head = ("when (UTC)", "severity", "what", "of", "why")
    return f"<h3>Last warnings</h3>{table(head, rows)}"


def _why(event: Known) -> str:
    return str(event["document"].get("reason") or event["document"].get("error") or "")
