"""Comparisons and conditions: NaN equals NaN and is the greatest, null is unknown."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from octavo.definition.compiled.arithmetic import Two, both, one
from octavo.definition.compiled.node import Node, NotCompiledError, Value, as_type
from octavo.definition.compiled.plain import INTEGERS, is_integer


def _equal(x: float, y: float) -> bool:
    return x == y or (x != x and y != y)


def _below(x: float, y: float) -> bool:
    return x < y or (y != y and x == x)


_OTHERS: dict[str, Two] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtEq": operator.le,
    "Gt": operator.gt,
    "GtEq": operator.ge,
}
_REAL: dict[str, Two] = {
    "Eq": _equal,
    "NotEq": lambda x, y: not _equal(x, y),
    "Lt": _below,
    "LtEq": lambda x, y: not _below(y, x),
    "Gt": lambda x, y: _below(y, x),
    "GtEq": lambda x, y: not _below(x, y),
}
COMPARISONS = {*_OTHERS, "EqValidity", "NotEqValidity"}


def comparison(op: str, left: Node, right: Node) -> Value:
    """Return how two values compare.

    Raises
    ------
    NotCompiledError
        It is left to Polars.
    """
    if left.is_null or right.is_null:
        raise NotCompiledError("a comparison with null")
    x, y, compare = _alike(left, right)
    if op in _OTHERS:
        return both(x, y, compare[op])
    equal, met = compare["Eq"], op == "EqValidity"

    def same(row: Any) -> bool:
        a, b = x(row), y(row)
        if a is None or b is None:
            return (a is b) is met
        return equal(a, b) is met

    return same


def _alike(left: Node, right: Node) -> tuple[Value, Value, dict[str, Two]]:
    """Return two values that can be compared, and how."""
    if left.is_number and right.is_number:
        if pl.Float64 in (left.dtype, right.dtype):
            return as_type(left, pl.Float64), as_type(right, pl.Float64), _REAL
        mixed = pl.UInt64 in (left.dtype, right.dtype) and left.dtype != right.dtype
        if not mixed or left.constant or right.constant:
            return left.value, right.value, _OTHERS
    elif left.dtype == right.dtype:
        return left.value, right.value, _OTHERS
    raise NotCompiledError(f"{left.dtype} beside {right.dtype}")


def between(nodes: Sequence[Node], closed: str) -> Value:
    """Return whether a value lies between two others."""
    value, low, high = nodes
    least = comparison("GtEq" if closed in ("Both", "Left") else "Gt", value, low)
    most = comparison("LtEq" if closed in ("Both", "Right") else "Lt", value, high)
    return all_of([least, most])


def among(node: Node, listed: pl.Series, *, nulls_equal: bool) -> Value:
    """Return whether a text or a whole number is one of some others, none of which is null.

    Whether null is one of them is unknown; or it is not, if ``nulls_equal``.
    """
    texts = node.dtype == listed.dtype == pl.String
    if not (texts or (is_integer(node.dtype) and is_integer(listed.dtype))) or listed.null_count():
        raise NotCompiledError(f"{node.dtype} among {listed.dtype}")
    known, value = set(listed), node.value
    return (lambda row: value(row) in known) if nulls_equal else one(value, known.__contains__)


def all_of(conditions: Sequence[Value]) -> Value:
    """Return whether all hold; unknown if none is false and one is unknown."""

    def value(row: Any) -> bool | None:
        met = [each(row) for each in conditions]
        if False in met:
            return False
        return None if None in met else True

    return value


def any_of(conditions: Sequence[Value]) -> Value:
    """Return whether one holds; unknown if none is true and one is unknown."""

    def value(row: Any) -> bool | None:
        met = [each(row) for each in conditions]
        if True in met:
            return True
        return None if None in met else False

    return value


def logic(op: str, left: Node, right: Node) -> Value:
    """Return two conditions as one."""
    x, y = as_conditions([left, right])
    if op == "Xor":
        return both(x, y, operator.ne)
    return all_of([x, y]) if op == "And" else any_of([x, y])


def as_conditions(nodes: Sequence[Node]) -> list[Value]:
    """Return the values of conditions.

    Raises
    ------
    NotCompiledError
        One is none.
    """
    for each in nodes:
        if each.dtype != pl.Boolean:
            raise NotCompiledError(f"{each.dtype} as a condition")
    return [each.value for each in nodes]


def first_known(nodes: Sequence[Node], dtype: Any) -> Value:
    """Return the first value that is not null."""
    if nodes[0].constant:
        raise NotCompiledError("a constant that is chosen first")
    values = [as_type(each, dtype) for each in nodes]

    def value(row: Any) -> Any:
        found = [each(row) for each in values]
        return next((each for each in found if each is not None), None)

    return value


def chosen(predicate: Node, truthy: Node, falsy: Node, dtype: Any) -> Value:
    """Return one of two values; unknown counts as false."""
    if predicate.constant:
        raise NotCompiledError("a constant condition")
    (met,) = as_conditions([predicate])
    x, y = as_type(truthy, dtype), as_type(falsy, dtype)

    def value(row: Any) -> Any:
        found = x(row), y(row)
        return found[0] if met(row) else found[1]

    return value


def clipped(nodes: Sequence[Node], bounds: Sequence[str]) -> Value:
    """Return a number no less than one constant and no more than another."""
    value, *given = nodes
    if not value.is_number or any(not each.constant or each.is_null for each in given):
        raise NotCompiledError("bounds that are no constants")
    if value.dtype in INTEGERS and any(each.dtype not in INTEGERS for each in given):
        raise NotCompiledError("bounds that are no whole numbers")
    number: Callable[[Any], Any] = float if value.dtype == pl.Float64 else int
    for each in given:
        if number is int:
            as_type(each, value.dtype)
    limits = dict(zip(bounds, (number(each.literal) for each in given), strict=True))
    low, high = limits.get("min"), limits.get("max")
    if any(each != each for each in limits.values()) or (
        low is not None and high is not None and low > high
    ):
        raise NotCompiledError("bounds that are none")
    inner = value.value

    def within(row: Any) -> Any:
        x = inner(row)
        if x is None:
            return None
        if low is not None and x < low:
            return low
        return high if high is not None and x > high else x

    return within
