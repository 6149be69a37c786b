"""Claim: 10⁴ new rows after 10⁷ cost at most 1.3 × what they cost after 10⁵.

Skewed entities, 3 windows × 6 aggregates. The new rows are the same, and so are the answers: the
short history is the end of the long one, and both fill the windows. New rows are folded from the
state that the history left; making that state is not measured.
``python benchmarks/incremental.py [--short 100000] [--long 10000000] [--json]``
"""

import argparse

import numpy as np
import polars as pl

from harness import Claim, medians
from harness.stream import DAY, PLAN, events
from octavo.windows import Observations, Queries, Step, ViewState, advance

ROWS_A_DAY = 10_000
RETAIN = 8 * DAY
"""The longest window, and a day for rows that come late."""


def step(frame: pl.DataFrame, first: int) -> dict[str, Step]:
    """Return rows as a piece of log that begins at a position; each row also asks."""
    entity, at, value = (frame[name].to_numpy() for name in ("entity", "at", "value"))
    place = first + np.arange(frame.height)
    queries = Queries(entity, at, at, place)
    return {"lane": Step(PLAN, Observations(entity, at, at, place, value), queries)}


class History:
    """The state that a history left, and the rows that come next."""

    def __init__(self, before: pl.DataFrame, new: pl.DataFrame) -> None:
        begun = ViewState.begin("benchmark", {"lane": RETAIN})
        self.state = advance(begun, step(before, 0))[1].trim()
        self.new = step(new, before.height)

    def fold_new(self) -> np.ndarray:
        """Fold the new rows. The state is a value: it can be advanced again."""
        found, state = advance(self.state, self.new)
        state.trim()
        return found["lane"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", type=int, default=100_000)
    parser.add_argument("--long", type=int, default=10_000_000)
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = options.long + options.new
    frame = events(rows, days=rows / ROWS_A_DAY)
    before, new = frame[: options.long], frame[options.long :]
    long, short = History(before, new), History(before[-options.short :], new)
    assert np.array_equal(long.fold_new(), short.fold_new(), equal_nan=True)
    dear, cheap = medians(long.fold_new, short.fold_new, repeats=options.repeats)
    claim = f"{options.new:,} new rows after {options.long:,} against after {options.short:,}"
    Claim(claim, dear, cheap, goal=1.3, at_most=True).show(as_json=options.json)


if __name__ == "__main__":
    main()
