"""Groups of test rows: declared ones, those found to be off, and gaps between those alike."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from octavo.card.words import p
from octavo.pages.html import Figure, Markup, paragraph, section, table
from octavo.pages.plots import span

Known = Mapping[str, Any]

_RATES = (
    ("selected", "told yes"),
    ("true_positive_rate", "true positive rate"),
    ("false_positive_rate", "false positive rate"),
    ("off", "told − true"),
)


def groups(known: Known) -> Markup:
    """Return the section; nothing where none are looked for."""
    found = known["verdict"]
    if found is None or known["bundle"]["kind"] == "anomaly":
        return Markup("")
    return section("Groups", _worst(found), _declared(found), *_fairness(found))


def _worst(found: Known) -> str:
    if not found.get("worst"):
        return paragraph("No group was found that is off by itself.", soft=True)
    said = (
        "Found on validation and confirmed on test (p < 0.05, corrected for their number): a line "
        "of their own would predict these better than the line of all rows."
    )
    return f"<h3>Off by themselves</h3>{paragraph(said, soft=True)}{_listed(found, found['worst'])}"


def _declared(found: Known) -> str:
    if not found.get("slices"):
        return ""
    return f"<h3>Declared slices</h3>{_listed(found, found['slices'])}"


def _listed(found: Known, listed: Sequence[Known]) -> Markup:
    whole = found["test"]
    ends = [each["figure"] for each in listed] + [v for each in listed for v in each["interval"]]
    known = [v for v in (whole, *ends) if v is not None and math.isfinite(v)]
    scale = min(known, default=0.0), max(known, default=0.0)
    rows = [
        (
            each["group"],
            each["rows"],
            each["figure"],
            span(each["figure"], each["interval"], scale, whole),
            each["told"],
            each["true"],
            None if each["p"] is None else Figure(p(each["p"])),
            each["off"] or "",
        )
        for each in listed
    ]
    head = (
        "group",
        "rows",
        found["metric"],
        "95 % (dashed: all rows)",
        "told",
        "came true",
        "by chance",
        "off",
    )
    return table(head, rows)


def _fairness(found: Known) -> list[str]:
    return [_gaps(feature, told) for feature, told in (found.get("fairness") or {}).items()]


def _gaps(feature: str, told: Known) -> str:
    keys = [key for key, _ in _RATES]
    rows = [
        (each["group"], each["rows"], each["positive"], *(each[key] for key in keys))
        for each in told["groups"]
    ]
    gaps = ["largest gap", None, None, *(told["gaps"].get(key) for key in keys)]
    head = ("group", "rows", "positives", *(name for _, name in _RATES))
    few = "Groups of fewer than 30 rows count for no gap; nothing is refused for one."
    return (
        f"<h3>Fairness between groups of {escape(feature)}</h3>"
        f"{table(head, [*rows, gaps])}{paragraph(few, soft=True)}"
    )
