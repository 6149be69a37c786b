"""The last runs, and what was decided last, by whom."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, code, moment, paragraph, section, table
from octavo.report.frame import duration

Known = Mapping[str, Any]


def runs(known: Known) -> Markup:
    """Return the section on runs; nothing before the first."""
    rows = [
        (
            code(each["run_id"]),
            Figure(moment(each["started_at"])),
            each["state"],
            _took(each),
            each["reason"],
            _first_line(each["error"]),
        )
        for each in reversed(known["runs"])
    ]
    head = ("run", "begun (UTC)", "state", "took", "why", "error")
    return section("Last runs", table(head, rows))


def decisions(known: Known) -> Markup:
    """Return the section on the audit log."""
    rows = [
        (
            Figure(moment(each["at"])),
            each["actor"] or None,
            each["kind"],
            each["subject"],
            str(each["document"].get("reason") or each["document"].get("comment") or ""),
        )
        for each in reversed(known["decisions"])
    ]
    if not rows:
        return section("Audit", paragraph("Nothing has happened yet.", soft=True))
    said = paragraph(
        "All of it:", code("octavo audit list"), "That none was changed:",
        code("octavo audit verify"), soft=True,
    )  # fmt: skip
    return section("Audit", table(("when (UTC)", "who", "what", "of", "why"), rows), said)


def _took(run: Known) -> Figure | None:
    if run["finished_at"] is None:
        return None
    return Figure(duration((run["finished_at"] - run["started_at"]) / 1e6))


def _first_line(error: str | None) -> str:
    return error.splitlines()[0] if error else ""
