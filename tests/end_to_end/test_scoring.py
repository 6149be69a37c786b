"""Batch scoring: files of any number and kind, killed and gone on with, the same bits as online."""

import json
import random
import shutil
import subprocess
import sys
import time

import polars as pl
import pytest
from deltalake import write_deltalake

from octavo.errors import DataError, ResourceError
from octavo.project import load
from octavo.services import scoring, scoring_job
from octavo.services.log_settings import LogSettings
from octavo.services.scoring import files_of, score
from octavo.stages.ingestion import frames
from octavo.stores.predictions import PredictionStore

from .answering import score_events
from .outcome import logging

COLUMNS = ["_event_id", "_event_time", "returned"]


@pytest.fixture
def shop(finished, tmp_path):
    return load(shutil.copytree(finished, tmp_path / "shop"))


def orders(shop, count):
    """Return as many rows as asked for, each an order of its own, typed as the file has them."""
    known = pl.read_csv(shop.folder / "data/orders.csv", try_parse_dates=True).tail(100)
    rows = pl.concat([known] * (count // 100 + 1)).head(count)
    return rows.with_columns(order_id=pl.int_range(10**6, 10**6 + count))


def scored(shop, source, output, **settings):
    return score(shop.scorer(), shop.home, source, output, LogSettings(**settings))


def logged(shop):
    found = PredictionStore(shop.home).log.scan().filter(pl.col("origin") == "score").collect()
    assert found["prediction_id"].is_unique().all()
    return found


def test_files_of_several_kinds_in_a_folder(shop, tmp_path):
    rows, folder = orders(shop, 400), tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    rows[:100].write_parquet(folder / "a.parquet")
    rows[100:200].write_csv(folder / "b.csv")
    rows[200:300].with_columns(pl.col("ordered_at").dt.to_string()).write_ndjson(
        folder / "deep/c.ndjson"
    )
    write_deltalake(tmp_path / "delta", rows[300:])
    with (folder / "b.csv").open("a") as file:
        file.write("not,an,order\n")
    (folder / "_SUCCESS").touch()
    (folder / "notes.md").write_text("no data")
    found = scored(shop, folder, tmp_path / "out")
    assert (found.rows, found.rejected, found.found) == (300, 1, 0)
    answers = pl.read_parquet(tmp_path / "out/*.parquet")
    assert answers.columns == COLUMNS
    assert answers["_event_id"].to_list() == rows["order_id"][:300].cast(pl.String).to_list()
    (refused,) = pl.read_parquet(tmp_path / "out.rejected/*.parquet").to_dicts()
    assert refused["_file"] == str(folder / "b.csv")
    assert refused["text"] == "not,an,order"
    whole = scored(shop, tmp_path / "delta", tmp_path / "delta.ndjson")
    assert (whole.rows, whole.rejected_to) == (100, None)
    assert len((tmp_path / "delta.ndjson").read_text().splitlines()) == 100
    rows.write_parquet(tmp_path / "all.parquet")
    scored(shop, tmp_path / "all.parquet", tmp_path / "all.csv")
    together = pl.read_csv(tmp_path / "all.csv")["returned"].to_list()
    assert together[:300] == answers["returned"].to_list()
    assert together[300:] == pl.read_ndjson(tmp_path / "delta.ndjson")["returned"].to_list()


def test_the_same_bits_as_online_and_all_is_logged(shop, tmp_path):
    rows = orders(shop, 120)
    rows.write_parquet(tmp_path / "in.parquet")
    scored(shop, tmp_path / "in.parquet", tmp_path / "out.parquet", scored=0.1)
    answers = pl.read_parquet(tmp_path / "out.parquet")
    scorer, times = shop.scorer(), pl.col("ordered_at").dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    with logging(shop) as log:
        for event in rows.with_columns(times).to_dicts():
            asked = scorer.decoder.decode(json.dumps({"events": [event]}).encode())
            score_events(scorer, log, asked)
    store = PredictionStore(shop.home).scan()
    online = store.filter(pl.col("origin") == "http").sort("_event_id").collect()
    batch = logged(shop).sort("_event_id")
    assert batch["prediction"].equals(answers.sort("_event_id")["returned"])
    same = ["_event_id", "_event_time", "prediction", "outputs", "entities", "positions"]
    assert batch.select(same).equals(online.select(same))
    kept = batch["features"].is_not_null()
    assert kept.sum() == 12
    assert batch.filter(kept)["features"].equals(online.filter(kept)["features"])


COMMAND = [sys.executable, "-m", "octavo", "score"]


@pytest.mark.parametrize(
    ("kills", "count", "output"),
    [
        (3, 600_000, "out"),
        pytest.param(30, 900_000, "out.parquet", marks=pytest.mark.slow),
        pytest.param(30, 900_000, "out", marks=pytest.mark.slow),
    ],
)
def test_killed_and_begun_again_it_gives_the_same(shop, tmp_path, kills, count, output):
    chance, folder = random.Random(kills), tmp_path / "in"
    folder.mkdir()
    rows, first = orders(shop, count), 2 * count // 3
    rows[:first].write_parquet(folder / "a.parquet")
    rows[first:].write_csv(folder / "b.csv")
    with (folder / "b.csv").open("a") as file:
        file.write("not,an,order\n")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    began = time.monotonic()
    scored(shop, folder, tmp_path / "whole" / output)
    took = time.monotonic() - began
    command = [*COMMAND, folder, tmp_path / "killed" / output, "--dir", shop.folder, "--json"]
    for _ in range(kills):
        job = tmp_path / "killed" / f".{output}.scoring"
        parts = len(list(job.glob("*/*.answers.parquet")))
        with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE) as process:
            while process.poll() is None and len(list(job.glob("*/*.answers.parquet"))) <= parts:
                time.sleep(0.005)
            time.sleep(chance.random() * took / kills)
            process.kill()
        if (tmp_path / "killed" / output).exists():
            break  # it ended, or was killed in its last moment: what looks complete is
    else:
        done = subprocess.run([*map(str, command)], capture_output=True, check=True, text=True)
        document = json.loads(done.stdout)
        assert (document["rows"], document["rejected"]) == (count, 1)
        assert document["found"] > 0
        assert not list((tmp_path / "killed").glob(".*"))
    for name in (output, scoring_job.rejected_of(tmp_path / output).name):
        one, other = (tmp_path / each / name for each in ("whole", "killed"))
        for file in sorted(one.iterdir()) if one.is_dir() else [one]:
            again = other / file.name if one.is_dir() else other
            assert file.read_bytes() == again.read_bytes()
    assert logged(shop)["_event_id"].value_counts()["count"].unique().to_list() == [2]


class Died(BaseException):
    """Stands for a kill: nothing of Octavo handles it."""


def test_left_at_every_step_it_goes_on(shop, tmp_path, monkeypatch):
    """At each write that counts, whatever is done next."""
    monkeypatch.setattr(frames, "ROWS", 50)
    orders(shop, 200).write_parquet(tmp_path / "in.parquet")
    scored(shop, tmp_path / "in.parquet", tmp_path / "whole")
    left, sync, place = [0], scoring_job.sync, scoring_job._place_folder

    def counted(path):
        left[0] -= 1
        if left[0] == 0:
            raise Died
        sync(path)

    monkeypatch.setattr(scoring_job, "sync", counted)
    for step in range(1, 100):
        left[0] = step
        output = tmp_path / f"out-{step}"
        try:
            scored(shop, tmp_path / "in.parquet", output)
            break
        except Died:
            left[0] = 0
            scored(shop, tmp_path / "in.parquet", output)
        assert_equal(tmp_path / "whole", output)
    assert step > 10
    assert place is scoring_job._place_folder
    counts = logged(shop)["_event_id"].value_counts()["count"].unique().to_list()
    assert counts == [step + 1]


def assert_equal(one, other):
    assert [each.name for each in sorted(one.iterdir())] == [
        each.name for each in sorted(other.iterdir())
    ]
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes()


def test_other_files_or_another_model_begin_anew(shop, tmp_path, monkeypatch):
    source, output = tmp_path / "in.parquet", tmp_path / "out"
    orders(shop, 100).write_parquet(source)

    def die(*_):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_log", die)
        with pytest.raises(Died):
            scored(shop, source, output)
    assert not output.exists()
    orders(shop, 50).write_parquet(source)
    found = scored(shop, source, output)
    assert (found.rows, found.found) == (50, 0)
    assert logged(shop).height == 50


def test_what_is_there_is_not_taken_away(shop, tmp_path):
    orders(shop, 10).write_parquet(tmp_path / "in.parquet")
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine.txt").touch()
    with pytest.raises(DataError, match="there already"):
        scored(shop, tmp_path / "in.parquet", output)
    assert [each.name for each in output.iterdir()] == ["mine.txt"]
    identity = {"any": 1}
    with (
        scoring_job.opened(tmp_path / "x", identity),
        pytest.raises(ResourceError, match="another process"),
        scoring_job.opened(tmp_path / "x", identity),
    ):
        pass


def test_dates_that_turn_out_to_be_others_are_read_again(shop, tmp_path, monkeypatch):
    """Of a first look that is void no part is left."""
    monkeypatch.setattr("octavo.stages.ingestion.delimited.BLOCK", 2_000, raising=False)
    rows = orders(shop, 300)
    rows.write_csv(tmp_path / "in.csv")
    found = scored(shop, tmp_path / "in.csv", tmp_path / "out.parquet")
    assert (found.rows, found.rejected) == (300, 0)
    rows.write_parquet(tmp_path / "in.parquet")
    scored(shop, tmp_path / "in.parquet", tmp_path / "other.parquet")
    one, other = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("out", "other"))
    assert one.equals(other)


def test_which_files_are_scored(tmp_path):
    (tmp_path / "day=1").mkdir()
    for name in ("a.csv", "day=1/b.csv.gz", "_log.csv", ".c.csv", "d.md"):
        (tmp_path / name).touch()
    assert [str(each.relative_to(tmp_path)) for each in files_of(tmp_path)] == [
        "a.csv",
        "day=1/b.csv.gz",
    ]
    assert files_of(tmp_path / "*.csv") == [tmp_path / "_log.csv", tmp_path / "a.csv"]
    with pytest.raises(DataError, match="no file"):
        files_of(tmp_path / "day=2")
