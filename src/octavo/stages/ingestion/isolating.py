"""Finding, among rows that cannot be used together, those that stand in the way.

A file that cannot be read is refused as a whole, and its owner sees to it. Nobody sees to a row in
a stream, and what comes behind it must go on. It knows nothing of rows.
"""

from collections.abc import Callable, Sequence

from polars.exceptions import PanicException

from octavo.errors import ResourceError, is_full

ATTEMPTS = 256
"""How often rows are tried; what is left then is kept aside unread, so that the rest goes on."""


def isolate(
    attempt: Callable[[Sequence[int]], object], count: int, error: BaseException
) -> dict[int, str]:
    """Return which of some rows to keep aside so that the others can be used, and why.

    Groups are added in order to those that are good so far, and halved where that fails. So of two
    rows that exclude each other the first stays.

    Parameters
    ----------
    attempt
        Tries rows, given by their places; raises if they cannot be used together.
    count
        How many there are.
    error
        What was raised for all of them.
    """
    good: list[int] = []
    aside: dict[int, str] = {}
    left, waiting = ATTEMPTS, _halves(range(count)) or [range(count)]
    while waiting:
        group = waiting.pop(0)
        if left:
            left -= 1
            try:
                attempt([*good, *group])
                good += group
                continue
            except (Exception, PanicException) as raised:
                if not is_of_rows(raised):
                    raise
                error = raised
            if len(group) > 1:
                waiting[:0] = _halves(group)
                continue
        aside |= dict.fromkeys(group, _reason(error))
    return aside


def is_of_rows(error: BaseException) -> bool:
    """Say whether rows may have brought an error about, and not the machine."""
    return not isinstance(error, ResourceError | OSError | MemoryError) and not is_full(error)


def _halves(group: range) -> list[range]:
    middle = len(group) // 2
    return [group[:middle], group[middle:]] if middle else []


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
