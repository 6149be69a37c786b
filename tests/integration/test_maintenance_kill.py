"""Writers and two who maintain the same table, killed at any moment: every append is there once."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octavo.stores.delta import CHECKPOINT, DeltaLog

OLDER = 5
"""Seconds after which the maintainers delete what was replaced: no read here takes as long."""

FORGETFUL = """
import sys
import polars as pl
from octavo.stores import compaction, delta

url = sys.argv[1]
delta.CHECKPOINT = 5
for name in ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"):
    delta._CONFIGURATION[name] = "interval 1 seconds"
log = delta.DeltaLog(url)
"""

WRITER = f"""{FORGETFUL}
done = log.transaction_version("w")
for version in range(0 if done is None else done, 10**9):  # the newest once more: a replay
    rows = pl.DataFrame({{"version": [version] * 3, "row": [0, 1, 2]}})
    if log.append(rows, app_id="w", version=version) is not None:
        print(version, flush=True)
"""

MAINTAINER = f"""{FORGETFUL}
import time
from pathlib import Path

compaction.FEWEST = 4
while True:
    merged = len(compaction.compact(log, Path(url))) if log.exists() else 0
    deleted = len(found := compaction.unread(log, Path(url), {OLDER})) if log.exists() else 0
    compaction.delete(found if deleted else [])
    print(merged, deleted, flush=True)
    time.sleep(0.05)
"""


class Processes:
    """Processes of some scripts, each of which is started anew when it is killed."""

    def __init__(self, url, folder):
        self.url, self.folder, self.number, self.running = url, folder, 0, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, process, _ in self.running.values():
            process.kill()
            process.wait()

    def start(self, name, script):
        self.number += 1
        command = [sys.executable, "-c", script, str(self.url)]
        with (self.folder / f"{name}.{self.number}").open("w") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        self.running[name] = script, process, Path(out.name)

    def kill(self, name, *, again=True):
        script, process, out = self.running.pop(name)
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"{out.name} ended:\n{out.read_text()[-4000:]}"
        if again:
            self.start(name, script)

    def told(self, name):
        return [
            line
            for path in sorted(self.folder.glob(f"{name}*"))
            for line in path.read_text().split("\n")[:-1]
        ]


def check(url):
    """Read the table; whatever version it is, it has all appends up to one, each once."""
    rows = DeltaLog(url).scan().sort("version", "row").collect().rows()
    newest = rows[-1][0]
    assert rows == [(version, row) for version in range(newest + 1) for row in range(3)]
    return newest


def numbers(lines, column):
    return [int(line.split()[column]) for line in lines]


def interrupted(folder, kills, seed):
    url, moments = folder / "table", random.Random(seed)
    with Processes(url, folder) as processes:
        processes.start("writer", WRITER)
        while not processes.told("writer"):
            time.sleep(0.05)
        for name in ("one", "two"):
            processes.start(name, MAINTAINER)
        for _ in range(kills):
            time.sleep(moments.uniform(0.4, 1.8))
            check(url)
            processes.kill(moments.choice(["writer", "one", "two"]))
        while sum(numbers(processes.told("one") + processes.told("two"), 1)) < 20:
            time.sleep(0.2)
            check(url)
        for name in ("writer", "one", "two"):
            processes.kill(name, again=False)
    newest = check(url)
    told = {*numbers(processes.told("writer"), 0)}
    assert told <= {*range(newest + 1)}, "an append was told of and then lost"
    assert newest > 3 * kills
    merged = sum(numbers(processes.told("one") + processes.told("two"), 0))
    assert merged > newest / 4
    assert len(DeltaLog(url).files()) < newest / 2
    log = [path.name for path in (url / "_delta_log").iterdir()]
    # Beside the entries since the newest checkpoint there are those of the last clean-up.
    assert len(log) <= newest / 2 + CHECKPOINT, "the log is not cleaned up"


def test_ten_kills(tmp_path):
    interrupted(tmp_path, 10, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_kills(tmp_path, seed):
    interrupted(tmp_path, 100, seed)
