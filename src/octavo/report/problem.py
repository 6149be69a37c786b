"""What is asked, how it is measured, and whether it is answered."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Markup, facts
from octavo.report.frame import stage

Known = Mapping[str, Any]


def problem(known: Known) -> Markup:
    """Return the section."""
    pairs = [
        ("target", known["target"]),
        ("kind", known["kind"]),
        ("metric", known["problem"]["metric"]),
        ("goal", goal(known["problem"])),
        ("answered", _answered(known)),
    ]
    return stage(known, "problem", facts(pairs))


def goal(problem: Known) -> str:
    """Return in words what figure answers the question."""
    at_least, at_most = problem["at_least"], problem.get("at_most")
    if at_most is not None:
        return f"at most {at_most:g}"
    if isinstance(at_least, Mapping):
        return f"{at_least['lift']:g} × the trivial baseline"
    return f"at least {at_least:g}"


def _answered(known: Known) -> str:
    if known["verdict"] is None:
        return "not yet"
    return "yes" if known["verdict"]["answered"] else "no"
