"""Fingerprints: equal meaning, equal text; nothing else enters them."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import polars as pl
import xxhash

from octavo.definition.expressions import expression_document


def meaningless(default: Any = "") -> Any:
    """Declare a dataclass field that says nothing about meaning (a description, a path)."""
    return dataclasses.field(default=default, metadata={"meaning": False}, compare=False)


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
    """Return a declaration as plain JSON values, only the fields that carry meaning."""
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
    names = [f.name for f in dataclasses.fields(thing) if f.metadata.get("meaning", True)]
    return {"is": type(thing).__name__, **{name: inner(getattr(thing, name)) for name in names}}


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
    return {"is": type(thing).__name__, "name": getattr(thing, "name", "")}


def _digest(plain: Any) -> str:
    return xxhash.xxh3_64_hexdigest(
        json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    )
