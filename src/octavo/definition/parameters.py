"""Parameters of algorithms that are fixed, or searched within other bounds than their own.

Knows how they are written, not which parameters an algorithm has.
"""

import math
from collections.abc import Mapping
from typing import Any

from octavo.errors import DefinitionError

Bounds = bool | int | float | str | list[Any]
"""A value that is fixed; a list of two numbers, the least and the largest that are searched; or a
list of texts, the choices."""


def parameters(value: Any, *, where: str) -> dict[str, dict[str, Bounds]]:
    """Return algorithm to parameter to bounds, as plain JSON.

    Raises
    ------
    DefinitionError
        If it is no mapping of mappings, or a parameter has neither a value nor bounds.
    """
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) for v in value.values()):
        raise DefinitionError(
            "it is not a mapping from algorithms to their parameters.",
            where=where,
            fix='Write {"lightgbm": {"num_leaves": 31}}.',
        )
    return {
        str(algorithm): {
            str(name): _bounds(bounds, f"{where}.{algorithm}.{name}")
            for name, bounds in given.items()
        }
        for algorithm, given in value.items()
    }


def _bounds(value: Any, where: str) -> Bounds:
    if isinstance(value, list | tuple):
        parts = list(value)
        texts = bool(parts) and all(isinstance(part, str) for part in parts)
        if texts and len(set(parts)) == len(parts):
            return parts
        if len(parts) == 2 and all(map(_is_number, parts)) and parts[0] < parts[1]:
            return parts
    elif isinstance(value, str | bool) or _is_number(value):
        return value
    raise DefinitionError(
        f"{value!r} is neither a value nor bounds.",
        where=where,
        fix="Give a value, [least, largest], or a list of texts.",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
