"""Sums, products, quotients and remainders, to the bits of Polars.

Integers of a type wrap round. Polars computes with a constant in another way than with a column: it
multiplies by the reciprocal of a divisor, and leaves values as they are where 0 is added or they
are multiplied by 1, which shows in the last bit and in the sign of a zero.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import polars as pl

from octavo.definition.compiled.node import Node, NotCompiledError, Value, as_type
from octavo.definition.compiled.plain import INTEGERS, is_duration, is_instant

Two = Callable[[Any, Any], Any]

MOST = INTEGERS[pl.Int64][1]


def arithmetic(op: str, left: Node, right: Node, dtype: Any) -> Value:
    """Return the value of an operation on two numbers, times or texts.

    Raises
    ------
    NotCompiledError
        It is left to Polars.
    """
    if left.dtype == right.dtype == pl.String and op == "Plus":
        return both(left.value, right.value, operator.add)
    if is_instant(dtype) or is_duration(dtype):
        return _of_times(op, left, right)
    kinds = {each.dtype == pl.Boolean or each.is_number for each in (left, right)}
    if kinds != {True} or left.is_null or right.is_null:
        raise NotCompiledError(f"{left.dtype} {op} {right.dtype}")
    if _is_below_unsigned(left, right) or _is_below_unsigned(right, left):
        raise NotCompiledError("a negative constant beside unsigned numbers of 64 bits")
    if dtype == pl.Float64:
        if right.constant and not left.wavers:
            return _by_constant(op, as_type(left, dtype), float(right.literal))
        if left.constant and not right.wavers:
            return _of_constant(op, float(left.literal), as_type(right, dtype))
        compute = _wary(op, left, right) if left.wavers or right.wavers else _REAL[op]
        return both(as_type(left, dtype), as_type(right, dtype), compute)
    if dtype in INTEGERS and op in _WHOLE:
        exact = both(as_type(left, dtype), as_type(right, dtype), _WHOLE[op])
        return wrapped(exact, dtype)
    raise NotCompiledError(f"{left.dtype} {op} {right.dtype}")


def _is_below_unsigned(one: Node, other: Node) -> bool:
    """Tell whether a constant does not fit a column that Polars perhaps takes it for one of."""
    negative = one.constant and one.dtype in INTEGERS and one.literal < 0
    return negative and other.dtype == pl.UInt64


def both(left: Value, right: Value, compute: Two) -> Value:
    """Return a function of two values that is null where one of them is.

    Both are computed, as Polars does: what cannot be computed is told, needed or not.
    """

    def value(row: Any) -> Any:
        x, y = left(row), right(row)
        return None if x is None or y is None else compute(x, y)

    return value


def wrapped(value: Value, dtype: Any) -> Value:
    """Return whole numbers as a type holds them."""
    least, most = INTEGERS[dtype]
    size = most - least + 1

    def around(row: Any) -> Any:
        x = value(row)
        if x is None or least <= x <= most:
            return x
        return (x - least) % size + least

    return around


def divided(x: float, y: float) -> float:
    """Divide as the processor does."""
    if y:
        return x / y
    if x != x or y != y or x == 0:
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def floored(x: float) -> float:
    """Return the greatest whole number not above, a zero with its sign."""
    if x != x or abs(x) >= 2.0**52:
        return x
    return math.copysign(float(math.floor(x)), x)


def _floor_divided(x: float, y: float) -> float:
    return floored(divided(x, y))


def _remainder(x: float, y: float) -> float:
    return x - y * floored(divided(x, y))


_REAL: dict[str, Two] = {
    "Plus": operator.add,
    "Minus": operator.sub,
    "Multiply": operator.mul,
    "TrueDivide": divided,
    "FloorDivide": _floor_divided,
    "Modulus": _remainder,
}


def _wary(op: str, left: Node, right: Node) -> Two:
    """Return an operation on what may be a constant for Polars, and may not.

    Raises
    ------
    NotCompiledError
        The two give different quotients; or, when it is computed, a zero of another sign.
    """
    if op in ("TrueDivide", "FloorDivide", "Modulus") and (right.wavers or right.constant):
        raise NotCompiledError("a divisor that may be a constant")
    compute = _REAL[op]
    if op not in ("Plus", "Minus"):
        return compute

    def computed(x: float, y: float) -> float:
        if x == 0 and y == 0 and (op == "Minus" or _is_negative(x) or _is_negative(y)):
            raise NotCompiledError("the sign of a zero")
        return compute(x, y)

    return computed


def _is_negative(x: float) -> bool:
    return math.copysign(1.0, x) < 0


_WHOLE: dict[str, Two] = {
    "Plus": operator.add,
    "Minus": operator.sub,
    "Multiply": operator.mul,
    "FloorDivide": lambda x, y: x // y if y else None,
    "Modulus": lambda x, y: x % y if y else None,
}


def _by_constant(op: str, value: Value, c: float) -> Value:
    """Return what a real column and then a constant give."""
    inverse = divided(1.0, c)
    if (op in ("Plus", "Minus") and c == 0) or (op == "Multiply" and c == 1):
        return value
    compute: dict[str, Callable[[float], float]] = {
        "Plus": lambda x: x + c,
        "Minus": lambda x: x - c,
        "Multiply": (lambda x: -x) if c == -1 else (lambda x: x * c),
        "TrueDivide": lambda x: x * inverse,
        "FloorDivide": lambda x: floored(x * inverse),
        "Modulus": lambda x: x - c * floored(x * inverse),
    }
    return one(value, compute[op])


def _of_constant(op: str, c: float, value: Value) -> Value:
    """Return what a constant and then a real column give."""
    if (op == "Plus" and c == 0) or (op == "Multiply" and c == 1):
        return value
    if (op == "Minus" and c == 0) or (op == "Multiply" and c == -1):
        return one(value, operator.neg)
    compute = _REAL[op]
    return one(value, lambda x: compute(c, x))


def one(value: Value, compute: Callable[[Any], Any]) -> Value:
    """Return a function of one value that is null where that is."""
    return lambda row: None if (x := value(row)) is None else compute(x)


def _of_times(op: str, left: Node, right: Node) -> Value:
    """Return the sum or difference of times and durations, all of microseconds."""
    if op not in ("Plus", "Minus") or left.is_null or right.is_null:
        raise NotCompiledError(f"{left.dtype} {op} {right.dtype}")
    for each in (left, right):
        if not (is_instant(each.dtype) or is_duration(each.dtype)):
            raise NotCompiledError(f"{left.dtype} {op} {right.dtype}")
    two_instants = is_instant(left.dtype) and is_instant(right.dtype)
    if two_instants and left.dtype != right.dtype:
        raise NotCompiledError("times in two zones")
    exact = both(left.value, right.value, operator.add if op == "Plus" else operator.sub)
    return wrapped(exact, pl.Int64)
