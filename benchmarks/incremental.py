"""Claim: 10⁴ new rows after 10⁷ cost at most 1.3 × what they cost after 10⁵.

Skewed entities, 3 windows × 6 aggregates. The new rows are the same, and so are the answers: the
short history is the end of the long one, and both fill the windows. Measured are gathering what the
store has of the entities, the fold, and the durable transaction that takes the new rows in.
``python benchmarks/incremental.py [--short 100000] [--long 10000000] [--json]``
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from harness import Claim
from harness.stream import DAY, PLAN, events
from octavo.stores.state import StateStore
from octavo.windows import Observations, Queries, fold

ROWS_A_DAY = 10_000
RETAIN = 8 * DAY
"""The longest window, and a day for rows that come late."""


def columns(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    entity, at, value = (frame[name].to_numpy() for name in ("entity", "at", "value"))
    return entity, at, value


class History:
    """The store that a history left, and the rows that come next."""

    def __init__(self, folder: Path, before: pl.DataFrame, new: pl.DataFrame) -> None:
        self.folder, self.offset, self.new = folder, 0, columns(new)
        self.append(self.opened(folder), *columns(before))
        self.copies = 0

    def opened(self, folder: Path) -> StateStore:
        lanes = {"lane": RETAIN}
        return StateStore.open(folder, view="benchmark", fingerprint="f", lanes=lanes)

    def append(self, store: StateStore, entity, at, value) -> None:
        with store.transaction() as transaction:
            transaction.append("lane", entity, at, value, at)
            offset = store.place.offset + len(at)
            transaction.set_position(int(at[-1]), offset, offset)
            transaction.trim(int(at[-1]))
        store.sweep(int(at[-1]))

    def ready(self) -> StateStore:
        """Copy the store, so that the same rows can come again."""
        self.copies += 1
        copy = self.folder.with_name(f"{self.folder.name}-{self.copies}")
        shutil.copytree(self.folder, copy)
        return self.opened(copy)

    def fold_new(self, store: StateStore) -> np.ndarray:
        """Fold the new rows and take them in."""
        entity, at, value = self.new
        place = store.place.offset + np.arange(len(at))
        entities = np.unique(entity)
        with store.snapshot() as snapshot:
            found = snapshot.observations_of("lane", entities, int(at[0]) - PLAN.horizon)
        past = Observations.before_all(entities, found)
        seen = Observations.concatenate([past, Observations(entity, at, at, place, value)])
        answers = fold(seen, Queries(entity, at, at, place), PLAN, late=DAY)
        self.append(store, entity, at, value)
        return answers


def seconds(history: History) -> float:
    store = history.ready()
    began = time.perf_counter()
    history.fold_new(store)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", type=int, default=100_000)
    parser.add_argument("--long", type=int, default=10_000_000)
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = options.long + options.new
    frame = events(rows, days=rows / ROWS_A_DAY)
    before, new = frame[: options.long], frame[options.long :]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        long = History(Path(folder) / "long", before, new)
        short = History(Path(folder) / "short", before[-options.short :], new)
        answers = [each.fold_new(each.ready()) for each in (long, short)]
        assert np.array_equal(*answers, equal_nan=True)
        pairs = [(seconds(long), seconds(short)) for _ in range(options.repeats)]
    dear, cheap = (statistics.median(each) for each in zip(*pairs, strict=True))
    claim = f"{options.new:,} new rows after {options.long:,} against after {options.short:,}"
    Claim(claim, dear, cheap, goal=1.3, at_most=True).show(as_json=options.json)


if __name__ == "__main__":
    main()
