"""The features: how far they have come, what is stale of them, and what was found in the data."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, facts, paragraph, table
from octavo.quality.page import finding, in_order
from octavo.report.frame import duration, several, stage

Known = Mapping[str, Any]

FINDINGS = 5
"""Faults of a dataset that are shown at the most."""


def prep(known: Known) -> Markup:
    """Return the section."""
    groups = known["groups"]
    views = len({group["name"] for group in groups} - {"rows"})
    pairs = [("features", known["features"]), ("views", views), ("groups", len(groups))]
    return stage(
        known,
        "prep",
        facts(pairs) if groups else "",
        _groups(known),
        _waiting(known),
        _stale(known),
        _quality(known),
    )


def _groups(known: Known) -> Markup:
    rows = [
        (
            group["name"],
            sum(not name.startswith("key:") for name in group["columns"]),
            group["rows"],
            group["too_late"],
            group["cause"],
            group["cut_over"],
            group["position"],
            code(group["group_id"]),
        )
        for group in sorted(known["groups"], key=lambda each: (each["name"], each["cut_over"]))
    ]
    head = ("view", "features", "rows", "too late", "why made", "counts from", "up to", "version")
    return table(head, rows)


def _waiting(known: Known) -> str:
    rows = [
        (each["view"], each["rows"], Figure(duration(each["waits"])) if each["rows"] else None)
        for each in known["views"]
    ]
    if not rows:
        return ""
    return f"<h3>Live</h3>{table(('view', 'rows waiting', 'since'), rows)}"


def _stale(known: Known) -> str:
    rows = [
        (
            each["name"],
            "all" if each["entities"] is None else each["entities"],
            each["cause"],
            code(each["batch_id"]),
        )
        for each in known["stale"]
    ]
    if not rows:
        none = "No entity is stale." if known["groups"] else ""
        return paragraph(none, soft=True)
    said = paragraph("What corrects them:", code("octavo prep --rebuild"), soft=True)
    head = ("view", "entities", "cause", "batch")
    return f"<h3>Stale</h3>{table(head, rows)}{said}"


def _quality(known: Known) -> str:
    parts = [_findings(name, report) for name, report in known["quality"].items()]
    if not parts:
        return ""
    said = paragraph(
        "Of the newest batch of each dataset; all of it, drawn:",
        code("octavo quality --batch ID -o FILE.html"),
        soft=True,
    )
    return f"<h3>Quality</h3>{said}{''.join(parts)}"


def _findings(name: str, report: Known) -> str:
    found = in_order(report)
    faults = [each for each in found if each["weight"] == "fault"]
    counts = f"{several(len(faults), 'fault')}, {several(len(found) - len(faults), 'note')}"
    shown = "".join(map(finding, faults[:FINDINGS]))
    more = len(faults) - FINDINGS
    rest = f"And {several(more, 'fault')} more." if more > 0 else ""
    return paragraph(f"{name}: {counts}.") + shown + paragraph(rest, soft=True)
