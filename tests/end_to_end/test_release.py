"""A changed definition is released while clients send and ask: nothing fails, nothing is lost."""

import json
import threading
import time
from datetime import UTC, datetime

import httpx
import polars as pl
import pytest

from octavo.project import load
from octavo.stores.raw import RawStore

from .anew import features_of, prepped_anew
from .outcome import assert_same
from .server_process import serving
from .shop_project import Shop
from .test_online_prep import _line

ONLINE = {
    f'ov.Files("data/{name}*.csv"),': f'ov.Files("data/{name}*.csv"), online=ov.Stream(age="50ms"),'
    for name in ("orders", "returns")
}
SPENT = '                ov.Window(orders, "amount", over="{}", take="max", name="spent"),\n'
BEFORE = "                ov.Window(\n                    returns,"
CHANNEL = """        ov.View(
            "channel", key="channel", windows=[ov.Window(orders, "amount", over="1d", take="max")]
        ),
"""
PRODUCT = '        ov.View("product",'


class Clients:
    """Send and ask all the time, each over its own connection, until told to stop."""

    def __init__(self, address, lines, asked, pace):
        self.address, self.lines, self.asked, self.pace = str(address), lines, asked, pace
        self.failed, self.answers, self.sent = [], [], []
        self.stop = threading.Event()
        works = [(self.send, name) for name in lines] + [(self.ask, True), (self.ask, False)]
        self.threads = [
            threading.Thread(target=work, args=(of,), daemon=True) for work, of in works
        ]
        for thread in self.threads:
            thread.start()

    def send(self, name):
        with httpx.Client(base_url=self.address, timeout=60) as client:
            for number, line in enumerate(self.lines[name]):
                if self.stop.is_set():
                    return
                kind = {"Content-Type": "application/x-ndjson"}
                path = f"/v1/datasets/{name}/events"
                if self.call(client, path, content=line.encode(), headers=kind) is not None:
                    self.sent.append((name, number))
                time.sleep(self.pace)

    def ask(self, keeps):
        with httpx.Client(base_url=self.address, timeout=60) as kept:
            while not self.stop.is_set():
                client = kept if keeps else httpx.Client(base_url=self.address, timeout=60)
                found = self.call(client, "/v1/pipelines/shop/predict", json={"events": self.asked})
                if found is not None:
                    self.answers.append((found["candidate"], found["predictions"][0]["returned"]))
                if not keeps:
                    client.close()
                time.sleep(self.pace / 2)

    def call(self, client, path, **what):
        try:
            answer = client.post(path, **what)
            if answer.is_success:
                return answer.json()
            self.failed.append(f"{path}: {answer.status_code} {answer.text}")
        except httpx.HTTPError as error:
            self.failed.append(f"{path}: {error!r}")
        return None

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self.failed


def prepped(folder):
    """Return all features of all rows, when prep is up with what was ingested."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        project = load(folder)
        behind = sum(each["lag"] for each in project.status()["streams"])
        groups = project.catalog.live_groups()
        position = project.catalog.position()
        if not behind and all(group["position"] == position for group in groups):
            return features_of(project)
        time.sleep(0.2)
    raise AssertionError("prep does not come up with what was sent")


def later(folder, names):
    """Take the newer part of some datasets away, to be sent."""
    found = {}
    for name in names:
        path = folder / "data" / f"{name}-1.csv"
        found[name] = [_line(row) for row in pl.read_csv(path, infer_schema=False).to_dicts()]
        path.unlink()
    return found


def released(octavo, folder):
    told = octavo("release", folder, "--json")
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def raw_ids(project, name):
    batches = project.catalog.committed(name)
    return RawStore(project.home).scan(name, batches).select("_event_id").collect().to_series()


@pytest.mark.slow
def test_three_releases_under_load(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "live" / "shop", parts=2, orders=1500, edits=ONLINE)
    lines = later(folder, ["orders", "returns"])
    assert octavo("run", folder).returncode == 0
    shop, candidate = Shop(folder), load(folder).catalog.live_deployment()["candidate_id"]
    with serving(folder) as client:
        now = datetime.now(UTC).isoformat()  # features know of nothing before what was sent
        asked = [json.loads(lines["orders"][-1]) | {"order_id": 10**6, "ordered_at": now}]
        clients = Clients(client.base_url, lines, asked, 0.01)
        time.sleep(2)
        shop.edit((BEFORE, SPENT.format("3d") + BEFORE))
        first = released(octavo, folder)
        assert first["features"]["new"] == ["customer__spent_max_3d"]
        shop.edit((SPENT.format("3d"), SPENT.format("5d")))
        second = released(octavo, folder)
        assert second["features"]["removed"] == ["customer__spent_max_3d"]
        shop.edit((SPENT.format("5d"), ""), (PRODUCT, CHANNEL + PRODUCT))
        third = released(octavo, folder)
        assert third["features"]["new"] == ["channel__amount_max_1d"]
        time.sleep(1)
        clients.end()
        found = prepped(folder)
    assert {candidate} == {named for named, _ in clients.answers}
    project = load(folder)
    for name, given in lines.items():
        sent = [str(json.loads(given[n])["order_id"]) for of, n in clients.sent if of == name]
        there = raw_ids(project, name)
        assert there.is_unique().all()
        assert not set(sent) - set(there)
        assert len(sent) > 100
    again = features_of(prepped_anew(folder, tmp_path / "again" / "shop"))
    assert {*found.columns} == {*again.columns}  # each group's together, and these are others
    assert_same(found.select(again.columns), again)
