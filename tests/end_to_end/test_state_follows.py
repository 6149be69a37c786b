"""A prep that ends after any of its durable writes: the next one makes the same of it."""

import functools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from octavo.errors import DataError
from octavo.runner import STAGES
from octavo.stores import catalog as tables
from octavo.stores.state import StateStore

from .ended import Ended, count_writes
from .outcome import assert_same
from .shop_project import Shop

DRIVER = Path(__file__).parent / "killed_run.py"
NEWER = ("orders-1.csv", "returns-1.csv")
NEWEST = ("orders-2.csv", "returns-2.csv")


@pytest.fixture(scope="module")
def half(tmp_path_factory, make_project):
    folder = make_project(tmp_path_factory.mktemp("half") / "shop", orders=600, parts=3)
    shop = Shop(folder).hold_back(*NEWER, *NEWEST)
    shop.run()
    return shop


@pytest.fixture
def end_after(monkeypatch):
    """Give a function that lets the next prep end after its n-th durable write."""

    def arm(number):
        left = [number]

        def count():
            left[0] -= 1
            if left[0] == 0:
                monkeypatch.undo()
                raise Ended

        _follow(monkeypatch, count)

    return arm


@pytest.fixture(scope="module")
def counts_at(half, tmp_path_factory):
    """Give a function that tells which durable write makes the prep of what is new count."""

    def number(deliver):
        shop, live = half.copy(tmp_path_factory.mktemp("counts") / "shop"), []
        catalog = deliver(shop).project.catalog
        with pytest.MonkeyPatch.context() as patch:
            _follow(patch, lambda: live.append([g["position"] for g in catalog.live_groups()]))
            shop.run()
        assert live[0] != live[-1]
        return 1 + live.index(live[-1])

    return functools.cache(number)


def _follow(monkeypatch, count):
    """Call something after each durable write of a prep."""
    running = [False]
    run = STAGES["prep"].run

    def prep(context):
        running[0] = True
        outcome = run(context)
        running[0] = False
        return outcome

    count_writes(monkeypatch, lambda: running[0] and count())
    monkeypatch.setattr(STAGES["prep"], "run", prep)


def states(shop):
    """Return all that is in the states of the live groups, and how far they have come."""
    project, found = shop.project, {}
    for group in project.catalog.live_groups():
        if group["state"] is not None:
            path, view = project.home.state(group["name"], group["group_id"]), group["name"]
            store = StateStore.open(path, view=view, fingerprint=group["group_id"], readonly=True)
            with store.snapshot() as snapshot:
                table = store._opened.environment.tables[b"observations"]
                content = dict(snapshot._transaction.cursor(table))
                place, too_late, held = snapshot.place, snapshot.too_late, snapshot.held
            assert place.offset == group["position"]
            assert sum(too_late.values()) == group["too_late"]
            found[view, group["group_id"]] = (content, place, too_late, held)
    assert len(found) == 2
    return found


def all_of(shop):
    return {"rows": shop.rows, "states": states(shop), "online": shop.online("c03")}


def ended(shop, end_after, number):
    """Let a prep end after its n-th durable write; tell whether it did."""
    end_after(number)
    try:
        shop.run()
    except Ended:
        return True
    return False


def test_at_every_write_of_new_batches(half, tmp_path, end_after):
    calm = half.copy(tmp_path / "calm")
    calm.deliver(*NEWER).run()
    expected, number = all_of(calm), 1
    while ended(shop := half.copy(tmp_path / f"{number}").deliver(*NEWER), end_after, number):
        shop.run()
        assert_same(all_of(shop), expected)
        number += 1
    assert number > 9, "two reports, three tables, the catalog, two states"


def test_at_every_write_of_the_first_load(tmp_path, make_project, end_after):
    first = Shop(make_project(tmp_path / "first" / "shop", orders=300))
    calm = first.copy(tmp_path / "calm")
    calm.run()
    expected, number = all_of(calm), 4  # before, only reports are written
    while ended(shop := first.copy(tmp_path / f"{number}"), end_after, number):
        shop.run()
        assert_same(all_of(shop), expected)
        number += 1
    assert number > 10


def renew(shop):
    return shop.deliver(*NEWER)


@pytest.mark.parametrize("after", [-3, 0, 1])
def test_with_more_batches_before_it_goes_on(half, tmp_path, end_after, counts_at, after):
    """It ends among the tables, with the catalog's transaction, or between two states."""
    shop = renew(half.copy(tmp_path / "shop"))
    assert ended(shop, end_after, counts_at(renew) + after)
    shop.deliver(*NEWEST).run()
    found = all_of(shop)
    catalog = shop.project.catalog
    with catalog.transaction() as connection:
        for table in (tables.feature_versions, tables.feature_groups, tables.stage_runs):
            connection.execute(table.delete())
    shutil.rmtree(shop.project.home.path / "features")
    shutil.rmtree(shop.project.home.path / "state")
    shop.run()
    assert_same(shop.rows, found["rows"])
    assert shop.online("c03") == found["online"]


def spoil(shop):
    """Deliver orders that never were, of half the customers."""
    orders = shop.read("orders-0.csv").tail(40).filter(pl.col("customer") < "c25")
    shop.write("orders-wrong.csv", orders.with_columns(pl.col("order_id") + 100_000))
    return shop


def withdraw(shop):
    (batch,) = [b["batch_id"] for b in shop.project.catalog.batches() if "wrong" in b["source"]]
    shop.project.withdraw(batch, "a test till")
    return shop


@pytest.mark.parametrize(("after", "counts"), [(-1, False), (0, True), (1, True)])
def test_a_batch_that_is_withdrawn_after_a_kill_is_in_what_counted_alone(
    half, tmp_path, counts_at, after, counts
):
    """After the catalog's transaction the state goes on as that of the undisturbed prep would."""
    shop, calm = (spoil(half.copy(tmp_path / name)) for name in ("shop", "calm"))
    number = str(counts_at(spoil) + after)
    command = [sys.executable, str(DRIVER), str(shop.folder), "prep", number]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    calm.run("segregation" if counts else "ingestion")
    found = []
    for each in (shop, calm):
        withdraw(each).run()
        each.deliver(*NEWER).run()
        found.append((all_of(each), each.stale()))
    assert_same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert bool(found[0][1]) == counts


def lose(folder):
    shutil.rmtree(folder)


def cut_off(folder):
    for file in folder.rglob("data.mdb"):
        os.truncate(file, file.stat().st_size // 3)


@pytest.mark.parametrize(
    ("harm", "said", "view"),
    [(lose, "its state was lost", "customer"), (cut_off, "data.mdb ends at byte", "VIEW")],
)
def test_a_state_that_is_lost_is_said_and_rebuilt(half, tmp_path, harm, said, view):
    shop = half.copy(tmp_path / "shop")
    harm(shop.project.home.path / "state")
    shop.deliver(*NEWER)
    with pytest.raises(DataError, match=said) as lost:
        shop.run()
    assert f"octavo prep --rebuild --view {view}" in str(lost.value)
    shop.rebuild("customer", "product")
    right = half.copy(tmp_path / "right")
    right.deliver(*NEWER).run()
    assert_same(shop.rows, right.rows)
    assert shop.online("c03") == right.online("c03")


def test_who_asks_sees_the_next_prep_at_once(half, tmp_path):
    shop = half.copy(tmp_path / "shop")
    features = shop.project.features()
    before, found = features.positions, features.lookup("customer", ["c03"], None)
    shop.deliver(*NEWER).run()
    assert features.positions == shop.project.features().positions
    assert features.positions["customer"] > before["customer"]
    at = shop.rows["_event_time"].cast(int).max()
    assert features.lookup("customer", ["c03"], at) == shop.online("c03")
    assert features.lookup("customer", ["c03"], None) != found
