"""The reference's unlabeled series through all eight stages; alarms, and one definition.

Oracle of the deviations: windows cut out of the series one by one.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from octavo.project import load
from octavo.status import outputs
from octavo.stores.predictions import PredictionStore

from .answering import score_events
from .outcome import logging

REFERENCE = Path(__file__).parents[2] / "docs/reference.md"
PIPELINE = (
    REFERENCE.read_text()
    .split("## Anomalies\n")[1]
    .split("```python\n")[1]
    .split("```")[0]
    .replace("budget=0.001", "budget=0.005")  # there are few rows here
    .replace("at_most=3", "at_most=5")
    .replace("views=", 'training=ov.Training(trials=1), monitor=ov.Monitor(window="4d"), views=')
)
LABELED = (
    PIPELINE.replace('event_id=["series", "timestamp"]', 'event_id="id"')
    .replace('"alarm_ratio"', '"average_precision"')
    .replace("at_most=5", "at_least=ov.Lift(5)")
    .replace("import octavo", "import polars as pl\n\nimport octavo")
    .replace("rows=readings,", "rows=readings, label=found,")
    .replace("datasets=[readings]", "datasets=[readings, checked]")
    .replace(
        "pipeline =",
        'checked = ov.Dataset("checked", ov.Files("checked.csv"), event_id="id", '
        'event_time="checked_at")\n'
        'found = ov.Label("anomaly", of=checked, on="id", value=pl.col("verdict") == "fault")\n'
        "pipeline =",
    )
)
BEGIN = datetime.fromisoformat("2024-01-01")
STEP, ROWS = timedelta(minutes=20), 1800  # 25 days
FAULTS = [(s, ROWS - 200 + 30 * s) for s in range(6)]


def readings() -> pl.DataFrame:
    """Invent six series of a daily rhythm, each of its own size, and one fault in each."""
    rng = np.random.default_rng(3)
    frames = []
    for series in range(6):
        size = 10.0 ** (series - 2)
        value = 20 + 3 * np.sin(np.arange(ROWS) / 72 * 2 * np.pi) + rng.normal(0, 0.5, ROWS)
        value[FAULTS[series][1]] += 12
        frames.append(
            pl.DataFrame(
                {
                    "id": [f"{series}-{n}" for n in range(ROWS)],
                    "series": f"s{series}",
                    "timestamp": [BEGIN + n * STEP for n in range(ROWS)],
                    "value": value * size,
                }
            )
        )
    return pl.concat(frames).sort("timestamp", maintain_order=True)


def written(folder, script, frame):
    folder.mkdir(exist_ok=True)
    (folder / "pipeline.py").write_text(script)
    frame.write_csv(folder / "readings.csv")
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory, octavo):
    frame = readings()
    last = frame.tail(6)
    folder = written(tmp_path_factory.mktemp("series") / "plant", PIPELINE, frame.head(-6))
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    return folder, last, json.loads(done.stdout)


def test_every_fault_raises_an_alarm_and_little_else_does(finished):
    folder, _, document = finished
    verdict = document["verdict"]
    assert verdict["answered"]
    assert 1 <= verdict["test"] <= 5
    assert verdict["baseline"] > verdict["test"], "that which raises no alarm is far off the budget"
    assert [stage["state"] for stage in document["stages"]] == ["succeeded"] * 8
    project = load(folder)
    counts = outputs(project.catalog, "segregation")["parts"]
    assert all(part["labeled"] == 0 < part["rows"] for part in counts.values())
    predictions = PredictionStore(project.home).scan().collect()
    scores = predictions.select(
        pl.col("_event_id").str.split("|").list.first().alias("series"),
        "_event_time",
        "prediction",
    )
    assert scores["prediction"].is_between(0, 1).all()
    alarms = scores.filter(pl.col("prediction") >= 1 - 0.005).sort("series")
    faults = {(f"s{s}", BEGIN + row * STEP) for s, row in FAULTS}
    raised = set(alarms.select("series", pl.col("_event_time").dt.replace_time_zone(None)).rows())
    assert faults <= raised
    assert len(raised - faults) < 12
    monitored = outputs(project.catalog, "monitoring")
    assert monitored["alarms"] == {"raised": alarms.height, "rows": scores.height}
    assert monitored["performance"]["metric"] == "alarm_ratio"
    assert set(monitored["drift"]) == {*project.definition.inputs, "prediction"}


def test_the_deviations_are_those_of_windows_cut_out_one_by_one(finished):
    folder, _, _ = finished
    project = load(folder)
    found = project.data("all", "both").filter(pl.col("_event_id").str.starts_with("s4|"))
    found = found.sort("_event_time")
    value = readings().filter(pl.col("series") == "s4")["value"].to_numpy()[: found.height]
    for column, rows in (("series_record_2d", 144), ("series_record_2w", 1008)):
        assert found[column][:144].is_null().all(), "the series has not lasted two days"
        for row in range(144, found.height):
            window = value[max(row - rows + 1, 0) : row]  # what is two days old is out of it
            spread = window.std(ddof=1) + 0.01 * abs(window.mean())
            beyond = max(value[row] - window.max(), window.min() - value[row], 0)
            expected = beyond * window.size**0.5 / spread
            assert found[column][row] == pytest.approx(expected, rel=1e-9), (column, row)
        assert (found[column] > 0).sum() > 3
    row = 1500
    window, last = value[row - 143 : row], value[row - 1 : row + 1]  # 30 minutes: itself, one more
    spread = window.std(ddof=1) + 0.01 * abs(window.mean())
    expected = abs(last.mean() - window.mean()) / spread
    assert found["series_shift"][row] == pytest.approx(expected, rel=1e-9)


def test_a_new_reading_is_scored_as_it_will_be_prepped(finished, tmp_path, octavo):
    folder, last, _ = finished
    last = last.with_columns(value=pl.when(pl.col("series") == "s2").then(99.0).otherwise("value"))
    project = load(folder)
    scorer = project.scorer()
    events = last.with_columns(pl.col("timestamp").dt.to_string("%Y-%m-%dT%H:%M:%SZ")).to_dicts()
    body = json.dumps({"events": [dict(event) for event in events]}).encode()
    with logging(project) as log:
        answers = score_events(scorer, log, scorer.decoder.decode(body))
    assert (log.logged, log.not_logged) == (6, {})
    assert answers.columns == ["_event_id", "_event_time", "anomaly", "anomaly_alarm"]
    assert answers["anomaly_alarm"].to_list() == [series == 2 for series in range(6)]
    last.write_csv(tmp_path / "in.csv")
    done = octavo("score", tmp_path / "in.csv", tmp_path / "out.csv", "--dir", folder)
    assert done.returncode == 0, done.stderr
    scored = pl.read_csv(tmp_path / "out.csv")
    assert scored["anomaly"].to_list() == answers["anomaly"].to_list()
    assert scored["anomaly_alarm"].to_list() == answers["anomaly_alarm"].to_list()
    last.write_csv(folder / "readings-late.csv")
    done = octavo("run", folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    prepped = load(folder).data("all", "both").sort("_position").tail(6)
    assert scorer.bundle.predict(prepped).tolist() == answers["anomaly"].to_list()


def test_where_some_labels_exist_they_measure_and_all_rows_train(tmp_path, octavo):
    frame = readings()
    faults = {f"{series}-{row}" for series, row in FAULTS}
    faults |= {f"{series}-{row - 400}" for series, row in FAULTS}  # one in validation too
    looked_at = frame.filter(pl.col("id").is_in(list(faults)) | (frame["id"].hash(1) % 20 == 0))
    value = pl.when(pl.col("id").is_in(list(faults))).then(pl.col("value") * 2).otherwise("value")
    folder = written(tmp_path / "plant", LABELED, frame.with_columns(value.alias("value")))
    looked_at.select(
        "id",
        checked_at=pl.col("timestamp") + timedelta(hours=1),
        verdict=pl.when(pl.col("id").is_in(list(faults)))
        .then(pl.lit("fault"))
        .otherwise(pl.lit("fine")),
    ).write_csv(folder / "checked.csv")
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)["verdict"]
    assert verdict["metric"] == "average_precision"
    assert verdict["test"] > 0.9
    assert verdict["baseline"] < 0.1
    project = load(folder)
    train = project.data("train", "both")
    labeled = train["anomaly"].drop_nulls().len()
    assert 0 < labeled < train.height / 10
    assert project.scorer().bundle.learned["rows"] == train["series_shift"].drop_nulls().len()


def test_without_labels_nothing_else_can_be_asked(tmp_path, octavo):
    script = PIPELINE.replace("at_most", "at_least=0.9, #").replace("alarm_ratio", "roc_auc")
    done = octavo("run", written(tmp_path / "plant", script, readings().head(1)))
    assert done.returncode == 2
    assert "there is no label" in done.stderr
