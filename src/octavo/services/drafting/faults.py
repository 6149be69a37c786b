"""What is wrong with the tables of a draft, and the treatments to be declared against it.

What is wrong is `octavo.quality`'s to say. Here is decided which treatments only repair, so that
they are declared and all that follows is drafted from treated columns, and which may take away
what was meant: these are left to a person. It knows nothing of features.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from octavo import definition
from octavo.definition import AsNumber, AsTime, Normalize, Null, Treatment
from octavo.definition.events import evaluate
from octavo.quality import Finding, examine
from octavo.services.drafting.columns import named_id
from octavo.services.drafting.joins import named_entity
from octavo.services.drafting.tables import Repair, Table, read_again

_SPELLED = {"blanks", "case", "accents", "dots", "separators", "truth"}
_NUMBERS = {"unit", "decimal_comma", "thousands", "minus", "parentheses", "zeros", "not_a_number"}
_TIMES = {"dates", "not_a_date"}
_REPAIRED = {*_SPELLED, *_NUMBERS, *_TIMES, "type", "placeholder", "sentinel", "infinite"}
"""Rules whose treatment changes what cannot have been meant."""

_UNIQUE = 0.9
"""Share of rows with a value of their own from which a column of texts names its rows."""


def repaired(tables: Sequence[Table], target: str) -> list[Table]:
    """Look at all tables, and treat what clearly is to be repaired.

    Parameters
    ----------
    target
        The column that is predicted: of its values none is taken away unasked.
    """
    frames = {table.name: table.frame for table in tables}
    return [
        _repaired(table, {n: f for n, f in frames.items() if n != table.name}, target)
        for table in tables
    ]


def _repaired(table: Table, others: Mapping[str, pl.DataFrame], target: str) -> Table:
    findings = _told_in_full(table, examine(table.frame, rejected=table.rejected, others=others))
    repairs = list(_repairs(table, findings, target))
    after = _treated(table, repairs)
    read = sorted({e.column for e in repairs if e.declared and not isinstance(e.treatment, Null)})
    if read:  # only now can be seen what is wrong with the numbers, or with labels without blanks
        later = [each for each in examine(after.frame.select(read)) if each.kind != "duplicate"]
        more = list(_repairs(after, later, target))
        after = _treated(after, more)
        findings, repairs = [*findings, *later], [*repairs, *more]
    return replace(after, findings=[*table.findings, *findings], repairs=repairs)


def _told_in_full(table: Table, findings: Sequence[Finding]) -> list[Finding]:
    """Tell what reads a column of numbers from all its values, not from the rejected ones alone."""
    names = {
        each.columns[0]
        for each in findings
        if each.rule == "type" and (each.treatment or "").startswith("ov.AsNumber")
    }
    if not names:
        return list(findings)
    texts = read_again(table, names).frame.select(sorted(names))
    told = {each.columns[0]: each.treatment for each in examine(texts) if each.kind == "format"}
    return [
        replace(each, treatment=told.get(each.columns[0], each.treatment))
        if each.rule == "type"
        else each
        for each in findings
    ]


def _repairs(table: Table, findings: Sequence[Finding], target: str) -> Iterator[Repair]:
    """Give the treatments of a table's faults; what reads numbers and times comes last."""
    found: dict[str, Repair] = {}
    for each in sorted(findings, key=lambda finding: finding.rule != "blanks"):
        line = each.treatment or ""
        called_for = each.weight == "fault" or each.rule in _TIMES  # Parquet may hold them as text
        if called_for and line.startswith("ov.") and not line.startswith("ov.Check"):
            treatment = eval(line, {"ov": definition, "pl": pl})  # noqa: S307  quality's own text
            declared = each.rule in _REPAIRED and _is_clear(treatment, table, target)
            found.setdefault(line, Repair(line, treatment, each.sentence, declared))
    read = {each.column for each in found.values() if each.declared and _reads(each)}
    for last in (False, True):
        for each in found.values():
            if _reads(each) == last and (last or each.column not in read):
                yield each


def _reads(repair: Repair) -> bool:
    """Return whether it reads numbers or times, and makes null of all else by that."""
    return isinstance(repair.treatment, AsNumber | AsTime)


def _is_clear(treatment: Treatment, table: Table, target: str) -> bool:
    """Return whether a treatment takes away nothing that may have been meant."""
    name, values = treatment.column, table.frame[treatment.column]
    if name == target and _takes_away(treatment, table):
        return False
    match treatment:
        case Null():
            is_key = values.dtype == pl.String and values.n_unique() >= _UNIQUE * values.len()
            return not is_key and -1 not in treatment.values
        case AsNumber():
            several = len(treatment.units) > 1 and set(treatment.units.values()) == {1.0}
            is_key = values.dtype.is_integer() and (named_id(name) or named_entity(name))
            return not several and not is_key
        case _:
            return isinstance(treatment, Normalize | AsTime)


def _takes_away(treatment: Treatment, table: Table) -> bool:
    """Return whether a treatment makes null of a value."""
    name = treatment.column
    if treatment.reads_text and table.frame.schema[name] != pl.String:
        table = read_again(table, [name])
    before = table.frame[name]
    after = evaluate(table.frame, [treatment.expression.alias(name)], where=f"treat, {name}")[name]
    return bool((after.is_null() & before.is_not_null()).any())


def _treated(table: Table, repairs: Collection[Repair]) -> Table:
    """Return a table as the declared treatments leave it, with the rows that they let in."""
    declared = [each.treatment for each in repairs if each.declared]
    texts = {each.column for each in declared if each.reads_text}
    if any(table.frame.schema[name] != pl.String for name in texts):
        table = read_again(table, texts)
    frame = table.frame
    for each in declared:
        frame = evaluate(frame, [each.expression.alias(each.column)], where=f"treat, {each.column}")
    return replace(table, frame=frame)
