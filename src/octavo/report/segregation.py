"""How the rows are divided: the parts, when they are, and what a model could learn unduly."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, moment, number, paragraph, table
from octavo.pages.plots import bar
from octavo.pages.times import Stretch, lanes
from octavo.report.frame import several, stage

Known = Mapping[str, Any]

_COLOURS = {"train": "fill", "validation": "pale", "test": "gone"}


def segregation(known: Known) -> Markup:
    """Return the section."""
    if known["data"] is None:
        return stage(known, "segregation")
    document = known["data"]["document"]
    counts = document.get("counts") or {}
    said = paragraph(
        "Data version",
        code(document["data_version"]),
        f"of {several(len(document['batches']), 'batch')}",
        f"up to {moment(document['clock'])} UTC.",
    )
    return stage(
        known, "segregation", said, _parts(counts), _times(known), _beside(document), _leaks(known)
    )


def _parts(counts: Mapping[str, Known]) -> Markup:
    whole = sum(part["rows"] for part in counts.values())
    rows = [
        (
            name,
            part["rows"],
            Figure(f"{part['rows'] / whole:.1%}") if whole else None,
            bar(part["rows"], 0, whole, 120),
            part["labeled"],
            Figure(f"{part['base_rate']:.2%}") if part.get("base_rate") is not None else None,
        )
        for name, part in counts.items()
    ]
    return table(("part", "rows", "share", "", "labeled", "positive"), rows)


def _times(known: Known) -> Markup:
    """Return when the parts are, as far as a candidate was judged on this data version."""
    found = (known["judged"] or {}).get("evaluation") or {}
    if (known["judged"] or {}).get("data") != known["data"]["document"]:
        return Markup("")
    return lanes(
        (part, [_stretch(part, ends[0], ends[1])])
        for part, ends in (found.get("times") or {}).items()
        if ends and None not in ends
    )


def _stretch(part: str, begin: int, end: int) -> Stretch:
    said = f"{part}: {moment(begin)} to {moment(end)}"
    return Stretch(begin, end, _COLOURS.get(part, "fill"), said)


def _beside(document: Known) -> Markup:
    folds = len(document.get("folds") or [])
    said = f"The search validated on {number(folds)} folds." if folds > 1 else ""
    return paragraph(said, soft=True)


def _leaks(known: Known) -> str:
    leaks = known["leaks"]
    if not leaks:
        return paragraph("No leak is suspected.", soft=True)
    rows = [(each["kind"], each["what"], each["fix"]) for each in leaks]
    head = ("kind", "what was seen", "what to do")
    return f"<h3>Leaks that are suspected</h3>{table(head, rows)}"
