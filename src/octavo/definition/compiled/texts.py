"""Functions of texts. Of letters that are not ASCII, cases differ between versions of Unicode."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from octavo.definition.compiled.arithmetic import both, one
from octavo.definition.compiled.node import Node, NotCompiledError, Value


def _of_ascii(change: Callable[[str], str]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        if not text.isascii():
            raise NotCompiledError("the case of a letter that is not ASCII")
        return change(text)

    return changed


_ONE: Mapping[str, Callable[[str], Any]] = {
    "Lowercase": _of_ascii(str.lower),
    "Uppercase": _of_ascii(str.upper),
    "LenChars": len,
    "LenBytes": lambda text: len(text.encode()),
}
_TWO: Mapping[str, Callable[[str, str], bool]] = {
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
    "Contains": operator.contains,
}


def text(function: Any, nodes: Sequence[Node]) -> Value:
    """Return a function of texts.

    Raises
    ------
    NotCompiledError
        It is left to Polars.
    """
    if any(each.dtype != pl.String or each.is_null for each in nodes):
        raise NotCompiledError("what is no text")
    name, options = function if isinstance(function, tuple) else (function, {})
    if name in _ONE:
        return one(nodes[0].value, _ONE[name])
    if name in _TWO and options.get("literal", True):
        return both(nodes[0].value, nodes[1].value, _TWO[name])
    if name == "ConcatHorizontal" and not options["ignore_nulls"]:
        return _joined([each.value for each in nodes], options["delimiter"])
    raise NotCompiledError(name)


def _joined(values: Sequence[Value], between: str) -> Value:
    if len(values) == 1:
        return values[0]

    def value(row: Any) -> str | None:
        found = [each(row) for each in values]
        return None if None in found else between.join(found)

    return value
