"""Claim: a row of 5·10⁷ costs at most 1.5 × what a row of 10⁶ costs.

The bulk fold of 3 windows × 6 aggregates over skewed entities. The history is cut by entity into
parts of about a million rows, folded one after the other, as prep does with one larger than memory;
cutting counts. Needs about 6 GB.
``python benchmarks/scaling.py [--small 1000000] [--large 50000000] [--json]``
"""

import argparse
from functools import partial

import numpy as np
import polars as pl

from harness import Claim, medians
from harness.stream import PLAN, events
from octavo.windows import Observations, Queries, fold

PART = 1_000_000


def folded(frame: pl.DataFrame) -> None:
    """Fold all rows, dropping each part's results as its writer would."""
    entity, at, value = (frame[name].to_numpy() for name in ("entity", "at", "value"))
    parts = -(-frame.height // PART)
    part = (entity % np.uint64(parts)).astype(np.uint8)
    order = np.argsort(part, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(part, minlength=parts))[:-1]):
        who, when, place = entity[rows], at[rows], np.arange(len(rows))
        seen = Observations(who, when, when, place, value[rows])
        fold(seen, Queries(who, when, when, place), PLAN)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=50_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folded(events(1000))  # compile, or read the compiled
    sizes = (options.large, options.small)
    works = [partial(folded, events(size)) for size in sizes]
    large, small = (
        1e6 * seconds / size
        for size, seconds in zip(sizes, medians(*works, repeats=options.repeats), strict=True)
    )
    claim = f"cost of a row, {options.large:,} rows against {options.small:,}"
    Claim(claim, large, small, goal=1.5, unit="µs", at_most=True).show(as_json=options.json)


if __name__ == "__main__":
    main()
