"""A file that grows while its tail is killed at random: loaded, then followed, each row once."""

import random
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from octavo.project import load
from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stores.raw import RawStore

from .service_trees import Tree
from .test_stream_and_files import Quiet

FOLLOWED = """
import polars as pl
import octavo as ov

payments = ov.Dataset(
    "payments",
    ov.Files("in/*.csv", follow=True),
    online=ov.Stream(age="100ms"),
    event_id="id",
    event_time="at",
    checks=[ov.Check("positive", pl.col("amount") > 0)],
)
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[payments],
    rows=payments,
    label=ov.Label("large", of=payments, on="id", value=pl.col("amount") > 3),
    row=[pl.col("amount")],
    training=ov.Training(algorithms=["logistic"]),
)
"""


def begun(folder, rows=20):
    """Write a project with a file that has some rows and half a one, and load it."""
    (folder / "pipeline.py").write_text(FOLLOWED)
    (folder / "in").mkdir()
    writer = Writer(folder / "in", random.Random(1))
    writer.write(rows)
    writer.text('"9')
    load(folder).run(Quiet(), last="ingestion")
    writer.text('99999999","2024-01-01 00:00:00",1\n')
    writer.ids.append(999999999)
    return writer


class Writer:
    """Appends payments in pieces that end anywhere, and rotates its file now and then."""

    def __init__(self, folder, random_):
        self.folder, self.random, self.ids, self.rotated = folder, random_, [], 0
        self.text("id,at,amount\n")

    def text(self, text):
        with (self.folder / "a.csv").open("a") as file:
            file.write(text)

    def write(self, rows):
        number = len(self.ids)
        ids = range(number, number + rows)
        self.ids += ids
        text = "".join(f'{n},"2024-01-01 00:00:00",5\n' for n in ids)
        cut = self.random.randrange(len(text))
        self.text(text[:cut])
        time.sleep(self.random.uniform(0, 0.05))
        self.text(text[cut:])

    def rotate(self):
        self.rotated += 1
        (self.folder / "a.csv").rename(self.folder / f"old-{self.rotated}.csv")
        self.text("id,at,amount\n")


def tail_of(folder):
    command = [sys.executable, "-m", "octavo", "up", "tail", str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


def grow_and_kill(folder, kills, seed):
    writer, random_ = begun(folder), random.Random(seed)
    for _ in range(kills):
        with tail_of(folder) as tail:
            assert "Following" in tail.stdout.readline()
            until = time.monotonic() + random_.uniform(0, 0.6)
            while time.monotonic() < until:
                writer.write(random_.randint(1, 30))
                if random_.random() < 0.05:
                    writer.rotate()
            tail.kill()
            assert tail.wait() == -signal.SIGKILL, tail.stderr.read()
    writer.write(1)  # a header alone is not read: it may be rotated just now
    with tail_of(folder) as tail:
        until = time.monotonic() + 60
        while time.monotonic() < until and load(folder).status()["followed"]["payments"]:
            time.sleep(0.2)
        tail.send_signal(signal.SIGTERM)
        told = tail.stderr.read()
        assert tail.wait(30) == 0, told
    project = load(folder)
    assert project.status()["followed"] == {"payments": 0}
    stream = project.stream()
    service = OnlineIngestion(
        project.definition, project.home, project.catalog, stream, tell=print, notify=int
    )
    while sum(stream.lags("incoming.payments")["ingestion"]):
        service.turn(flush=True)
    stream.close()
    return project, writer


def check(project, writer):
    raw, batches = RawStore(project.home), project.catalog.committed("payments")
    ids = raw.scan("payments", batches).collect()["id"].to_list()
    assert sorted(ids) == sorted(writer.ids)
    assert sum(batch["duplicates"] + batch["rejected"] for batch in batches) == 0, "it came twice"
    assert batches[0]["topic"] is None
    assert batches[0]["rows"] == 20
    before = project.catalog.position()
    project.run(Quiet(), last="ingestion")
    assert project.catalog.position() == before, "a run takes nothing of what is followed"


def test_each_row_of_a_growing_file_is_there_once(tmp_path):
    check(*grow_and_kill(tmp_path, 3, 1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_row_of_a_growing_file_is_there_once_through_many_kills(tmp_path, seed):
    check(*grow_and_kill(tmp_path, 40, seed))


def test_up_follows_and_tells_how_far(tmp_path):
    writer = begun(tmp_path)
    up = Tree(tmp_path)
    address = up.address(60)
    writer.write(50)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        batches = load(tmp_path).catalog.committed("payments")
        if sum(batch["rows"] for batch in batches) == len(writer.ids):
            break
        time.sleep(0.3)
    metrics = httpx.get(f"{address}/metrics").text
    assert up.stop() == 0
    assert re.search(r'octavo_followed_bytes\{dataset="payments".*\} 0.0', metrics)
    assert sum(batch["rows"] for batch in batches) == 71
