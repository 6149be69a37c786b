"""What a stage depends on, part by part: so a run can say which of them changed, and how.

Of each part a fingerprint is stored with the run of the stage, and the little of it that tells
people what became of it. It knows nothing of stages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from octavo.definition import fingerprint

SHOWN = 3
"""Names that a reason lists; of more it says how many."""


def _silent(_before: Any, _now: Any) -> str:
    return ""


@dataclass(frozen=True)
class Part:
    """One thing that a stage depends on."""

    value: Any
    """All of it, as JSON; the same again means that nothing changed."""
    kept: Any = None
    """What is stored of it, as JSON."""
    how: Callable[[Any, Any], str] = _silent
    """Says how it changed, from what was kept and what is now; "" where that does not tell."""


Parts = Mapping[str, Part]
Stored = Mapping[str, Mapping[str, Any]]


def whole(parts: Parts) -> str:
    """Return one fingerprint of all parts."""
    return fingerprint([part.value for part in parts.values()])


def stored(parts: Parts) -> dict[str, dict[str, Any]]:
    """Return what is kept of parts, as JSON."""
    return {
        name: {"is": fingerprint(part.value), "kept": part.kept} for name, part in parts.items()
    }


def changes(before: Stored, parts: Parts) -> list[str]:
    """Return what became of the parts since they were stored, one text for each that changed."""
    found = [text for name, part in parts.items() if (text := _change(name, before, part))]
    return found + [f"{name} is gone" for name in before if name not in parts]


def _change(name: str, before: Stored, part: Part) -> str:
    if name not in before:
        return f"{name} is new"
    if before[name]["is"] == fingerprint(part.value):
        return ""
    return part.how(before[name]["kept"], part.kept) or f"{name} changed"


def named(kind: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[..., str]]:
    """Return what to keep of things that have names, and what says which of them changed."""
    return {name: fingerprint(value) for name, value in values.items()}, partial(_differing, kind)


def replaced(kind: str, value: str | None) -> Part:
    """Return a part that is an ID: what took its place is told."""
    return Part(value, value, partial(_replaced, kind))


def _replaced(kind: str, before: str | None, now: str | None) -> str:
    return f"{kind} {before} became {now}" if before and now else f"{kind} is {now or 'none'}"


def _differing(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    told = {
        "changed": [name for name in now if name in before and before[name] != now[name]],
        "new": [name for name in now if name not in before],
        "gone": [name for name in before if name not in now],
    }
    return ", ".join(_listed(kind, names, word) for word, names in told.items() if names)


def _listed(kind: str, names: Sequence[str], word: str) -> str:
    is_one = len(names) == 1
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    what = f"{kind} " if is_one else f"{kind}s "
    verb = {"changed": "changed"}.get(word, f"is {word}" if is_one else f"are {word}")
    return f"{what}{', '.join(names[:SHOWN])}{more} {verb}".strip()
