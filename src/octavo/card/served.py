"""What the answers cost, and what it takes to give them."""

from collections.abc import Mapping
from typing import Any

from octavo.card.words import between, sure
from octavo.pages.html import Markup, facts, number, paragraph, section

Known = Mapping[str, Any]


def costs(known: Known) -> Markup:
    """Return the section on costs; nothing where none are told."""
    found = (known["verdict"] or {}).get("costs")
    if not found:
        return Markup("")
    saved = found["saved"]
    text = (
        f"1,000 rows of test cost {number(found['per_1000'])} ({between(found['interval'])}), with "
        f"yes from {number(found['threshold'])} on, which {found['yes']:.1%} of them are. Against "
        f"the cheaper of always and never, {number(saved['gain'])} is saved ({sure(saved)})."
    )
    pairs = [
        ("as told", found["per_1000"]),
        ("always yes", found["always"]),
        ("never yes", found["never"]),
    ]
    return section("Costs", paragraph(text), facts(pairs), _asked(known))


def _asked(known: Known) -> str:
    asked = (known["problem"] or {}).get("costs") or {}
    each = [
        f"{name.replace('_', ' ')} {number(value)}"
        for name, value in asked.items()
        if isinstance(value, (int, float))
    ]
    return paragraph(f"Told were, of one row: {', '.join(each)}.", soft=True) if each else ""


def served(known: Known) -> Markup:
    """Return the section on serving; nothing where it was not measured."""
    found = (known["verdict"] or {}).get("servable")
    if not found:
        return Markup("")
    refused = found.get("refused")
    said = "A clean process, in which no training library can be imported, loads and predicts."
    text = paragraph(f"It cannot be served: {refused}." if refused else said)
    if "load_seconds" not in found:
        return section("Serving", text)
    pairs = [
        ("to the first prediction", f"{found['load_seconds']:.2f} s"),
        ("one row, median", f"{found['p50_ms']:.3g} ms"),
        ("one row, 99 of 100", f"{found['p99_ms']:.3g} ms"),
        ("many rows", f"{found['rows_per_second']:,.0f} / s"),
        ("memory", f"{found['memory_mb']:,.0f} MB"),
        ("same bits", found["same_bits"]),
        ("alone as together", found["alone_as_together"]),
    ]
    return section("Serving", text, facts(pairs))
