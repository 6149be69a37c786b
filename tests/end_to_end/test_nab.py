"""The Numenta Anomaly Benchmark: its scorer beside published figures, some series through Octavo.

They need the data sets beside the repository (see `tests.nab.protocol`). All series:
``benchmarks/nab.py``.
"""

import json

import numpy as np
import polars as pl
import pytest

from octavo.project import load
from tests.nab import protocol
from tests.nab.series import SCORED_FROM, prepare, scored, test_begins

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not protocol.FOLDER.exists(), reason=f"{protocol.FOLDER} is not there; set OCTAVO_SHARED"
    ),
]
test_begins.__test__ = False  # it only begins like one
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


@pytest.fixture(scope="module")
def readings():
    return protocol.series()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_scorer_gives_what_was_published_for_the_windowed_gaussian(readings, profile):
    published = json.loads((protocol.FOLDER / "final_results.json").read_text())
    scores = [
        protocol.windowed_gaussian(rows["value"].to_numpy())
        for _, rows in readings.group_by("series", maintain_order=True)
    ]
    found = protocol.rated(readings.with_columns(score=np.concatenate(scores)), profile)
    assert found.score == pytest.approx(published["windowedGaussian"][profile], abs=1e-6)


def test_the_scorer_gives_nothing_for_nothing_and_all_for_all(readings):
    same = readings.with_columns(score=pl.lit(0.5))
    assert protocol.rated(same).score == 0
    first = {(name, first) for name, limits in protocol.windows().items() for first, _ in limits}
    known = pl.DataFrame(sorted(first), schema=["series", "timestamp"], orient="row")
    known = known.with_columns(pl.col("timestamp").str.to_datetime(), score=1.0)
    perfect = readings.join(known.unique(), on=["series", "timestamp"], how="left")
    found = protocol.rated(perfect.with_columns(pl.col("score").fill_null(0.0)))
    assert found.score == pytest.approx(100, abs=1e-9)
    assert (found.found, found.false) == (found.windows, 0)


@pytest.fixture(scope="module")
def some(readings):
    """Give every tenth series, among them one in which nothing happens."""
    names = readings["series"].unique(maintain_order=True).to_list()
    return readings.filter(pl.col("series").is_in(names[3::10]))


@pytest.fixture(scope="module")
def finished(some, tmp_path_factory):
    folder = prepare(tmp_path_factory.mktemp("nab") / "all", some)
    return folder, scored(folder)


def test_some_series_are_scored_and_their_anomalies_found(some, finished):
    folder, scores = finished
    assert scores["row"].to_list() == list(range(some.height))
    assert test_begins(folder) <= SCORED_FROM
    found = protocol.rated(some.with_columns(scores["score"]))
    baseline = [
        protocol.windowed_gaussian(rows["value"].to_numpy())
        for _, rows in some.group_by("series", maintain_order=True)
    ]
    peer = protocol.rated(some.with_columns(score=np.concatenate(baseline)))
    assert found.windows == 12
    assert found.score > 60
    assert found.score > peer.score
    flat = some.with_columns(scores["score"]).filter(pl.col("series").str.contains("flatline"))
    assert flat["score"].max() < 0.9


def test_a_score_owes_nothing_to_later_readings(some, finished, tmp_path, octavo):
    folder, _ = finished
    early = some.filter(pl.int_range(pl.len()).over("series") < 1500)
    shorter = prepare(tmp_path / "early", early)
    done = octavo("run", shorter, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    whole, cut = (deviations(each) for each in (folder, shorter))
    assert cut.height == early.height
    assert whole.join(cut.select("series", "n"), on=["series", "n"], how="semi").equals(cut)


def deviations(folder):
    """Return what the model sees, by series and number within it."""
    project = load(folder)
    rows = pl.read_csv(folder / "readings.csv", columns=["row", "series"]).with_columns(
        pl.int_range(pl.len()).over("series").alias("n"), pl.col("row").cast(pl.String)
    )
    found = project.data("all", "both", project.definition.inputs)
    found = found.select("_event_id", *project.definition.inputs)
    joined = rows.join(found, left_on="row", right_on="_event_id", validate="1:1")
    return joined.drop("row").sort("series", "n")
