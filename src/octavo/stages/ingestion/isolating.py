"""Finding, among rows that cannot be used together, those that stand in the way.

A file that cannot be read is refused as a whole, and its owner sees to it. Nobody sees to a row in
a stream, and what comes behind it must go on. It knows nothing of rows.
"""

from collections.abc import Callable, Iterable, Sequence

from polars.exceptions import PanicException

from octavo.errors import ResourceError, is_full

ATTEMPTS = 256
"""How often kinds are tried, and then rows; what is left then is kept aside. The rest goes on."""

Kind = Sequence[int]
"""Places of rows that are alike: what is wrong with one of them is mostly wrong with all."""


def isolate(
    attempt: Callable[[Sequence[int]], object],
    kinds: Iterable[Kind],
    error: BaseException,
    wrong: Callable[[int], str] = lambda place: "",
) -> dict[int, str]:
    """Return which of some rows to keep aside so that the others can be used, and why.

    One row of each kind is tried first, as if there were no others, so that what is wrong with a
    kind costs little to find. Of two kinds that exclude each other the larger one stays, of two
    rows of a kind the first.

    Parameters
    ----------
    attempt
        Tries rows, given by their places, ascending; raises if they cannot be used together.
    kinds
        All rows.
    error
        What was raised for all of them.
    wrong
        Says what can be seen to be wrong with a kind, by one of its rows, without a trial; is asked
        once for each, of the largest first.
    """
    ordered = sorted(kinds, key=lambda kind: (-len(kind), kind[0]))
    seen = [wrong(kind[0]) for kind in ordered]
    aside = {at: why for kind, why in zip(ordered, seen, strict=True) if why for at in kind}
    if aside:
        ordered = [kind for kind, why in zip(ordered, seen, strict=True) if not why]
        left = [place for kind in ordered for place in kind]
        fault = _fault(attempt, left) if left else None
        if fault is None:
            return aside
        error = fault
    return aside | _tried(attempt, ordered, error)


def _tried(
    attempt: Callable[[Sequence[int]], object], ordered: Sequence[Kind], error: BaseException
) -> dict[int, str]:
    firsts = [kind[0] for kind in ordered]
    bad = _aside(attempt, firsts, error)
    good = [place for place in firsts if place not in bad]
    aside: dict[int, str] = {}
    for tried, kind in enumerate(kind for kind in ordered if kind[0] in bad):
        if len(kind) == 1 or tried >= ATTEMPTS or _fault(attempt, [*good, kind[-1]]):
            aside |= dict.fromkeys(kind, bad[kind[0]])
    rest = sorted(place for kind in ordered for place in kind if place not in aside)
    fault = _fault(attempt, rest) if rest else None
    return aside if fault is None else aside | _aside(attempt, rest, fault)


def _aside(
    attempt: Callable[[Sequence[int]], object], places: Sequence[int], error: BaseException
) -> dict[int, str]:
    """Add groups in order to those that are good so far; halve them where that fails."""
    good: list[int] = []
    aside: dict[int, str] = {}
    left, waiting = ATTEMPTS, _halves(places) or [places]
    while waiting:
        group = waiting.pop(0)
        if left:
            left -= 1
            fault = _fault(attempt, [*good, *group])
            if fault is None:
                good += group
                continue
            error = fault
            if len(group) > 1:
                waiting[:0] = _halves(group)
                continue
        aside |= dict.fromkeys(group, _reason(error))
    return aside


def _fault(
    attempt: Callable[[Sequence[int]], object], places: Sequence[int]
) -> BaseException | None:
    """Return what stands in the way of some rows together."""
    try:
        attempt(sorted(places))
    except (Exception, PanicException) as raised:
        if not is_of_rows(raised):
            raise
        return raised
    return None


def is_of_rows(error: BaseException) -> bool:
    """Say whether rows may have brought an error about, and not the machine."""
    return not isinstance(error, ResourceError | OSError | MemoryError) and not is_full(error)


def _halves(group: Sequence[int]) -> list[Sequence[int]]:
    middle = len(group) // 2
    return [group[:middle], group[middle:]] if middle else []


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
