"""History in one home, its last part replayed to the server of another one: the same raw rows."""

import json
import re
import signal
import time

import polars as pl
from click.testing import CliRunner

from octavo.cli.replay import replay
from octavo.project import load
from octavo.stores.raw import STAMPS, RawStore

from .server_process import serving
from .test_stream_and_files import Quiet

ONLINE = {
    f'ov.Files("data/{name}*.csv"),': (
        f'ov.Files(HISTORY or "data/{name}*.csv"), online=ov.Stream(age="50ms"),'.replace(
            "HISTORY", f'HISTORY and f"{{HISTORY}}/{name}.parquet"'
        )
    )
    for name in ("orders", "returns")
}


def shop(folder, make_project, history=""):
    told = {"import octavo as ov\n": f"import octavo as ov\n\nHISTORY = {history!r}\n"}
    return make_project(folder, parts=2, orders=400, edits={**ONLINE, **told})


def call(command, *options):
    """Call a command in this process, and return its document."""
    told = CliRunner().invoke(command, [str(option) for option in options], standalone_mode=False)
    if told.exception:
        raise told.exception
    return json.loads(told.stdout)


def rows(folder, name):
    project = load(folder)
    batches = project.catalog.committed(name)
    found = RawStore(project.home).scan(name, batches).filter(pl.col("_event_time").is_not_null())
    return found.collect().drop(STAMPS)


def same(one, other, name):
    left, right = (rows(folder, name) for folder in (one, other))
    assert left.schema == right.schema
    assert left.sort(left.columns).equals(right.sort(left.columns))
    return left.height


def ingested(folder):
    """Wait until all that was sent is ingested."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if not any(each["lag"] for each in load(folder).status()["streams"]):
            return
        time.sleep(0.1)
    raise AssertionError("it is not ingested")


def middle(folder):
    """Return the moment when half of the orders were known."""
    project = load(folder)
    batches = project.catalog.committed("orders")
    known = RawStore(project.home).scan("orders", batches).select("_known_at").collect()
    return known.to_series().sort()[200].strftime("%Y-%m-%dT%H:%M:%S")


def test_the_last_part_of_a_history_is_replayed_to_another_home(tmp_path, make_project):
    one = shop(tmp_path / "one", make_project)
    two = shop(tmp_path / "two", make_project, history=str(tmp_path / "history"))
    load(one).run(Quiet(), last="ingestion")
    cut = middle(one)
    history = ("--to", cut, "-o", tmp_path / "history")
    assert call(replay, "--dir", one, *history, "--json")["orders"]["rows"] == 200
    load(two).run(Quiet(), last="ingestion")
    assert rows(two, "orders").height == 200
    command = ("--dir", one, "--speed", "max", "--json")
    with serving(two) as client:
        to = ("--url", str(client.base_url))
        first, again = (call(replay, *command, "--from", cut, *to) for _ in range(2))
        ingested(two)
    assert first["complete"]
    assert (first["repeated"], again["repeated"]) == (0, first["rows"])
    assert same(one, two, "orders") == 400
    same(one, two, "returns")
    batches = load(two).catalog.committed("orders")
    assert sum(batch["duplicates"] for batch in batches) == 0


def test_ctrl_c_says_how_to_go_on_and_nothing_is_doubled(tmp_path, make_project, start_octavo):
    one = shop(tmp_path / "one", make_project)
    load(one).run(Quiet(), last="ingestion")
    to = ("--into", tmp_path / "there")
    process = start_octavo("replay", "--dir", one, "--speed", "2000000x", *to)
    topic = tmp_path / "there" / "streams" / "incoming.orders.db"
    until = time.monotonic() + 60
    while not topic.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    sent = int(re.search(r"([\d,]+) rows sent", out)[1].replace(",", ""))
    go_on = re.search(r"Go on by the same command with (--from) (\S+)\.", err)
    assert go_on, err
    told = call(replay, "--dir", one, "--speed", "max", *to, *go_on.groups(), "--json")
    total = rows(one, "orders").height + rows(one, "returns").height
    assert told["repeated"] == 0
    assert told["rows"] + sent == total > told["rows"] > 0
