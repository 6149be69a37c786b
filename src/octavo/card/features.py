"""What the candidate leans on, and what it is worth when that fails."""

from collections.abc import Mapping
from html import escape
from typing import Any

from octavo.pages.html import Markup, code, number, paragraph, section, table
from octavo.pages.plots import bar

Known = Mapping[str, Any]

LISTED = 25
"""Features that are listed with their importance at the most."""


def features(known: Known) -> Markup:
    """Return the section: importance and robustness, or the inputs alone."""
    found, schema = known["evaluation"] or {}, known["bundle"]["schema"]
    if "importance" not in found:
        said = "How much each one matters is measured when a candidate is judged."
        return section(
            f"Inputs: {len(schema)} features", paragraph(said, soft=True), _names(schema)
        )
    return section(
        f"Inputs: {len(schema)} features",
        _importance(found["importance"], schema),
        _robustness(found),
    )


def _importance(found: Known, schema: Mapping[str, str]) -> str:
    ranked = found["features"]
    worth = [each["worth"] for each in ranked]
    low, high = min([0.0, *worth]), max([0.0, *worth])
    rows = [
        (
            code(each["feature"]),
            schema.get(each["feature"]),
            each["worth"],
            bar(each["worth"], low, high),
        )
        for each in ranked[:LISTED]
    ]
    said = (
        f"By how much the figure ({number(found['figure'])} on {found['rows']:,} rows of "
        "validation) is worse with a feature's values permuted; of features that say the same, "
        "each is worth little."
    )
    rest = {each["feature"]: schema.get(each["feature"], "") for each in ranked[LISTED:]}
    more = f"<h3>{len(rest)} more, each of less worth</h3>{_names(rest)}" if rest else ""
    return paragraph(said, soft=True) + table(("feature", "type", "worth", ""), rows) + more


def _names(schema: Mapping[str, str]) -> str:
    each = "".join(
        f"<li>{code(name)} <span class='soft'>{escape(dtype)}</span></li>"
        for name, dtype in schema.items()
    )
    return f'<ul class="names">{each}</ul>' if each else ""


def _robustness(found: Known) -> str:
    listed = found.get("robustness")
    if not listed:
        return ""
    rows = [(code(each["feature"]), each["missing"], each["shifted"]) for each in listed]
    said = (
        f"What becomes of the figure, {number(found['importance']['figure'])}, if a feature is "
        "missing everywhere, or shifted by half a standard deviation, the worse way."
    )
    head = ("feature", "all missing", "shifted")
    return f"<h3>Robustness</h3>{paragraph(said, soft=True)}{table(head, rows)}"
