"""How what may be chance is said, on a card and in a terminal."""

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


def chosen_by_loss(verdict: Mapping[str, Any]) -> str:
    """Return how the log loss chose the candidate; "" if the figure alone did."""
    found = verdict.get("chosen_by_loss")  # none in a verdict of an earlier Octavo
    if not found:
        return ""
    return (
        f"{found['among']} candidates are within one standard error "
        f"({number(found['standard_error'])}) of the best {verdict['metric']} on validation, "
        f"{number(found['best'])}; of these the one with the least log loss "
        f"({number(found['log_loss'])}) was chosen."
    )
