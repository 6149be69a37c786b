"""The newest search: what was tried, what it came to, and what failed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octavo.pages.html import Figure, Markup, code, facts, number, paragraph, table
from octavo.pages.plots import Axis, Plot, plots
from octavo.report.frame import duration, several, stage, when

Known = Mapping[str, Any]

FAILED = 5
"""Failed trials whose errors are shown at the most."""


def training(known: Known) -> Markup:
    """Return the section."""
    study = known["study"]
    if study is None:
        return stage(known, "training")
    trials = study["trials"]
    measured = [each for each in trials if each["figure"] is not None]
    pairs = [
        ("search", study["study"]),
        ("begun", when(known, study["started_at"])),
        ("took", _took(study)),
        ("trials", len(trials)),
        ("best on validation", number(best(known, measured))),
    ]
    return stage(
        known,
        "training",
        facts(pairs),
        plots(_pictures(known, measured)),
        _algorithms(known, trials),
        _failed(trials),
        paragraph("All of them:", code("octavo candidates --trials"), soft=True),
    )


def _took(study: Known) -> str | None:
    if study["finished_at"] is None:
        return None
    return duration((study["finished_at"] - study["started_at"]) / 1e6)


def best(known: Known, measured: Iterable[Known]) -> float | None:
    """Return the best figure of some trials."""
    figures = [each["figure"] for each in measured]
    if not figures:
        return None
    return max(figures) if known["more_is_better"] else min(figures)


def _pictures(known: Known, measured: Sequence[Known]) -> list[Markup]:
    if len(measured) < 2:
        return []
    metric, better = known["problem"]["metric"], max if known["more_is_better"] else min
    numbers = [each["number"] + 1 for each in measured]
    figures = [each["figure"] for each in measured]
    so_far = [better(figures[: n + 1]) for n in range(len(figures))]
    across = Axis("trial", 0, max(*numbers, 2))
    plot = Plot("Search", across, Axis.around(f"{metric} on validation", figures))
    # A step is at the trial that has brought it: the line goes on to the right of it.
    plot.line(*_risen(numbers, so_far))
    for each in measured:
        said = f"{each['role']} {each['number']}, {each['algorithm']}: {number(each['figure'])}"
        plot.dot(each["number"] + 1, each["figure"], said)
    took = [each["seconds"] or 0.0 for each in measured]
    cost = Plot("Time", Axis.around("seconds", took, zero=True), Axis.around(metric, figures))
    for each, seconds in zip(measured, took, strict=True):
        cost.dot(seconds, each["figure"], f"{each['algorithm']}: {seconds:.1f} s")
    return [
        plot.figure("Each trial, and the best so far."),
        cost.figure("What each trial took, and what it came to."),
    ]


def _risen(xs: Sequence[int], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    across, up = [float(xs[0])], [ys[0]]
    for x, y in zip(xs[1:], ys[1:], strict=True):
        across += [x, x]
        up += [up[-1], y]
    return across, up


def _algorithms(known: Known, trials: Sequence[Known]) -> Markup:
    rows = []
    for name in dict.fromkeys(each["algorithm"] for each in trials):
        own = [each for each in trials if each["algorithm"] == name]
        states = [each["state"] for each in own]
        rows.append(
            (
                name,
                len(own),
                best(known, [each for each in own if each["figure"] is not None]),
                states.count("pruned"),
                states.count("failed"),
                Figure(duration(sum(each["seconds"] or 0.0 for each in own))),
            )
        )
    metric = known["problem"]["metric"]
    head = ("algorithm", "trials", f"best {metric}", "pruned", "failed", "together")
    return table(head, rows)


def _failed(trials: Sequence[Known]) -> str:
    failed = [each for each in trials if each["error"]]
    rows = [(each["number"], each["algorithm"], each["error"]) for each in failed[:FAILED]]
    if not rows:
        return ""
    more = len(failed) - FAILED
    rest = paragraph(f"And {several(more, 'trial')} more.", soft=True) if more > 0 else ""
    return f"<h3>Failed trials</h3>{table(('trial', 'algorithm', 'error'), rows)}{rest}"
