"""A raw store that is made up, and targets that keep what they get, for tests of replays."""

import io

import polars as pl

import octavo as ov
from octavo.definition.events import TIMESTAMP
from octavo.services.replay import Played, replay
from octavo.services.timeline import Timeline
from octavo.streams import Place

SECOND = 1_000_000


def dataset(name, **options):
    return ov.Dataset(name, online=ov.Stream(), **({"event_time": "at"} | options))


class Made:
    """Stands for raw store and catalog: ``known`` moments, seconds, of each dataset's rows."""

    def __init__(self, **known):
        self.known = known

    def committed(self, name):
        return [name]

    def versions(self, name, batches):
        known = [round(at * SECOND) for at in self.known[name]]
        numbers = range(len(known))
        rows = pl.DataFrame(
            {
                "n": pl.Series(numbers, dtype=pl.Int64),
                "text": [None if n % 3 else "x" * (n % 50) for n in numbers],
                "flag": [None if n % 5 == 1 else n % 2 == 0 for n in numbers],
                "_event_id": [f"{name}{n}" for n in numbers],
                "_event_time": pl.Series(known, dtype=pl.Int64).cast(TIMESTAMP),
                "_known_at": pl.Series(known, dtype=pl.Int64).cast(TIMESTAMP),
                "_position": pl.Series(numbers, dtype=pl.Int64),
                "_batch_id": [name] * len(known),
            },
            schema_overrides={"text": pl.String, "flag": pl.Boolean},
        )
        return [rows.lazy()]


def timeline(made, *datasets, first=None, last=None):
    ends = {"first": first, "last": last}
    told = {name: None if at is None else round(at * SECOND) for name, at in ends.items()}
    return Timeline(datasets, made, made, **told)


class Kept:
    """A target that keeps blocks by key, as a server does; ``left`` calls, then it stops.

    It is the clock, too: time passes while one waits.
    """

    def __init__(self):
        self.now = 0.0
        self.blocks = {}
        self.rows = []
        self.left = None
        self.stopped = False

    def __call__(self, name, data, key):
        if self.left is not None:
            self.left -= 1
            self.stopped = self.left <= 0
        repeated = (name, key) in self.blocks
        if repeated:
            assert self.blocks[name, key] == data, "a key names other content"
        else:
            self.blocks[name, key] = data
            self.rows += [(name, n) for n in pl.read_ipc_stream(io.BytesIO(data))["n"]]
        return Place(0, len(self.blocks), repeated)

    def is_set(self):
        return self.stopped

    def wait(self, timeout):
        self.now += timeout
        return self.stopped

    def clock(self):
        return self.now


class Clock:
    """Time that passes while one waits, and by what a target takes."""

    def __init__(self):
        self.now = 1000.0
        self.waits = []

    def __call__(self):
        return self.now

    def is_set(self):
        return False

    def wait(self, timeout):
        self.waits.append(timeout)
        self.now += timeout
        return False


def play(line, target, *, speed, stop, key="k", clock=None, show=lambda _: None):
    played = Played()
    clock = clock or target.clock
    replay(line, target, played, speed=speed, key=key, stop=stop, show=show, clock=clock)
    return played
