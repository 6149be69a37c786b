"""Fingerprints: equal meaning, equal text; nothing else enters them."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import date, time
from functools import cached_property
from typing import Any

import polars as pl
import xxhash

from octavo.definition.expressions import expression_document
from octavo.errors import DefinitionError


def meaningless(default: Any = "") -> Any:
    """Declare a dataclass field that says nothing about meaning (a description, a path)."""
    return dataclasses.field(default=default, metadata={"meaning": False}, compare=False)


def beside(default: Any, written: Callable[[Any], Any] = lambda value: value) -> Any:
    """Declare a field that changes no data, and that the `document` has as ``written`` says.

    Its repr is left out, since it may hold what must not be printed.
    """
    metadata = {"meaning": False, "written": written}
    return dataclasses.field(default=default, metadata=metadata, compare=False, repr=False)


BY_NAME = {"by_name": True}
"""Metadata of a field that holds another declaration, written down by its name alone."""


class Declaration:
    """Base of everything a user declares: equal if it means the same."""

    def __eq__(self, other: object) -> bool:
        return self is other or (
            type(self) is type(other) and fingerprint(self) == fingerprint(other)
        )

    def __hash__(self) -> int:
        return hash(fingerprint(self))

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(_fields(self, _shallow))


def document(thing: Any) -> Any:
    """Return a declaration as plain JSON values: the fields of meaning, and those `beside` them."""
    if isinstance(thing, Declaration):
        return _fields(thing, document)
    return _plain(thing, document)


def fingerprint(thing: Any) -> str:
    """Return 16 hexadecimal digits that change with the meaning of a declaration.

    Also of lists and dictionaries of declarations, expressions and plain values.
    Source: xxh3-64 of canonical JSON; a declaration inside another enters by its fingerprint.
    """
    return thing._fingerprint if isinstance(thing, Declaration) else _digest(_shallow(thing))


def _shallow(thing: Any) -> Any:
    return thing._fingerprint if isinstance(thing, Declaration) else _plain(thing, _shallow)


def _fields(thing: Any, inner: Callable[[Any], Any]) -> dict[str, Any]:
    found = {"is": type(thing).__name__}
    for field in dataclasses.fields(thing):
        if field.metadata.get("meaning", True):
            value = getattr(thing, field.name)
            short = inner is document and field.metadata.get("by_name")
            found[field.name] = value.name if short else inner(value)
        elif inner is document and "written" in field.metadata:
            found[field.name] = document(field.metadata["written"](getattr(thing, field.name)))
    return found


def _plain(thing: Any, inner: Callable[[Any], Any]) -> Any:
    if isinstance(thing, pl.Expr):
        return expression_document(thing)
    if isinstance(thing, Mapping):
        return {str(key): inner(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [inner(item) for item in thing]
    if thing is None or isinstance(thing, str | int | float | bool):
        return thing
    if isinstance(thing, type | pl.DataType):
        return str(thing)
    if isinstance(thing, date | time):
        return {"is": type(thing).__name__, "at": thing.isoformat()}
    if dataclasses.is_dataclass(thing):
        return _fields(thing, inner)
    if isinstance(getattr(thing, "name", None), str):
        return {"is": type(thing).__name__, "name": thing.name}
    raise DefinitionError(
        f"{thing!r} has no fixed meaning.",
        where="the definition",
        fix="Use plain values, Polars expressions and the declarations of octavo.",
    )


def _digest(plain: Any) -> str:
    return xxhash.xxh3_64_hexdigest(
        json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    )
