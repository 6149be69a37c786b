"""Which Polars expressions may define a feature: those that look at one row at a time.

A row feature is computed over a frame offline and for one event online. Both give the same value
only if the expression never looks beyond its row, so everything else is refused when declared.
"""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from octavo.errors import DefinitionError

# Polars' own `is_row_separable` lets these through.
_FORBIDDEN = {
    "Agg": "an aggregate over the whole frame",
    "Over": "a window over other rows",
    "AnonymousFunction": "a Python function",
    "Hash": "hash(), which differs between versions of Polars",
    "ToPhysical": "the physical code of a categorical, which depends on the other rows",
    "Random": "a random number",
    "Len": "the length of the frame",
}


def check_row_expression(expression: pl.Expr, *, where: str) -> None:
    """Refuse an expression that is not a function of its own row.

    Raises
    ------
    DefinitionError
        If the expression aggregates, shifts, ranks, filters, hashes or calls Python.
    """
    if not isinstance(expression, pl.Expr):
        raise DefinitionError(
            f"{expression!r} is not a Polars expression.", where=where, fix="Write pl.col(…)."
        )
    for node in _nodes(_document(expression, where)):
        if node in _FORBIDDEN:
            raise DefinitionError(
                f"the expression uses {_FORBIDDEN[node]}.",
                where=where,
                fix="A row feature may only use its own row; use a Window for anything else.",
            )
    if not (expression.meta.is_row_separable() or expression.meta.is_literal()):
        raise DefinitionError(
            f"the expression {expression} looks at other rows.",
            where=where,
            fix="A row feature may only use its own row; use a Window for anything else.",
        )


def expression_document(expression: pl.Expr) -> Any:
    """Return what an expression means, as a JSON document (equal meaning: equal document)."""
    return _document(expression, "expression")


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


def _nodes(document: Any) -> Iterator[str]:
    """Walk an expression's JSON and give every name of a node."""
    if isinstance(document, dict):
        for name, inner in document.items():
            yield name
            if name != "Literal":
                yield from _nodes(inner)
    elif isinstance(document, list):
        for inner in document:
            yield from _nodes(inner)
    elif isinstance(document, str):
        yield document


def sample_disagreement(frame: pl.DataFrame, expressions: list[pl.Expr]) -> str | None:
    """Evaluate expressions over a frame and row by row; return the first column that differs.

    The static checks above cannot know every function of Polars; this is the test that decides.
    """
    whole = frame.select(expressions)
    single = pl.concat([frame.slice(i, 1).select(expressions) for i in range(frame.height)])
    return next((c for c in whole.columns if not whole[c].equals(single[c], null_equal=True)), None)
