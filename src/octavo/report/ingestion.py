"""What has come of each dataset, when, and what was kept aside."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, moment, paragraph, table
from octavo.pages.plots import bar
from octavo.pages.times import columns
from octavo.report.frame import duration, several, stage

Known = Mapping[str, Any]

RULES = 20
"""Reasons for which rows were rejected, that are listed at the most."""


def ingestion(known: Known) -> Markup:
    """Return the section."""
    counted = [batch for batch in known["batches"] if batch["withdrawn"] is None]
    came = [(batch["committed_at"], batch["rows"]) for batch in counted]
    return stage(
        known,
        "ingestion",
        _datasets(known),
        columns("Rows of the newest batches, by when they were ingested", came),
        _withdrawn(known),
        _rejected(known),
        _streams(known),
    )


def _datasets(known: Known) -> str:
    totals = known["totals"]
    most = max((each["rows"] for each in totals.values()), default=0)
    rows = [
        _dataset(known, name, totals[name], most) for name in known["datasets"] if name in totals
    ]
    missing = [name for name in known["datasets"] if name not in totals]
    head = ("dataset", "batches", "rows", "", "rejected", "duplicates", "last batch", "known until")
    said = f"Nothing came of {', '.join(missing)}." if missing and rows else ""
    return table(head, rows) + paragraph(said, soft=True)


def _dataset(known: Known, name: str, total: Known, most: int) -> tuple[Any, ...]:
    return (
        name,
        total["batches"],
        total["rows"],
        bar(total["rows"], 0, most, 90),
        total["rejected"],
        total["duplicates"],
        Figure(f"{duration((known['at'] - total['last']) / 1e6)} ago"),
        Figure(moment(total["newest"] or None)),
    )


def _withdrawn(known: Known) -> str:
    gone = [batch for batch in known["batches"] if batch["withdrawn"] is not None]
    if not gone:
        return ""
    names = ", ".join(f"{batch['dataset']} {batch['file']}" for batch in gone[-5:])
    return paragraph(f"{several(len(gone), 'batch')} withdrawn, the last: {names}.", soft=True)


def _rejected(known: Known) -> str:
    rules = list(known["rules"].items())
    rows = [(dataset, code(rule), count) for (dataset, rule), count in rules[:RULES]]
    if not rows:
        return ""
    more = f" {len(rules) - RULES} more reasons are not listed." if len(rules) > RULES else ""
    said = paragraph("The rows themselves:", code("octavo batches --rejected"), more, soft=True)
    return f"<h3>Rejected rows</h3>{table(('dataset', 'rule', 'rows'), rows)}{said}"


def _streams(known: Known) -> str:
    rows = [
        (
            each["dataset"],
            each["partition"],
            each["end"],
            each["lag"],
            None if each["freshness"] is None else Figure(duration(each["freshness"])),
        )
        for each in known["streams"]
    ]
    if not rows:
        return ""
    head = ("dataset", "partition", "rows received", "rows waiting", "received to ingested")
    return f"<h3>Streams</h3>{table(head, rows)}"
