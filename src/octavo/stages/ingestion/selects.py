"""The SELECTs that are asked of a database, whichever it is.

It knows nothing of types, connections or rows.
"""

from collections.abc import Sequence

from octavo.definition import Sql

ADDRESS = "the connection's address, in octavo.toml or OCTAVO_DATABASE_NAME"
"""Where a person finds it."""


def base(source: Sql) -> str:
    """Return the query of a source, or one for all of its table."""
    if source.table:
        return f"select * from {'.'.join(map(quoted, source.table.split('.')))}"
    return source.query.strip().removesuffix(";")


def of(query: str, columns: str = "*", where: Sequence[str] = ()) -> str:
    """Return a SELECT over a query; all conditions must hold."""
    conditions = " and ".join(f"({each})" for each in where) or "true"
    return f"select {columns} from (\n{query}\n) as octavo where {conditions}"


def quoted(name: str) -> str:
    """Return a name as it is, letter for letter."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text as a literal."""
    return "'" + value.replace("'", "''") + "'"


def ranges(column: str, bounds: Sequence[str]) -> list[str]:
    """Return conditions one of which holds for each row, whatever its column is.

    Parameters
    ----------
    column
        Its name.
    bounds
        Rising values, in SQL, at which one range ends and the next begins.
    """
    name = quoted(column)
    begins = [f"{name} >= {bound}" for bound in bounds]
    ends = [f"{name} < {bound}" for bound in bounds]
    inner = [f"{begin} and {end}" for begin, end in zip(begins, ends[1:], strict=False)]
    return [ends[0], *inner, f"{begins[-1]} or {name} is null"] if bounds else ["true"]


def exclusive(conditions: Sequence[str]) -> list[str]:
    """Return conditions one of which holds for each row: the first given, or that none is."""
    parts = []
    for number, condition in enumerate([*conditions, None]):
        others = [f"({each}) is not true" for each in conditions[:number]]
        own = [f"({condition}) is true"] if condition is not None else []
        parts.append(" and ".join([*own, *others]))
    return parts
