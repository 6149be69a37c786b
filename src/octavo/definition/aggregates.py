"""The words that ``Window(take=…)`` knows, and what each stands for.

Knows nothing of windows or of the values they observe.
"""

import difflib
import re

from octavo.errors import DefinitionError

DECAYED = ("decayed_count", "decayed_sum", "decayed_mean")
"""Each observation weighs ``2^-(age / halflife)``, its age at the query's time less the delay."""

WORDS = (
    *("count", "sum", "mean", "min", "max", "var", "std", "first", "last"),
    *("since_first", "since_last", "n_unique", "top", *DECAYED),
)
"""Aggregates without a number in their name; ``top`` is the most frequent value, ``since_*`` are
seconds between an observation and the query."""

LAGS = {f"lag{k}": k for k in range(1, 65)}
"""Value of the k-th observation before the latest one, by event time, then log order."""

QUANTILES = {f"q{percent}": 10 * percent for percent in range(1, 100)}
"""Percentiles, in thousandths; linear between order statistics, so that ``q50`` is the median."""

AGGREGATES = (*WORDS, *LAGS, *QUANTILES)
"""Every word a window can take."""

OF_EVENTS = ("count", "since_first", "since_last", "decayed_count")
"""What can be taken without a value."""

_CALLED = {"median": "q50", "mode": "top", "average": "mean", "nunique": "n_unique"}


def check_aggregate(word: str, *, where: str) -> None:
    """Refuse what is no aggregate, naming what may have been meant.

    Raises
    ------
    DefinitionError
        With the nearest word, or the range of a number.
    """
    for family, known in (("lag", LAGS), ("q", QUANTILES)):
        if re.fullmatch(rf"{family}[-\d.]*", str(word)) and word not in known:
            raise DefinitionError(
                f"there is no choice {word!r}.",
                where=where,
                fix=f"Use {next(iter(known))!r} to {list(known)[-1]!r}.",
            )
    if word in _CALLED:
        raise DefinitionError(
            f"there is no choice {word!r}.", where=where, fix=f"It is called {_CALLED[word]!r}."
        )
    if word in AGGREGATES:
        return
    if difflib.get_close_matches(str(word), AGGREGATES):
        raise DefinitionError.unknown("choice", str(word), AGGREGATES, where=where)
    raise DefinitionError(
        f"there is no choice {word!r}.",
        where=where,
        fix=f"Known: {', '.join(WORDS)}, lag1 to lag64, q1 to q99.",
    )


def meaning(word: str) -> tuple[str, int]:
    """Return the aggregate a word stands for, and the number in its name (0 without one).

    >>> meaning("lag3"), meaning("q50"), meaning("mean")
    (('lag', 3), ('quantile', 500), ('mean', 0))
    """
    if word in LAGS:
        return "lag", LAGS[word]
    return ("quantile", QUANTILES[word]) if word in QUANTILES else (word, 0)
