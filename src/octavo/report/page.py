"""The report as one page: what is asked, how the stages are, and a section for each of them."""

from collections.abc import Mapping
from html import escape
from typing import Any

from octavo.card.verdict import STYLE as VERDICT
from octavo.pages import plots, times
from octavo.pages.html import Markup, code, document, facts, moment, number, paragraph
from octavo.pages.times import Stretch, lanes
from octavo.quality.page import STYLE as QUALITY
from octavo.report import frame
from octavo.report.deployment import deployment
from octavo.report.evaluation import evaluation
from octavo.report.ingestion import ingestion
from octavo.report.monitoring import monitoring
from octavo.report.prep import prep
from octavo.report.problem import goal, problem
from octavo.report.record import decisions, runs
from octavo.report.segregation import segregation
from octavo.report.training import training
from octavo.report.watch import watch

Known = Mapping[str, Any]


def report(known: Known, at: int, cards: Mapping[str, str] = {}) -> str:
    """Return the page.

    Parameters
    ----------
    known
        What `octavo.status.status` and `octavo.services.overview.overview` give, together.
    at
        When it is drawn, microseconds since the epoch.
    cards
        Candidate to where its model card is, as seen from the page; of others the command is named.
    """
    known = {**known, "at": at, "cards": cards}
    parts = (
        _head(known),
        problem(known),
        ingestion(known),
        prep(known),
        segregation(known),
        training(known),
        evaluation(known),
        deployment(known),
        monitoring(known),
        watch(known),
        runs(known),
        decisions(known),
    )
    style = VERDICT + QUALITY + plots.STYLE + times.STYLE + frame.STYLE
    return document(f"{known['pipeline']}: report", parts, style)


def _head(known: Known) -> str:
    verdict, live = known["verdict"], known["deployment"]
    metric = known["problem"]["metric"]
    figure = f"{metric} {number(verdict['test'])}" if verdict else "not measured yet"
    pairs = [
        ("last run", known["state"]),
        ("on test", figure),
        ("goal", goal(known["problem"])),
        ("live", frame.candidate(known, live["candidate"]) if live else "nothing"),
        ("drawn", f"{moment(known['at'])} UTC"),
    ]
    return (
        f"<header>{paragraph('Report of', code(known['pipeline']), soft=True)}"
        f"<h1>{escape(known['problem']['question'])}</h1>{_badge(verdict)}{facts(pairs)}</header>"
        f"{frame.strip(known)}{_steps(known)}"
    )


def _badge(verdict: Known | None) -> str:
    css, said = "note", "Not answered yet"
    if verdict and verdict["answered"]:
        css, said = "good", "Answered"
    return f'<div class="badge {css}">{said}</div>'


def _steps(known: Known) -> Markup:
    """Return how long the stages of the last run took, and when."""
    found: dict[str, list[Stretch]] = {}
    for step in known["steps"]:
        end = step["finished_at"] or step["started_at"]
        css = frame.MARKS.get(step["state"], "pale")
        took = "" if step["seconds"] is None else f" after {frame.duration(step['seconds'])}"
        stretch = Stretch(step["started_at"], end, css, f"{step['stage']}: {step['state']}{took}")
        found.setdefault(step["stage"], []).append(stretch)
    if len(found) < 2:
        return Markup("")
    return Markup(f"<h3>The last run</h3>{lanes(found.items())}")
