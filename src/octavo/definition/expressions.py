"""Which Polars expressions may define a feature: those that look at one row at a time.

A row feature is computed over a frame offline and for one event online. Both give the same value
only if the expression never looks beyond its row, so everything else is refused when declared.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.errors import DefinitionError

_OWN_ROW = "It may only use its own row; use a Window for anything else."

# What Polars' `is_row_separable` lets through or cannot judge, or what deserves a better word.
_FORBIDDEN = {
    "Agg": "an aggregate over the whole frame",
    "Over": "a window over other rows",
    "AnonymousFunction": "a Python function",
    "Map": "a Python function",
    "FfiPlugin": "a plugin",
    "Hash": "hash(), which differs between versions of Polars",
    "ToPhysical": "the physical code of a categorical, which depends on the other rows",
    "SetSortedFlag": "set_sorted(), a promise about the other rows",
    "Random": "a random number",
    "Sample": "a random number",
    "Series": "a Series, which has rows of its own",
    "SelectFields": "several fields of a struct",
    "is_in of a column": "is_in() with all rows of another column",
    "guessed format": "a format of times guessed from the data",
}
_INSTEAD = {
    "AnonymousFunction": "Use Polars functions only: a Python function cannot be stored or served.",
    "Map": "Use Polars functions only: a Python function cannot be stored or served.",
    "Series": "Write a number or a list.",
    "SelectFields": 'Name one: .struct.field("…").',
    "is_in of a column": "Write a list, or compare two columns with ==.",
    "guessed format": 'Give it: .str.to_datetime("%Y-%m-%d %H:%M").',
}
# Functions that look things up in a Series and give a value for each row.
_TAKE_SERIES = {"IsIn", "Replace", "ReplaceStrict", "ContainsAny", "ReplaceMany", "Business"}


def check_row_expression(expression: pl.Expr, *, where: str) -> None:
    """Refuse an expression that is not a function of its own row, one value for each row.

    Raises
    ------
    DefinitionError
        If the expression, or any part of it, aggregates, shifts, ranks, sorts, filters, explodes,
        hashes, samples, guesses the format of times or calls Python.
    """
    if not isinstance(expression, pl.Expr):
        raise DefinitionError(
            f"{expression!r} is not a Polars expression.", where=where, fix="Write pl.col(…)."
        )
    for operation in _operations(_document(expression, where)):
        if operation in _FORBIDDEN:
            raise DefinitionError(
                f"the expression uses {_FORBIDDEN[operation]}.",
                where=where,
                fix=_INSTEAD.get(operation, _OWN_ROW),
            )
    for part in _parts(expression):
        _check_part(part, where)


def _check_part(part: pl.Expr, where: str) -> None:
    """Refuse one node of an expression; Polars judges a node only, never what is below it."""
    try:
        separable = part.meta.is_row_separable()
        whole = part.meta.is_length_preserving() or part.meta.is_scalar()
    except (PolarsError, PanicException) as error:
        several = part.meta.is_column_selection() and not part.meta.is_column()
        what = "chooses columns" if several else "cannot be judged without data"
        fix = "Write one expression for each column." if several else "Write it another way."
        raise DefinitionError(f"the expression {part} {what}.", where=where, fix=fix) from error
    if not (separable or part.meta.is_literal()):
        raise DefinitionError(
            f"the expression {part} looks at other rows.", where=where, fix=_OWN_ROW
        )
    if not (whole or part.meta.is_literal()):
        raise DefinitionError(
            f"the expression {part} changes the number of rows.",
            where=where,
            fix="Give one value, or null, for each row.",
        )


def expression_document(expression: pl.Expr) -> Any:
    """Return what an expression means, as a JSON document (equal meaning: equal document)."""
    return _with_sorted_sets(_document(expression, "expression"))


def output_name(expression: pl.Expr, *, where: str) -> str:
    """Return the column name an expression gives."""
    try:
        return expression.meta.output_name()
    except PolarsError as error:
        raise DefinitionError(
            "the expression has no name.", where=where, fix='Add .alias("name").'
        ) from error


def _document(expression: pl.Expr, where: str) -> Any:
    try:
        return json.loads(expression.meta.serialize(format="json"))
    except (PolarsError, ValueError) as error:
        raise DefinitionError(
            f"the expression {expression} cannot be stored ({error}).",
            where=where,
            fix="Use Polars functions only; Python functions cannot be stored or served.",
        ) from error


def _parts(expression: pl.Expr) -> Iterator[pl.Expr]:
    yield expression
    for part in expression.meta.pop():
        yield from _parts(part)


def _operations(document: Any) -> Iterator[str]:
    """Walk an expression's JSON and give the names of its operations, not of columns or values."""
    if isinstance(document, list):
        for inner in document:
            yield from _operations(inner)
    if not isinstance(document, dict):
        return
    for name, inner in document.items():
        yield name
        if name == "Literal" and "Series" in inner:
            yield "Series"
        if name == "Strptime" and inner[1]["format"] is None:
            yield "guessed format"
        if (name, inner) == ("Categorical", "Physical"):
            yield "ToPhysical"
        if name == "Function":
            yield from _called(inner["function"], inner["input"])
        elif name not in ("Column", "Literal"):
            yield from _operations(inner)


def _called(function: Any, inputs: list[Any]) -> Iterator[str]:
    """Give the names of a function and of the operations in what it takes."""
    names = {function} if isinstance(function, str) else set(_operations(function))
    yield from names
    if "IsIn" in names and "Literal" not in inputs[1]:
        yield "is_in of a column"
    if names & _TAKE_SERIES:
        inputs = [taken for taken in inputs if not _is_series(taken)]
    yield from _operations(inputs)


def _is_series(document: Any) -> bool:
    return isinstance(document, dict) and "Series" in document.get("Literal", ())


def _with_sorted_sets(document: Any) -> Any:
    """Sort what `is_in` looks in: a Python set has another order in each process."""
    if isinstance(document, list):
        return [_with_sorted_sets(inner) for inner in document]
    if not isinstance(document, dict):
        return document
    found = {name: _with_sorted_sets(inner) for name, inner in document.items()}
    if "IsIn" in _operations(document.get("function")):
        found["input"][1] = _sorted_set(document["input"][1])
    return found


def _sorted_set(literal: Any) -> Any:
    packed = literal["Literal"].get("Scalar", {}).get("List")
    if packed is None:
        return literal
    values = pl.read_ipc_stream(io.BytesIO(bytes(packed))).to_series()
    return [str(values.dtype), sorted({repr(value) for value in values})]


def with_expressions(frame: pl.DataFrame, expressions: list[pl.Expr]) -> pl.DataFrame:
    """Add the results of row expressions to a frame; those of a row are the same in any frame.

    Polars divides a column by a constant in two ways: it multiplies by the reciprocal, but not in a
    chunk of one row, or where it keeps equal rows as one value; there the last bit of the quotient
    may differ. So here every column is a series, and no chunk has one row.
    """
    if frame.height == 1:
        names = dict.fromkeys(name for each in expressions for name in each.meta.root_names())
        twice = [pl.concat([frame[name], frame[name]], rechunk=True) for name in names]
        return frame.with_columns(pl.DataFrame(twice).select(expressions).head(1).get_columns())
    columns = [c.rechunk() if 1 in c.chunk_lengths() else c for c in frame.get_columns()]
    return pl.DataFrame(columns).with_columns(expressions)


def sample_disagreement(frame: pl.DataFrame, expressions: list[pl.Expr]) -> str | None:
    """Evaluate expressions over a frame and row by row; return the first column that differs.

    The static checks above cannot know every function of Polars; this is the test that decides.
    """
    if frame.is_empty():
        return None
    names = [output_name(e, where="sample") for e in expressions]
    whole = with_expressions(frame, expressions)
    rows = [with_expressions(frame.slice(i, 1), expressions) for i in range(frame.height)]
    single = pl.concat(row.select(names) for row in rows)
    return next((c for c in names if not whole[c].equals(single[c], null_equal=True)), None)
