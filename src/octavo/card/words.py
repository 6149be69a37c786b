"""How a card says what may be chance."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import number


def between(ends: tuple[float | None, float | None]) -> str:
    """Return a 95 % interval in words."""
    low, high = ends
    return f"95 % interval {number(low)} to {number(high)}"


def p(value: float) -> str:
    """Return a p-value in words; what is not told from nothing is not called so."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def sure(gain: Mapping[str, Any]) -> str:
    """Return how sure a gain is, as a verdict has it."""
    if gain["significant"]:
        said = "more than chance"
    else:
        said = "it may be chance" if gain["gain"] > 0 else "it is no better"
    return f"{between(gain['interval'])}, {p(gain['p'])}; {said}"
