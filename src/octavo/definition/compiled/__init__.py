"""Row expressions as plain Python functions, for one row at a time.

Polars takes a few hundred microseconds to begin with any frame, however small: too long for a request
of one event. What is here computes the same values, to the bit, from the expression's own document.
It knows a part of Polars: what it does not know for certain is left to Polars, the whole expression
of it.
"""

from octavo.definition.compiled.node import NotCompiledError
from octavo.definition.compiled.plain import from_plain, is_plain, plain_values, to_plain, to_series
from octavo.definition.compiled.rows import RowExpressions

__all__ = [
    "NotCompiledError",
    "RowExpressions",
    "from_plain",
    "is_plain",
    "plain_values",
    "to_plain",
    "to_series",
]
