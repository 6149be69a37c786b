"""Functions of one number."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from octavo.definition.compiled.arithmetic import floored, one, wrapped
from octavo.definition.compiled.node import Node, NotCompiledError, Value
from octavo.definition.compiled.plain import INTEGERS, is_duration


def _root(x: float) -> float:
    return math.sqrt(x) if x >= 0 else math.nan


def _log(x: float) -> float:
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


def _log1p(x: float) -> float:
    if x > -1:
        return math.log1p(x)
    return -math.inf if x == -1 else math.nan


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


_REAL: Mapping[str, Callable[[float], float]] = {
    "Sqrt": _root,
    "Log": _log,
    "Log1p": _log1p,
    "Exp": _exp,
    "Floor": floored,
    "Ceil": lambda x: -floored(-x),
}
NUMBERS = {*_REAL, "Abs", "Negate"}


def number(name: str, node: Node) -> Value:
    """Return a function of one number.

    Raises
    ------
    NotCompiledError
        It is left to Polars.
    """
    value, dtype = node.value, node.dtype
    if name in ("Abs", "Negate"):
        if not (node.is_number or is_duration(dtype)) or str(dtype).startswith("UInt"):
            raise NotCompiledError(f"{name} of {dtype}")
        found = one(value, abs if name == "Abs" else lambda x: -x)
        whole = dtype if dtype in INTEGERS else pl.Int64
        return found if dtype == pl.Float64 else wrapped(found, whole)
    if dtype != pl.Float64:
        raise NotCompiledError(f"{name} of {dtype}")
    return one(value, _REAL[name])


def is_natural(base: Any) -> bool:
    """Tell whether a base of logarithms is e."""
    return base == math.e
