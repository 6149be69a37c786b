"""River's share of `live.py`: run in River's own environment.

``python river_rolling.py EVENTS.csv HOURS …`` adds and answers one event after the other, and
prints how many in how many seconds. River has no minimum and maximum over a time, nor a count: it
takes these over the last 100 values, and the count from the mean, which suits it.
"""

import csv
import json
import sys
import time
from collections import defaultdict
from datetime import datetime, timedelta

from river import stats, utils

LAST = 100
BEGIN = datetime(1970, 1, 1)  # noqa: DTZ001  River compares with a time without zone


class Entity:
    """All aggregates of one entity."""

    def __init__(self, periods: list[timedelta]) -> None:
        self.timed = [
            utils.TimeRolling(kind, period=period)
            for period in periods
            for kind in (stats.Sum, stats.Mean, stats.Var)
        ]
        self.last = [kind(LAST) for _ in periods for kind in (stats.RollingMin, stats.RollingMax)]

    def learn_and_answer(self, value: float, at: datetime) -> list[float]:
        for each in self.timed:
            each.update(value, t=at)
        for each in self.last:
            each.update(value)
        found = [each.get() for each in self.timed]
        found += [each.obj.n for each in self.timed if isinstance(each.obj, stats.Mean)]
        return found + [each.get() for each in self.last]


def main() -> None:
    path, *hours = sys.argv[1:]
    periods = [timedelta(hours=int(each)) for each in hours]
    with open(path) as file:
        events = [
            (row["entity"], float(row["value"]), BEGIN + timedelta(microseconds=int(row["at"])))
            for row in csv.DictReader(file)
        ]
    entities: dict[str, Entity] = defaultdict(lambda: Entity(periods))
    began = time.perf_counter()
    for entity, value, at in events:
        entities[entity].learn_and_answer(value, at)
    print(json.dumps({"events": len(events), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
