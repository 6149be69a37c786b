"""Which data the candidate is of: parts, data sets, batches, and leaks that are suspected."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, moment, paragraph, section, table

Known = Mapping[str, Any]

BATCHES = 30
"""Batches that are listed at the most: the newest."""


def data(known: Known) -> Markup:
    """Return the section."""
    version = code(known["candidate"]["data_version"])
    document = known["data"]
    if document is None:
        said = "which this catalog does not describe."
        return section("Data", paragraph("Data version", version, said))
    batches = len(document["batches"])
    of = f"of {batches:,} batch{'' if batches == 1 else 'es'}."
    return section(
        "Data",
        paragraph("Data version", version, of),
        _parts(known),
        _leaks(document.get("leaks") or []),
        _datasets(known["batches"]),
        _batches(known["batches"]),
    )


def _parts(known: Known) -> str:
    times = (known["evaluation"] or {}).get("times") or {}
    rows = []
    for part, counts in (known["data"].get("counts") or {}).items():
        begin, end = times.get(part) or (None, None)
        rate = counts.get("base_rate")
        rows.append(
            (
                part,
                counts["rows"],
                counts["labeled"],
                None if rate is None else Figure(f"{rate:.2%}"),
                Figure(moment(begin)),
                Figure(moment(end)),
            )
        )
    head = ("part", "rows", "labeled", "positive", "first event (UTC)", "last event (UTC)")
    return table(head, rows) + paragraph(_beside(known), soft=True)


def _beside(known: Known) -> str:
    learned, folds = known["bundle"]["learned"], known["data"].get("folds") or []
    said = []
    if learned.get("rows") is not None:
        until = learned.get("trained_until")
        said.append(f"This candidate was trained on {learned['rows']:,} rows.")
        if until:  # the end of validation too, which chose its parameters
            said.append(f"Nothing later than {moment(until)} UTC was used for it.")
    if (known["trial"] or {}).get("role") == "refit":
        bag = known["trial"]["params"].get("bag")
        rows = "every fold, and averaged" if bag else "train and validation together"
        said.append(f"It is the best one trained once more, on {rows}.")
    if len(folds) > 1:
        said.append(f"The search validated on {len(folds)} folds.")
    return " ".join(said)


def _leaks(leaks: list[Known]) -> str:
    if not leaks:
        return paragraph("No leak is suspected.", soft=True)
    rows = [(each["kind"], ", ".join(each["columns"]), each["what"]) for each in leaks]
    return f"<h3>Leaks that are suspected</h3>{table(('kind', 'columns', 'what was seen'), rows)}"


def _datasets(batches: list[Known]) -> str:
    names = dict.fromkeys(batch["dataset"] for batch in batches)
    rows = []
    for name in names:
        own = [batch for batch in batches if batch["dataset"] == name]
        counts = [
            sum(batch[key] or 0 for batch in own) for key in ("rows", "rejected", "duplicates")
        ]
        newest = max((b["newest"] for b in own if b["newest"]), default=None)
        rows.append((name, len(own), *counts, Figure(moment(newest))))
    head = ("dataset", "batches", "rows", "rejected", "duplicates", "newest known (UTC)")
    return f"<h3>Data sets</h3>{table(head, rows)}" if rows else ""


def _batches(batches: list[Known]) -> str:
    rows = [
        (code(batch["batch_id"]), batch["dataset"], batch["file"], batch["rows"], batch["faults"])
        for batch in batches[-BATCHES:]
    ]
    if not rows:
        return ""
    earlier = len(batches) - BATCHES
    rest = paragraph(f"And {earlier:,} earlier ones.", soft=True) if earlier > 0 else ""
    head = ("batch", "dataset", "file", "rows", "faults found")
    return f"<h3>Batches</h3>{table(head, rows)}{rest}"
