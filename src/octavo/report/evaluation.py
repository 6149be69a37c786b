"""The verdict on the newest judged candidate, and those before it."""

from collections.abc import Mapping
from typing import Any

from octavo.card.curves import drawn
from octavo.card.verdict import figures
from octavo.card.words import between, sure
from octavo.pages.html import Figure, Markup, code, moment, number, paragraph, table
from octavo.report.frame import candidate, stage

Known = Mapping[str, Any]

VERDICTS = 10
"""Verdicts that are listed at the most: the newest."""


def evaluation(known: Known) -> Markup:
    """Return the section."""
    found = known["verdict"]
    if found is None:
        return stage(known, "evaluation")
    return stage(
        known,
        "evaluation",
        _answer(known, found),
        figures(found),
        _pictures(known),
        _card(known, found),
        _earlier(known),
    )


def _answer(known: Known, found: Known) -> str:
    word = "Answered." if found["answered"] else "Not answered."
    kept = "" if found["promoted"] else f"It is not promoted: {found['reason']}."
    return paragraph(
        Markup(f"<b>{word}</b>"),
        candidate(known, found["candidate"]),
        f"({found['algorithm']}) has {found['metric']} {number(found['test'])} on test",
        f"({between(found['test_interval'])}); {number(found['threshold'])} was needed.",
        f"Its gain over the trivial baseline: {sure(found['gain'])}.",
        kept,
    )


def _pictures(known: Known) -> Markup:
    judged = known["judged"]
    if judged is None:
        said = "The candidate's folder is there no longer, so nothing is drawn of it."
        return paragraph(said, soft=True)
    return drawn(judged)


def _card(known: Known, found: Known) -> Markup:
    if known["judged"] is None:
        return Markup("")
    if found["candidate"] in known["cards"]:
        name = candidate(known, found["candidate"])
        return paragraph("All that is known of it is in its model card:", name, soft=True)
    command = code(f"octavo card {found['candidate']} -o card.html")
    return paragraph("All that is known of it, its model card:", command, soft=True)


def _earlier(known: Known) -> str:
    rows = [
        (
            Figure(moment(each["at"])),
            candidate(known, each["candidate_id"]),
            each["document"]["algorithm"],
            each["document"]["test"],
            each["document"]["threshold"],
            bool(each["answered"]),
            each["document"]["promoted"],
        )
        for each in known["verdicts"][-VERDICTS:]
    ]
    if len(rows) < 2:
        return ""
    head = ("when (UTC)", "candidate", "algorithm", "on test", "needed", "answered", "promoted")
    return f"<h3>Verdicts</h3>{table(head, rows)}"
