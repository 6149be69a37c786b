"""Finding, among rows that cannot be used together, those that stand in the way.

A file that cannot be read is refused as a whole, and its owner sees to it. Nobody sees to a row in
a stream, and what comes behind it must go on. It knows nothing of rows.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from polars.exceptions import PanicException

from octavo.errors import ResourceError, is_full

T = TypeVar("T")

ATTEMPTS = 256
"""How often rows are tried; what is left then is kept aside unread, so that the rest goes on."""

Kind = Sequence[int]
"""Places of rows that are alike: what is wrong with one of them is mostly wrong with all."""


def isolate(
    attempt: Callable[[Sequence[int]], object], kinds: Sequence[Kind], error: BaseException
) -> dict[int, str]:
    """Return which of some rows to keep aside so that the others can be used, and why.

    Kinds are added, the larger ones first, to those that are good so far, and halved where that
    fails; so is a kind of which some can be used. So of two kinds that exclude each other the
    larger one stays, and of two rows the first.

    Parameters
    ----------
    attempt
        Tries rows, given by their places, ascending; raises if they cannot be used together.
    kinds
        All rows.
    error
        What was raised for all of them.
    """
    good: list[int] = []
    aside: dict[int, str] = {}
    left = ATTEMPTS

    def fails(places: Sequence[int]) -> bool:
        nonlocal left, error
        left -= 1
        try:
            attempt(sorted([*good, *places]))
        except (Exception, PanicException) as raised:
            if not is_of_rows(raised):
                raise
            error = raised
            return True
        return False

    ordered = sorted(kinds, key=lambda kind: (-len(kind), kind[0]))
    waiting = _halves(ordered) or [ordered]
    while waiting:
        group = waiting.pop(0)
        places = [place for kind in group for place in kind]
        if left > 0:
            if not fails(places):
                good += places
                continue
            if len(group) > 1:
                waiting[:0] = _halves(group)
                continue
            if len(places) > 1 and not (fails(places[:1]) and fails(places[-1:])):
                waiting[:0] = [[half] for half in _halves(places)]
                continue
        aside |= dict.fromkeys(places, _reason(error))
    return aside


def is_of_rows(error: BaseException) -> bool:
    """Say whether rows may have brought an error about, and not the machine."""
    return not isinstance(error, ResourceError | OSError | MemoryError) and not is_full(error)


def _halves(group: Sequence[T]) -> list[Sequence[T]]:
    middle = len(group) // 2
    return [group[:middle], group[middle:]] if middle else []


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
