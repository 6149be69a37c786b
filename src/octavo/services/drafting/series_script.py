"""A watch written as ``pipeline.py``, told in words, and as one document."""

from pathlib import Path
from typing import Any

from octavo.services.drafting.clock import unused
from octavo.services.drafting.code import (
    Code,
    Group,
    Item,
    argument,
    call,
    column,
    comment,
    filled,
    listed,
    text,
    texts,
    written,
)
from octavo.services.drafting.datasets import assigned, dataset, folder_of, head
from octavo.services.drafting.series import Watch, plain_names
from octavo.services.drafting.words import (
    by_reason,
    faults,
    faults_document,
    rows_document,
    told_rows,
    told_time,
)

TIMES = 5
"""How many times more, or fewer, alarms than budgeted still answer. Low on purpose."""

_QUESTION = "Which readings are unusual for their series?"


def series_script(watch: Watch, folder: Path) -> str:
    """Return the source of ``pipeline.py`` in a folder."""
    base = folder_of(watch.rows.paths, folder)
    names = plain_names(watch)
    computed: dict[str, Code] = {name: column(own) for own, name in names.items() if name != own}
    if not watch.keys:
        computed.update(dict.fromkeys(_keys(watch), 'pl.lit("all")'))
    identity = [text(name) for name in watch.event_id]
    declared = dataset(
        watch.rows,
        folder,
        base,
        clock=watch.clock,
        event_id=_one_or_list(identity),
        computed=computed,
        useless=watch.left_out,
    )
    body = "\n\n".join([declared, _usual(watch), _pipeline(watch)]) + "\n"
    return "\n\n".join([*head(_QUESTION, watch.rows, base, body), body])


def _one_or_list(values: list[str]) -> str | None:
    if len(values) > 1:
        return f"[{', '.join(values)}]"
    return values[0] if values else None


def _keys(watch: Watch) -> tuple[str, ...]:
    return watch.keys or (unused("series", watch.rows.frame.columns),)


def _usual(watch: Watch) -> str:
    """Return what each reading is compared with."""
    said = (
        f"A reading is unusual if it is a record of the last {watch.usual} or {watch.long} of its "
        f"series, by far, or if the last {watch.short} lie off the last {watch.usual}. Nothing is "
        f"said before a series has lasted {watch.usual}."
    )
    names = list(plain_names(watch).values())
    spans = {"short": watch.short, "usual": watch.usual, "long": watch.long}
    given: dict[str, Code] = {name: text(span) for name, span in spans.items()}
    entries: list[str | Item] = [text(name) for name in names]
    entries += [Item(text(n), comment=why, off=True) for n, why in watch.left_out.items()]
    deviations = call(
        "ov.Deviations", watch.rows.name, "name", key=texts(_keys(watch)), **given, name="name"
    )
    one = written(deviations, 4)
    listing = f"watched = {filled(entries, 0, len('watched = '))}"
    return "\n".join([*comment(said), listing, f"usual = [\n    {one}\n    for name in watched\n]"])


def _pipeline(watch: Watch) -> str:
    problem = Group(
        "ov.Problem(",
        [
            Item(text(_QUESTION)),
            argument("target", text("anomaly")),
            argument("kind", text("anomaly")),
            argument("budget", f"{watch.budget:g}", _said_of_budget(watch.budget)),
            argument("metric", text("alarm_ratio"), "needs no label: do alarms keep to it?"),
            argument("at_most", str(TIMES), f"up to {TIMES} times as many, or as few as a fifth"),
        ],
        ")",
    )
    parts = [
        argument("problem", problem),
        argument("datasets", listed([watch.rows.name])),
        argument("rows", watch.rows.name),
        argument("views", "[each.view for each in usual]"),
        argument("derived", "[how_far for each in usual for how_far in each.derived]"),
        argument("inputs", "[name for each in usual for name in each.inputs]"),
    ]
    if watch.window is not None:
        parts.append(argument("monitor", call("ov.Monitor", window=text(watch.window))))
    return assigned("pipeline", Group("ov.Pipeline(", parts, ")"))


def _said_of_budget(budget: float) -> str:
    return f"one reading in {round(1 / budget):,} may raise an alarm"


def series_words(watch: Watch) -> list[tuple[str, str]]:
    """Return headings with what is said under each."""
    by = " and ".join(watch.keys)
    which = f"{watch.series:,}, by {by}" if watch.keys else "all rows are one series"
    found = [
        ("Rows", told_rows(watch.rows)),
        (
            "Problem",
            "unusual readings are looked for, since no --target is named",
        ),
        ("Watched", ", ".join(watch.watched)),
        ("Series", f"{which}: {watch.why_key}"),
        ("Time", told_time(watch.clock)),
        (
            "Usual",
            f"the last {watch.usual} of a series, for records {watch.long} too; a shift lasts "
            f"{watch.short}",
        ),
        ("Alarms", _said_of_budget(watch.budget)),
        ("Answered", f"alarm_ratio of at most {TIMES}: alarms keep to that budget"),
        ("Split", "by time: the newest rows test what was learned from older ones"),
    ]
    if watch.left_out:
        found.append(("Left out", by_reason(watch.left_out)))
    if watch.unmet:
        names = ", ".join(table.paths[0].name for table in watch.unmet)
        found.append(("Not used", f"{names}: a series is one table"))
    return found + faults([watch.rows])


def series_document(watch: Watch) -> dict[str, Any]:
    """Return the watch as plain values."""
    return {
        "rows": rows_document(watch.rows),
        "problem": {"question": _QUESTION, "kind": "anomaly", "metric": "alarm_ratio",
                    "at_most": TIMES, "budget": watch.budget},
        "event_id": list(watch.event_id),
        "event_time": watch.clock.expression,
        "series": {"key": watch.key, "number": watch.series},
        "watched": list(watch.watched),
        "windows": {"short": watch.short, "usual": watch.usual, "long": watch.long},
        "left_out": dict(watch.left_out),
        **faults_document([watch.rows]),
    }  # fmt: skip
