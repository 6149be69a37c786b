"""Row expressions as plain Python functions, for one row at a time.

Polars takes a few hundred microseconds to begin with any frame, however small: too long for a
request of one event. What is here computes the same values, to the bit, from the expression's own
document. It knows a part of Polars: an expression with anything that it does not know for certain
is left to Polars as a whole.
"""

from octavo.definition.compiled.events import EventRows
from octavo.definition.compiled.node import NotCompiledError, Row
from octavo.definition.compiled.plain import is_instant, is_integer, reading, writing
from octavo.definition.compiled.rows import RowExpressions

__all__ = [
    "EventRows",
    "NotCompiledError",
    "Row",
    "RowExpressions",
    "is_instant",
    "is_integer",
    "reading",
    "writing",
]
