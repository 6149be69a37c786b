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
        _datasets(known, counted),
        columns("Rows of batches, by when they were ingested", came),
        _withdrawn(known),
        _rejected(known),
        _streams(known),
    )


def _datasets(known: Known, counted: list[Known]) -> str:
    found = [(name, [b for b in counted if b["dataset"] == name]) for name in known["datasets"]]
    most = max((sum(b["rows"] for b in own) for _, own in found), default=0)
    rows = [_dataset(known, name, own, most) for name, own in found if own]
    missing = [name for name, own in found if not own]
    head = ("dataset", "batches", "rows", "", "rejected", "duplicates", "last batch", "known until")
    said = f"Nothing came of {', '.join(missing)}." if missing and rows else ""
    return table(head, rows) + paragraph(said, soft=True)


def _dataset(known: Known, name: str, own: list[Known], most: int) -> tuple[Any, ...]:
    rows, rejected, repeated = (
        sum(batch[key] or 0 for batch in own) for key in ("rows", "rejected", "duplicates")
    )
    last = max(batch["committed_at"] for batch in own)
    newest = max((batch["newest"] for batch in own if batch["newest"]), default=None)
    return (
        name,
        len(own),
        rows,
        bar(rows, 0, most, 90),
        rejected,
        repeated,
        Figure(f"{duration((known['at'] - last) / 1e6)} ago"),
        Figure(moment(newest)),
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
