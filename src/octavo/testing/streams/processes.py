"""Processes that append and consume, and are killed at any moment."""

import itertools
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from octavo.streams import Record, Stream, Topic, open_stream
from octavo.testing.streams import worker
from octavo.testing.streams.worker import GROUP, PARTITIONS, TOPIC, blocks, connect

APPENDERS, CONSUMERS = ("x", "y"), ("1", "2", "3")
PATIENCE = 120.0
"""Seconds that consumers get to be through with what was appended."""


class Life:
    """One process, from its start until it is killed."""

    def __init__(self, output: Path, *arguments: str) -> None:
        self.output = output
        command = [sys.executable, "-P", worker.__file__, *arguments]
        with output.open("w") as out, output.with_suffix(".error").open("w") as error:
            self.process = subprocess.Popen(command, stdout=out, stderr=error)

    def told(self) -> list[int]:
        """Return the numbers it has told so far, without one that is cut off."""
        text = self.output.read_text()
        return [int(line) for line in text[: text.rfind("\n") + 1].split()]

    def kill(self) -> None:
        """Kill it; it must not have died before."""
        self.process.kill()
        code, error = self.process.wait(), self.output.with_suffix(".error").read_text()
        assert (code, error) == (-signal.SIGKILL, "")


class Workers:
    """Appenders and consumers of one stream, each in its present life."""

    def __init__(self, url: str, folder: Path, seconds: float) -> None:
        self.url = url
        self.folder = folder
        self.seconds = seconds
        self.lives: dict[str, list[Life]] = {name: [] for name in (*APPENDERS, *CONSUMERS)}
        for name in self.lives:
            self.start(name)

    def acknowledged(self, name: str) -> int:
        """Return how many calls of an appender were acknowledged."""
        return 1 + max((number for life in self.lives[name] for number in life.told()), default=-1)

    def start(self, name: str) -> None:
        """Start a worker, or the next life of one that was killed."""
        if name in APPENDERS:
            arguments = "append", name, str(self.acknowledged(name))
        else:
            arguments = "consume", str(self.folder / "results.db"), str(self.seconds)
        lives = self.lives[name]
        output = self.folder / f"{name}.{len(lives)}.out"
        what, *rest = arguments
        lives.append(Life(output, what, self.url, str(self.folder), *rest))

    def kill_some(self, kills: int) -> None:
        """Kill one after the other, each in the middle of its work, and start it again."""
        moments = random.Random(kills)
        while kills:
            time.sleep(moments.uniform(0, 0.3))
            at_work = [name for name, lives in self.lives.items() if lives[-1].told()]
            if at_work:
                name = moments.choice(at_work)
                self.lives[name][-1].kill()
                self.start(name)
                kills -= 1

    def pause(self, name: str) -> None:
        """Stop one for longer than its leases last, and let it go on: it does not know."""
        process = self.lives[name][-1].process
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5 * self.seconds)
        process.send_signal(signal.SIGCONT)

    def kill(self, *names: str) -> None:
        """Kill some for good."""
        for name in names:
            self.lives[name][-1].kill()


class ProcessSuite:
    """What is acknowledged is there once; what is consumed is consumed once."""

    url: str
    """Names the stream, for each process to open."""
    kills = 10
    """How many processes are killed."""
    seconds = 1.0
    """How long leases last."""

    def test_killed_processes(self, tmp_path: Path) -> None:
        stream = open_stream(self.url, tmp_path)
        stream.create(Topic(TOPIC, partitions=PARTITIONS, groups=(GROUP,)))
        workers = Workers(self.url, tmp_path, self.seconds)
        workers.kill_some(self.kills)
        for name in CONSUMERS:
            workers.pause(name)
        _wait_until(lambda: min(map(workers.acknowledged, APPENDERS)) > 20)
        workers.kill(*APPENDERS)
        _wait_until(lambda: stream.lags(TOPIC) == {GROUP: [0] * PARTITIONS})
        workers.kill(*CONSUMERS)
        log = _whole_log(stream)
        for name in APPENDERS:
            _check_appended(log, name, workers.acknowledged(name))
        found = [(each.partition, each.offset, each.rows, each.data) for each in log]
        with connect(tmp_path / "results.db") as results:
            query = "select * from results order by partition, first"
            assert results.execute(query).fetchall() == found
            assert results.execute("select min(epoch) from positions").fetchone()[0] > 1


def _wait_until(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)


def _whole_log(stream: Stream) -> list[Record]:
    found: list[Record] = []
    for partition in range(PARTITIONS):
        position = 0
        while more := stream.read(TOPIC, {partition: position}):
            assert all(a.end == b.offset for a, b in itertools.pairwise(more))
            found += more
            position = more[-1].end
    return found


def _check_appended(log: list[Record], name: str, acknowledged: int) -> None:
    """Each call is there whole, once and in order, and at most one that was not acknowledged."""
    mine = [each for each in log if each.data.startswith(f"{name} ".encode())]
    numbers = [int(each.data.split()[1]) for each in mine]
    assert 20 < acknowledged <= len(set(numbers)) <= acknowledged + 1
    assert Counter(numbers) == dict.fromkeys(range(len(set(numbers))), 2)
    for partition in range(PARTITIONS):
        there = [int(each.data.split()[1]) for each in mine if each.partition == partition]
        assert there == sorted(there)
    given = {block.key: block for number in set(numbers) for block in blocks(name, number)}
    for each in mine:
        block = given.pop(each.key)
        assert (each.partition, each.rows, each.data) == (block.partition, block.rows, block.data)
