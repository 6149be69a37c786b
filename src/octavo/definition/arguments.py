"""Arguments of declarations: refused with words at once, not by a TypeError later."""

from collections.abc import Iterable, Sequence
from typing import Any

from octavo.errors import DefinitionError


def instance(value: Any, kind: type | tuple[type, ...], *, where: str) -> None:
    """Refuse a part of another kind than asked for."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(k.__name__ for k in kinds)
        raise DefinitionError(
            f"{_shown(value)} is not of the kind {names}.", where=where, fix="Give one."
        )


def listed(value: Any, kind: type, *, where: str) -> tuple[Any, ...]:
    """Return a list of parts as a tuple, refusing anything else."""
    if isinstance(value, kind) or not isinstance(value, Iterable) or isinstance(value, str):
        raise DefinitionError(
            f"{_shown(value)} is not a list.", where=where, fix="Write it in brackets: [ … ]."
        )
    items = tuple(value)
    for item in items:
        instance(item, kind, where=where)
    return items


def columns(value: str | Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return one column, or several, as a tuple of their names."""
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Iterable) or not all(isinstance(n, str) and n for n in names):
        raise DefinitionError(
            f"{_shown(value)} names no columns.",
            where=where,
            fix='Write "name", or ["one", "another"].',
        )
    return tuple(names)


def whole_number(value: Any, *, least: int, where: str) -> None:
    """Refuse what is no whole number, or less than the least."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise DefinitionError(
            f"{_shown(value)} is not a whole number from {least} on.", where=where, fix="Use one."
        )


def _shown(value: Any) -> str:
    plain = value is None or isinstance(value, str | int | float | list | tuple)
    text = repr(value)
    return text if plain and len(text) <= 60 else f"a value of type {type(value).__name__}"
