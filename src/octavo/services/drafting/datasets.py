"""Datasets, and what stands above them, as source text: the same in every drafted definition."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import polars as pl

from octavo.services.drafting import code
from octavo.services.drafting.clock import Clock
from octavo.services.drafting.code import Code, Item, call, listed, mapped, text
from octavo.services.drafting.tables import Table

_TYPES = {pl.Date: "pl.Date", pl.Datetime: 'pl.Datetime("us", "UTC")'}


def head(question: str, rows: Table, base: Path | None, source: str) -> list[str]:
    """Return the docstring and the imports of a definition.

    Parameters
    ----------
    base
        The folder of the data, from `folder_of`.
    source
        What follows.
    """
    name = ", ".join(path.name for path in rows.paths[:3])
    name += ", …" if len(rows.paths) > 3 else ""
    read = f"{name} ({rows.rows}, {len(rows.frame.columns)} columns)"
    said = f"Drafted by `octavo init` from {read}. It is yours now: correct it, and `octavo run`."
    body = "\n".join(line.removeprefix("# ") for line in code.comment(said))
    question = question.replace("\\", "\\\\").replace('"""', "'''")
    lines = ["from pathlib import Path", ""] if base else []
    lines += ["import polars as pl", ""] if "pl" in code.names_in(source) else []
    lines += ["import octavo as ov"]
    lines += ["", f"DATA = Path({text(str(base))})"] if base else []
    return [f'"""{question}\n\n{body}\n"""', "\n".join(lines)]


def folder_of(files: Sequence[Path], folder: Path) -> Path | None:
    """Return the folder that all files outside the project share; None if they are in it."""
    outside = {path.parent for path in files if not path.is_relative_to(folder)}
    return outside.pop() if len(outside) == 1 and len(files) > 1 else None


def dataset(
    table: Table,
    folder: Path,
    base: Path | None,
    *,
    clock: Clock | None,
    event_id: str | None = None,
    computed: Mapping[str, Code] | None = None,
    useless: Collection[str] = (),
) -> str:
    """Return the source of a dataset.

    Parameters
    ----------
    folder, base
        The project's, and that of the data.
    clock
        When its rows happened.
    event_id
        Source of what identifies a row.
    computed
        Columns to be computed besides the clock.
    useless
        Columns that are not used: of these only what is repaired is treated.
    """
    places = [_place(path, folder, base) for path in table.paths]
    given, read = places[0] if len(places) == 1 else listed(places), table.reading
    nested = call("ov.Nested", whole=code.texts(read.whole)) if read.whole else None
    types = mapped({name: _TYPES[dtype.base_type()] for name, dtype in read.types.items()})
    lines = text(read.lines) if read.lines else None
    files = call("ov.Files", given, lines=lines, types=types, nested=nested)
    columns: dict[str, Code] = dict(computed or {})
    if clock is not None and clock.column is None:
        columns = {clock.name: clock.expression, **columns}
    declared = call(
        "ov.Dataset",
        text(table.name),
        files,
        event_id=event_id,
        columns=mapped(columns),
        event_time=text(clock.name) if clock else None,
        treat=_treat(table, useless),
    )
    above = code.comment(clock.why) if clock is not None and clock.why else []
    above += [clock.before, ""] if clock is not None and clock.before else []
    return "\n".join([*above, assigned(table.name, declared)])


def _place(path: Path, folder: Path, base: Path | None) -> str:
    if path.is_relative_to(folder):
        return text(str(path.relative_to(folder)))
    return f"DATA / {text(path.name)}" if path.parent == base else text(str(path))


def _treat(table: Table, useless: Collection[str]) -> Code | None:
    """Return what is declared against a table's faults; what may be meant is commented out."""
    repairs = [each for each in table.repairs if each.declared or each.column not in useless]
    items = [
        Item(code.parsed(each.line), comment=each.why, off=not each.declared) for each in repairs
    ]
    return listed(items) if items else None


def assigned(name: str, value: Code) -> str:
    """Return an assignment."""
    return f"{name} = {code.written(value, 0, len(name) + 3)}"
