"""What a draft found and decided, in plain words for the terminal, and as one document."""

from collections.abc import Mapping, Sequence
from typing import Any

from octavo.services.drafting import code
from octavo.services.drafting.clock import Clock
from octavo.services.drafting.draft import Draft
from octavo.services.drafting.script import shown_split
from octavo.services.drafting.tables import Table
from octavo.services.drafting.windows import DAY

NAMED = 12
"""Columns named in one sentence, and sentences about one table's faults."""

_UNSAID = ("constant", "covariance")  # the first is said of columns, the second no next step


def words(draft: Draft) -> list[tuple[str, str]]:
    """Return headings with what is said under each."""
    target = draft.target
    found = [("Rows", told_rows(draft.rows))]
    found.append(("Target", f"{target.why}: a {target.kind} problem. {target.rows_note}".rstrip()))
    found.append(("Answered", f"{target.metric} of at least {_asked(draft)}. {target.figure_note}"))
    found.append(("Time", told_time(draft.clock)))
    found.append(("Split", f"{shown_split(draft)}: {draft.why_split}"))
    kinds = ("number", "category", "boolean", "text", "time")
    counts = {kind: sum(c.role == kind for c in draft.features) for kind in kinds}
    plural = {"category": "categories", "boolean": "yes or no", "time": "dates", "text": "texts"}
    said = ", ".join(f"{n} {plural.get(kind, kind + 's')}" for kind, n in counts.items() if n)
    found.append(("Columns", said or "none of the rows' own"))
    if draft.texts:
        found.append(("Texts", _texts(draft)))
    if draft.left_out:
        found.append(("Left out", by_reason(draft.left_out)))
    if draft.suspected:
        said = by_reason(draft.suspected)
        found.append(("Suspected", f"{said}. Kept: find out when they are written"))
    for link in draft.links:
        keys = " and ".join(
            own if own == key else f"{own} (there {key})"
            for own, key in zip(link.rows_key, link.key, strict=True)
        )
        kind = "what is known of it" if link.clock is None else "its latest events"
        found.append(
            ("Joined", f"{link.table.name} by {keys}: {kind}; {link.met:.1%} of rows meet it")
        )
    if draft.unmet:
        names = ", ".join(table.paths[0].name for table in draft.unmet)
        found.append(("Not used", f"{names}: no column says more about the rows"))
    if draft.past is not None:
        who = ", ".join(draft.past.entities) or "all rows, as one series"
        found.append(("Windows", f"over {', '.join(draft.past.over)} before each row, for {who}"))
    return found + faults(_tables(draft))


def faults(tables: Sequence[Table]) -> list[tuple[str, str]]:
    """Return what is wrong with tables, and what may be meant."""
    return [
        (heading, said)
        for weight, heading in (("fault", "Wrong"), ("note", "Noted"))
        for table in tables
        for said in _said_of_faults(table, weight)
    ]


def faults_document(tables: Sequence[Table]) -> dict[str, Any]:
    """Return the same as plain values."""
    treated = {t.name: [each.line for each in t.repairs if each.declared] for t in tables}
    return {"faults": {t.name: [f.document() for f in t.findings] for t in tables}} | {
        "treated": treated
    }


def _tables(draft: Draft) -> list[Table]:
    """Return all tables, each once."""
    every = (draft.rows, *(link.table for link in draft.links), *draft.unmet)
    return list({table.name: table for table in every}.values())


def _said_of_faults(table: Table, weight: str) -> list[str]:
    """Return what quality finds wrong with a table, and what becomes of it."""
    repairs = {repair.why: repair for repair in table.repairs}
    findings = [f for f in table.findings if f.weight == weight and f.rule not in _UNSAID]
    said = []
    for each in findings[:NAMED]:
        sentence, repair = (
            f"{table.name}: {each.sentence}".replace("`", ""),
            repairs.get(each.sentence),
        )
        if repair is not None:
            sentence += " Treated: " if repair.declared else " Not treated; if it should be: "
            sentence += f"{repair.line}"
        said.append(sentence)
    rest = len(findings) - len(said)
    return said + ([f"{table.name}: {rest} more; `octavo quality` tells all"] if rest else [])


def told_rows(table: Table) -> str:
    """Return what was read, and what could not be."""
    files = table.paths[0].name
    files += f" and {len(table.paths) - 1} more" if len(table.paths) > 1 else ""
    said = f"{files}: {table.rows}, {len(table.frame.columns)} columns"
    aside = table.rejected.height
    return said + (f"; {aside:,} records cannot be read and will be kept aside" if aside else "")


def rows_document(table: Table) -> dict[str, Any]:
    """Return the same as plain values."""
    return {
        "dataset": table.name,
        "files": [str(path) for path in table.paths],
        "read": table.frame.height,
        "whole": table.whole,
        "rejected": table.rejected.height,
    }


def _texts(draft: Draft) -> str:
    read = ", ".join(f"{name} (skill {skill:.2f} of 1)" for name, skill in draft.texts.items())
    return f"words that tell of the target, read one by one: {read}"


def _asked(draft: Draft) -> str:
    figure = draft.target.at_least
    if figure.startswith("ov.Lift"):
        return f"{figure.removeprefix('ov.Lift(').removesuffix(')')} times that of guessing"
    return figure


def told_time(clock: Clock | None) -> str:
    """Return when rows happened, and how that was told."""
    if clock is None:
        return "none found (--time COLUMN names one): all rows count as known from the beginning"
    known = clock.values.drop_nulls()
    since, until = known.min(), known.max()
    form = "%Y-%m-%d" if clock.step >= DAY else "%Y-%m-%d %H:%M"
    span = f", {since:{form}} to {until:{form}}" if clock.is_calendar else ""  # type: ignore[str-format]
    said = clock.why.replace("`", "") or f"the column {clock.name}."
    missing = clock.values.null_count()
    rest = f" {missing:,} rows have none, and will be kept aside." if missing else ""
    return said.rstrip(".") + span + "." + rest


def by_reason(columns: Mapping[str, str]) -> str:
    """Return columns with the reasons for what is said of them, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, why in columns.items():
        by_reason.setdefault(why, []).append(name)
    parts = []
    for why, names in by_reason.items():
        shown = ", ".join(names[:NAMED]) + (
            f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        )
        parts.append(f"{shown} ({why})")
    return "; ".join(parts[:NAMED]) + ("; …" if len(parts) > NAMED else "")


def document(draft: Draft) -> dict[str, Any]:
    """Return the draft as plain values."""
    target, clock, past = draft.target, draft.clock, draft.past
    return {
        "rows": rows_document(draft.rows),
        "problem": {
            "question": target.question,
            "target": target.name,
            "kind": target.kind,
            "metric": target.metric,
            "at_least": target.at_least,
            "label": code.written(target.value),
            "why": target.why,
        },
        "event_id": draft.event_id,
        "event_time": clock.expression if clock else None,
        "split": draft.split,
        "features": {column.name: column.role for column in draft.features},
        "texts": dict(draft.texts),
        "left_out": dict(draft.left_out),
        "leaky": list(draft.leaky),
        "suspected": dict(draft.suspected),
        "joined": [
            {"dataset": link.table.name, "on": dict(zip(link.rows_key, link.key, strict=True)),
             "met": link.met}
            for link in draft.links
        ],
        "not_used": [table.name for table in draft.unmet],
        "windows": {"entities": list(past.entities), "over": list(past.over)} if past else None,
        **faults_document(_tables(draft)),
    }  # fmt: skip
