"""How far the newest data are from those of training, and how good answers were as labels came."""

from collections.abc import Mapping, Sequence
from typing import Any

from octavo.pages.html import Figure, Markup, code, facts, moment, number, paragraph, table
from octavo.pages.plots import Axis, Plot, plots
from octavo.report.frame import several, stage

Known = Mapping[str, Any]

LISTED = 15
"""Features that are listed with their drift at the most."""
_BAR = 160


def monitoring(known: Known) -> Markup:
    """Return the section."""
    if not known["watched"]:
        return stage(known, "monitoring", _nothing(known))
    found = known["watched"][-1]["outputs"]
    return stage(
        known,
        "monitoring",
        facts(_pairs(found)),
        plots(_pictures(known)),
        _drift(found),
        paragraph(_lacking(found), soft=True),
    )


def _nothing(known: Known) -> Markup:
    ran = known["stages"][7]["state"] == "succeeded"
    return paragraph("Nothing was live that it could watch." if ran else "", soft=True)


def _pairs(found: Known) -> list[tuple[str, Any]]:
    window = "the newest batch"
    if found["from"]:
        window = f"{found['from'][:16]} to {found['to'][:16]}"
    pairs = [
        ("looked at", window),
        ("drifted", f"{len(found['drifted'])} of {len(found['drift'])}"),
        ("threshold", f"{found['measure']} {found['threshold']:g}"),
    ]
    if performance := found["performance"]:
        name, rows = performance["metric"], performance["labeled"]
        pairs.append((f"{name} of {rows:,} labeled rows", number(performance["figure"])))
        pairs.append((f"{name} on test", number(performance["test"])))
    if alarms := found.get("alarms"):
        pairs.append(("yes", f"{alarms['raised']:,} of {alarms['rows']:,}"))
    return pairs


def _drift(found: Known) -> str:
    measure, threshold = found["measure"], found["threshold"]
    ranked = sorted(found["drift"].items(), key=lambda item: (-item[1][measure], item[0]))
    # Of one that has drifted very far the bar is cut, so that others can be told apart.
    top = min(max(threshold * 2, ranked[0][1][measure]), threshold * 6) or 1.0
    rows = [
        (
            code(name),
            values[measure],
            _bar(values[measure], top, threshold),
            Figure(f"{values['nulls']:+.1%}") if abs(values["nulls"]) >= 0.0005 else None,
            "drifted" if values[measure] >= threshold else "",
        )
        for name, values in ranked[:LISTED]
    ]
    more = len(ranked) - LISTED
    rest = f"And {several(more, 'feature')} that drifted less." if more > 0 else ""
    head = ("feature", measure, f"dashed: {threshold:g}", "missing", "")
    return table(head, rows) + paragraph(rest, soft=True)


def _bar(value: float, top: float, threshold: float) -> Markup:
    """Return a bar, coloured from the threshold on, which is marked."""
    css, width = "gone" if value >= threshold else "fill", _BAR * min(value, top) / top
    at = f"{_BAR * threshold / top:.1f}"
    return Markup(
        f'<svg width="{_BAR}" height="14" role="img" aria-label="{number(value)}">'
        f'<rect class="{css}" y="2" width="{max(width, 0):.1f}" height="10"/>'
        f'<line class="limit" x1="{at}" x2="{at}" y1="0" y2="14"/></svg>'
    )


def _pictures(known: Known) -> list[Markup]:
    looks = known["watched"]
    if len(looks) < 2:
        return []
    days = [(each["finished_at"] - looks[0]["finished_at"]) / 86_400e6 for each in looks]
    across = Axis.around(f"days since {moment(looks[0]['finished_at'])} UTC", days, zero=True)
    shares = [len(o["drifted"]) / len(o["drift"]) for o in (each["outputs"] for each in looks)]
    drift = Plot("Drifted features", across, Axis("share", 0, 1)).line(days, shares)
    for day, share in zip(days, shares, strict=True):
        drift.dot(day, share, f"{share:.1%}")
    figures = [drift.figure("Share of the features above the threshold, at each look.")]
    return figures + _performance(across, days, [each["outputs"] for each in looks])


def _performance(across: Axis, days: Sequence[float], looks: Sequence[Known]) -> list[Markup]:
    told = [
        (day, look["performance"])
        for day, look in zip(days, looks, strict=True)
        if look["performance"]
    ]
    if len(told) < 2:
        return []
    values = [each["figure"] for _, each in told]
    tests = [each["test"] for _, each in told if each["test"] is not None]
    metric = told[-1][1]["metric"]
    plot = Plot("Performance", across, Axis.around(metric, [*values, *tests]))
    if tests:
        plot.line([across.low, across.high], [tests[-1], tests[-1]], plain=True)
    plot.line([day for day, _ in told], values)
    for day, each in told:
        plot.dot(day, each["figure"], f"{number(each['figure'])}, {each['labeled']:,} labeled rows")
    return [plot.figure("Of rows whose label has come, at each look. Dashed: on test.")]


def _lacking(found: Known) -> str:
    lacking = found.get("lacking")
    return (
        f"Not compared, for they are not computed any more: {', '.join(lacking)}."
        if lacking
        else ""
    )
