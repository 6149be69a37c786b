"""What the sections of a report have in common: a stage's heading, its state, and what is next."""

from collections.abc import Mapping
from html import escape
from typing import Any

from octavo.pages.html import Markup, code, moment, number, paragraph

Known = Mapping[str, Any]

COMMANDS = {
    "problem": "octavo run --to problem",
    "ingestion": "octavo ingest",
    "prep": "octavo prep",
    "segregation": "octavo run --to segregation",
    "training": "octavo train",
    "evaluation": "octavo evaluate",
    "deployment": "octavo deploy",
    "monitoring": "octavo monitor",
}
"""By which each stage is run."""
MARKS = {"succeeded": "good", "failed": "fault", "interrupted": "note", "running": "note"}
"""How a state is coloured; others are pale."""

STYLE = """
.stages { display: grid; grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); gap: .5rem;
  margin: 1.4rem 0; padding: 0; list-style: none; font-size: 13px; }
.stages li { border: 1px solid var(--line); border-top: 4px solid var(--soft);
  border-radius: .3rem; padding: .35rem .6rem; background: var(--panel); break-inside: avoid; }
.stages li.good { border-top-color: var(--good); }
.stages li.fault { border-top-color: var(--fault); }
.stages li.note { border-top-color: var(--note); }
a { color: inherit; } .stages a { font-weight: 600; text-decoration: none; }
.stages a:hover { text-decoration: underline; }
section > h2 { border-top: 1px solid var(--line); padding-top: 1.2rem; }
h2 .soft { font-weight: 400; font-size: .85rem; }
.next { border-left: 4px solid var(--line); padding: .2rem .9rem; }
.failed { border-left: 4px solid var(--fault); background: var(--panel); padding: .5rem .9rem; }
.failed p { white-space: pre-wrap; }
.limit { stroke: var(--ink); stroke-dasharray: 2 2; }
@media (max-width: 40rem) { td:last-child { min-width: 9rem; } td { min-width: 3.5rem; } }
"""


def strip(known: Known) -> Markup:
    """Return the eight stages side by side, each with its state, leading to its section."""
    return Markup(f'<ol class="stages">{"".join(map(_tile, known["stages"]))}</ol>')


def _tile(stage: Known) -> str:
    css = MARKS.get(stage["state"], "")
    name = f'<a href="#{stage["name"]}">{stage["name"]}</a>'
    state = _state(stage).replace(", ", "<br>")
    return f'<li class="{css}">{name}<br><span class="soft">{state}</span></li>'


def _state(stage: Known) -> str:
    if stage["state"] == "running":
        return "running, or killed"
    if stage["seconds"] is None:
        return escape(stage["state"])
    return f"{escape(stage['state'])}, {duration(stage['seconds'])}"


def stage(known: Known, name: str, *parts: str) -> Markup:
    """Return the section of a stage; of one that never ran, the command that runs it."""
    at = next(n for n, each in enumerate(known["stages"]) if each["name"] == name)
    found = known["stages"][at]
    title = f"{at + 1} {name.capitalize()} <span class='soft'>{_state(found)}</span>"
    said = _rows(found) if found["state"] == "succeeded" else _next(known, found)
    body = "".join(parts)
    return Markup(f'<section id="{name}"><h2>{title}</h2>{said}{body}</section>')


def _rows(found: Known) -> str:
    if not found["rows_in"]:
        return ""
    text = f"{number(found['rows_in'])} rows in, {number(found['rows_out'])} out"
    text += f", {number(found['rejected'])} rejected" if found["rejected"] else ""
    return paragraph(f"Its last run: {text}. Why it ran: {found['why']}.", soft=True)


def _next(known: Known, found: Known) -> str:
    command = code(COMMANDS[found["name"]])
    if found["state"] == "waiting":
        return _box(paragraph("It has not run yet. What runs it:", command, soft=True), "next")
    if found["state"] == "running":
        said = "It runs now, or was killed; what goes on with it:"
        return _box(paragraph(said, command, soft=True), "next")
    error = known["failures"].get(found["name"]) or "Why is not recorded."
    if (known["error"] or "").startswith(error):  # the last run's, with all its lines
        error = known["error"]
    return _box(
        paragraph(error) + paragraph("What tries again:", command, soft=True),
        "failed" if found["state"] == "failed" else "next",
    )


def _box(body: str, css: str) -> str:
    return f'<div class="{css}">{body}</div>'


def candidate(known: Known, candidate_id: str) -> Markup:
    """Return a candidate's ID, leading to its model card where that is beside the page."""
    name, card = code(candidate_id), known["cards"].get(candidate_id)
    return Markup(f'<a href="{escape(card)}">{name}</a>') if card else name


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def when(known: Known, at: int | None) -> str:
    """Return a moment, and how long ago it is."""
    if at is None:
        return "–"
    ago = (known["at"] - at) / 1e6
    return f"{moment(at)} UTC, {duration(ago)} ago" if ago >= 0 else f"{moment(at)} UTC"


def several(count: int, noun: str) -> str:
    """Return a number with its noun."""
    ending = "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{'' if count == 1 else ending}"
