"""A disk that is full while events are ingested and prepped: it is told, and nothing is lost."""

import contextlib
import threading
import time

import pytest

from octavo.errors import ResourceError
from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stages.prep.online import OnlinePrep
from octavo.stores.raw import RawStore

from .outcome import assert_same
from .shop_project import Silent
from .test_online_prep import LiveShop

FULL = "the disk is full"


class Services:
    """Ingestion and prep of a project, each in a thread, as they run in processes."""

    def __init__(self, project):
        p, self.told, self.stop = project, [], threading.Event()
        told = p.definition, p.home, p.catalog, p.stream()
        ingestion = OnlineIngestion(*told, tell=self.told.append, notify=lambda: None)
        told = p.definition, p.folder, p.home, p.catalog, p.stream()
        prep = OnlinePrep(*told, tell=self.told.append)
        self.threads = [
            threading.Thread(target=each.run, args=(self.stop,)) for each in (ingestion, prep)
        ]
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def are_up_with(self, shop):
        """Wait until all that was sent is ingested and prepped."""

        def lags():
            topics = [f"incoming.{name}" for name in ("orders", "returns")]
            return sum(sum(shop.stream.lags(topic)["ingestion"]) for topic in topics)

        wait(lambda: not lags() and not shop.behind(), lambda: self.told)

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def wait(until, says):
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end, "\n".join(says())
        time.sleep(0.05)


def sent(shop, lines):
    """Send what can be, and return what was not acknowledged."""
    left = []
    for name, line in lines:
        try:
            shop.send(name, [line])
        except ResourceError:
            left.append((name, line))
    return left


def check(shop, again):
    for name in ("orders", "returns"):
        raw = RawStore(shop.project.home).scan(name, shop.project.catalog.committed(name))
        ids = raw.select("_event_id").collect().to_series()
        assert ids.is_unique().all()
        assert len(ids) == 500
    assert_same(shop.rows(), shop.rebuilt(again))


@pytest.mark.parametrize("space", [20_000, 200_000, 700_000])
def test_a_full_disk_is_told_and_nothing_is_lost(space, tmp_path, make_project, small_disk):
    with small_disk(tmp_path / "disk", "60m") as disk:
        shop = LiveShop(disk / "live" / "shop", make_project)
        shop.project.run(Silent(), first="ingestion", last="prep")
        lines = [(name, line) for name, found in shop.newer.items() for line in found]
        with Services(shop.project) as services:
            services.are_up_with(shop)
            fill(disk / "ballast", space)
            left, at = [], 0
            while not services.told:
                left += sent(shop, lines[at : at + 20])
                at += 20
                time.sleep(0.1)
            time.sleep(1)
            (disk / "ballast").unlink()
            assert not sent(shop, [*left, *lines[at:]])
            services.are_up_with(shop)
        assert all(FULL in text for text in services.told), services.told
        check(shop, tmp_path / "again" / "shop")


@pytest.mark.parametrize("space", [0, 12_000])
def test_prep_on_a_full_disk(space, tmp_path, make_project, small_disk):
    with small_disk(tmp_path / "disk", "60m") as disk:
        shop = LiveShop(disk / "live" / "shop", make_project)
        shop.project.run(Silent(), first="ingestion", last="prep")
        for name, lines in shop.newer.items():
            shop.send(name, lines)
        shop.ingest()
        fill(disk / "ballast", space)
        with Services(shop.project) as services:
            wait(lambda: services.told, lambda: ["it is not told"])
            time.sleep(1)
            (disk / "ballast").unlink()
            services.are_up_with(shop)
        assert any(text.startswith("prep: ") for text in services.told)
        assert all(FULL in text for text in services.told), services.told
        check(shop, tmp_path / "again" / "shop")


def fill(path, space):
    """Write a file that leaves some bytes of its disk."""
    with path.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(10_000))
        file.truncate(max(0, file.tell() - space))


def test_services_stop_on_a_full_disk(tmp_path, make_project, small_disk):
    with small_disk(tmp_path / "disk", "60m") as disk:
        shop = LiveShop(disk / "live" / "shop", make_project)
        shop.project.run(Silent(), first="ingestion", last="prep")
        with Services(shop.project) as services:
            services.are_up_with(shop)
            fill(disk / "ballast", 0)
            time.sleep(1)
        assert services.told
