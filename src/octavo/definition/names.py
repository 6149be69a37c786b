"""Names: what may be called what."""

import re
from collections.abc import Iterable

from octavo.errors import DefinitionError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_name(name: str, *, where: str) -> None:
    """Refuse a name that could not be a folder, a column prefix and a Python word at once."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        raise DefinitionError(
            f"{name!r} is not a name.",
            where=where,
            fix="Use letters, digits and single underscores, beginning with a letter.",
        )


def one_of(value: str, known: Iterable[str], *, where: str) -> None:
    """Refuse a word that is not one of the known ones, naming the nearest."""
    known = list(known)
    if value not in known:
        raise DefinitionError.unknown("choice", str(value), known, where=where)


def unique(names: Iterable[str], *, kind: str, where: str) -> None:
    """Refuse names given twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DefinitionError(
                f"the {kind} {name!r} is declared twice.", where=where, fix="Rename one of them."
            )
        seen.add(name)
