"""What is due when, who is told, and of what people were warned last."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, moment, paragraph, section, table

Known = Mapping[str, Any]


def watch(known: Known) -> Markup:
    """Return the section."""
    return section("Schedules and notifications", _schedules(known), _told(known), _warnings(known))


def _schedules(known: Known) -> str:
    rows = [(part, code(text)) for part, text in known["schedules"].items()]
    if not rows:
        return paragraph("No schedule is declared.", soft=True)
    return table(("part", "due"), rows)


def _told(known: Known) -> Markup:
    addresses = ", ".join(known["addresses"])
    return paragraph(f"Told: {addresses}." if addresses else "Nobody is told by URL.", soft=True)


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
