"""`octavo init`, then `octavo run`, over data that nobody has prepared for it."""

import datetime as dt
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

from octavo.bundle import ENCODERS
from octavo.cli.main import app
from octavo.errors import DataError, DefinitionError, OctavoError
from octavo.project import load
from octavo.status import outputs

from .any_table import HARD, Given, bundled, written

BUNDLED = ["iris", "digits", "wine", "breast_cancer", "diabetes", "linnerud"]
SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared")) / "data"

present = pytest.mark.skipif(not SHARED.is_dir(), reason="the development data are not there")


def given_as(name: str) -> Given:
    return HARD[name]() if name in HARD else bundled(name)


def octavo(*arguments: str | Path) -> Result:
    """Run a command in this process: what fails unexpectedly fails the test."""
    done = CliRunner().invoke(app, list(map(str, arguments)), standalone_mode=False)
    if done.exception is not None and not isinstance(done.exception, OctavoError):
        raise done.exception
    return done


def drafted(folder: Path, given: Given) -> dict:
    """Write a table, draft a definition for it, and return what was said as JSON."""
    file = written(given, folder / "table.csv")
    options = ("--data", file, "--target", given.target, *given.options)
    done = octavo("init", folder, *options, "--json")
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def ran(folder: Path, trials: int = 2) -> dict:
    """Run with a small budget of training; return the verdict."""
    script = folder / "pipeline.py"
    budget = f"    training=ov.Training(trials={trials}),\n    datasets="
    script.write_text(script.read_text().replace("    datasets=", budget))
    done = octavo("run", folder, "--json")
    assert done.return_value in (0, 3), done.exception
    document = json.loads(done.stdout)
    assert [stage["state"] for stage in document["stages"]] == ["succeeded"] * 8
    return document["verdict"]


@pytest.mark.parametrize("name", sorted({*HARD, *BUNDLED} - {"one_row_per_class"}))
@pytest.mark.slow
def test_any_table_goes_through_all_eight_stages(tmp_path, name):
    given = given_as(name)
    drafted(tmp_path, given)
    ran(tmp_path)
    counts = outputs(load(tmp_path).catalog, "ingestion")["datasets"]["table"]
    assert counts["rows"] + counts["rejected"] == given.frame.height


@pytest.mark.parametrize(
    ("name", "metric", "least"),
    [
        ("iris", "accuracy", 0.85),
        ("breast_cancer", "roc_auc", 0.95),
        ("diabetes", "r2", 0.3),
        ("hard_names", "roc_auc", 0.7),
        # its one true feature is suspiciously good, and kept
        ("ten_thousand_categories", "roc_auc", 0.9),
    ],
)
def test_a_plain_table_is_answered_without_a_line_of_code(tmp_path, name, metric, least):
    said = drafted(tmp_path, given_as(name))
    assert said["problem"]["metric"] == metric
    verdict = ran(tmp_path)
    assert verdict["answered"]
    assert verdict["test"] > least > verdict["baseline"]
    again = octavo("run", tmp_path)
    assert "Nothing new" in again.stdout
    scored = octavo("score", tmp_path / "table.csv", tmp_path / "out.csv", "--dir", tmp_path)
    assert scored.exception is None, scored.exception
    answers = pl.read_csv(tmp_path / "out.csv")
    assert answers["_event_id"].to_list()[:3] == [0, 1, 2]  # rows without an ID: their numbers


def test_events_of_entities_get_windows_and_a_split_by_time(tmp_path):
    said = drafted(tmp_path, HARD["events_of_customers"]())
    assert said["rows"]["dataset"] == "table"
    assert said["event_id"] == "order_id"
    assert said["windows"]["entities"] == ["customer_id"]
    assert said["split"] == "time"
    ran(tmp_path, trials=1)
    frame = load(tmp_path).data("train", "with")
    counts = frame["customer_id__table_count_7d"]
    assert counts.max() > counts.min() == 0  # a customer's first order has no past


def test_it_overwrites_only_what_it_is_told_to(tmp_path):
    file = written(bundled("iris"), tmp_path / "table.csv")
    (tmp_path / "pipeline.py").write_text("mine")
    options = ("init", tmp_path, "--data", file, "--target", "target")
    refused = octavo(*options)
    assert isinstance(refused.exception, DefinitionError)
    assert "there is a pipeline.py already" in str(refused.exception)
    assert (tmp_path / "pipeline.py").read_text() == "mine"
    assert octavo(*options, "--force").return_value == 0
    assert "ov.Pipeline" in (tmp_path / "pipeline.py").read_text()


def test_words_on_the_terminal_say_what_was_found_and_what_is_next(tmp_path):
    given = HARD["all_null_and_constant"]()
    file = written(given, tmp_path / "table.csv")
    done = octavo("init", tmp_path, "--data", file, "--target", given.target)
    words = " ".join(done.stdout.split())
    assert "sold is true or false" in words
    assert "nothing (empty in every row)" in words
    assert "seven (the same in every row: 7)" in words
    assert f"Next: `octavo run {tmp_path}`" in words


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            ("--target", "taget"),
            DefinitionError,
            "there is no column 'taget'. Did you mean 'target'?",
        ),
        (("--target", "target", "--time", "alcohol"), DataError, "cannot be read as a time"),
        (("--target", "target", "--entity", "who"), DefinitionError, "there is no column 'who'"),
    ],
)
def test_what_cannot_be_is_said_in_words(tmp_path, options, error, said):
    file = written(bundled("wine"), tmp_path / "table.csv")
    done = octavo("init", tmp_path, "--data", file, *options)
    assert isinstance(done.exception, error)
    assert said in str(done.exception)
    assert not (tmp_path / "pipeline.py").exists()


def series(machines: int) -> pl.DataFrame:
    """Invent two measures of some machines, every 10 minutes for six weeks, and one fault each."""
    rng = np.random.default_rng(11)
    start, rows, frames = dt.datetime(2024, 3, 1, tzinfo=dt.UTC), 6_000, []
    for machine in range(machines):
        heat = 20 + 3 * np.sin(np.arange(rows) / 144 * 2 * np.pi) + rng.normal(0, 0.5, rows)
        heat[rows - 100 - 40 * machine] += 15
        frames.append(
            pl.DataFrame(
                {
                    "time": [start + n * dt.timedelta(minutes=10) for n in range(rows)],
                    "machine": f"m{machine}",
                    "heat (°C)": heat,
                    "load": rng.gamma(4.0, 2.0, rows) * 10.0**machine,
                    "state": rng.choice(["on", "off"], rows),
                }
            )
        )
    return pl.concat(frames).sort("time", maintain_order=True)


@pytest.mark.parametrize("machines", [1, 3])
def test_without_a_target_unusual_readings_are_looked_for(tmp_path, machines):
    frame = series(machines) if machines > 1 else series(1).drop("machine")
    frame.write_csv(tmp_path / "plant.csv")
    done = octavo("init", tmp_path, "--data", tmp_path / "plant.csv", "--json")
    assert done.exception is None, done.exception
    said = json.loads(done.stdout)
    assert said["problem"]["kind"] == "anomaly"
    assert said["series"] == {"key": "machine" if machines > 1 else None, "number": machines}
    assert said["watched"] == ["heat (°C)", "load"]
    verdict = ran(tmp_path, trials=2)
    assert verdict["metric"] == "alarm_ratio"
    assert verdict["answered"]
    project = load(tmp_path)
    test = project.data("test", "both")
    scores = test.select("_event_time").with_columns(score=project.scorer().bundle.predict(test))
    found = scores.sort("score", descending=True).head(20 * machines)["_event_time"]
    faults = [frame["time"].unique().sort()[6_000 - 100 - 40 * m] for m in range(machines)]
    assert set(faults) <= set(found), "the faults are among the oddest"


def test_a_row_for_each_class_teaches_nothing(tmp_path):
    given = HARD["one_row_per_class"]()
    file = written(given, tmp_path / "table.csv")
    done = octavo("init", tmp_path, "--data", file, "--target", given.target)
    assert isinstance(done.exception, DataError)
    assert "it has 60 different texts in 60 rows" in str(done.exception)


def _flights(folder: Path) -> dict:
    files = sorted((SHARED / "pnwflights14").glob("*.csv.gz"))
    done = octavo("init", folder, "--data", *files, "--target", "dep_delay > 15", "--json")
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


@pytest.mark.shared
@present
def test_five_files_of_flights_are_joined_and_leaks_left_out(tmp_path):
    said = _flights(tmp_path)
    joined = {each["dataset"]: each["on"] for each in said["joined"]}
    assert joined == {
        "airports": {"dest": "faa"}, "planes": {"tailnum": "tailnum"},
        "weather": {"origin": "origin"},
    }  # fmt: skip
    leaky = {"dep_time", "arr_time", "arr_delay", "air_time", "hour", "minute"}
    assert leaky <= set(said["left_out"])
    assert said["split"] == "time"
    assert said["event_time"] == 'pl.datetime("year", "month", "day")'
    told = {(name, f["rule"], *f["columns"]) for name, fs in said["faults"].items() for f in fs}
    assert told >= {
        ("flights", "clock", "dep_time"), ("flights", "midnight", "dep_time"),
        ("flights", "past_midnight", "dep_time", "dep_delay"),
        ("flights", "together", "dep_time", "dep_delay", "hour", "minute"),
        ("flights", "reference", "tailnum"), ("planes", "sentinel", "year"),
        ("weather", "zone", "date", "year", "month", "day", "hour"),
        ("weather", "multiple", "wind_gust", "wind_speed"),
    }  # fmt: skip
    missing = next(f for f in said["faults"]["flights"] if f["rule"] == "values")
    assert "`tailnum` in 248 rows" in missing["sentence"]
    assert said["treated"]["planes"] == [
        'ov.Normalize("model", replace={"FALCON-XP": "FALCON XP"})',
        'ov.Null("year", values=[0])',
    ]
    source = (tmp_path / "pipeline.py").read_text()
    assert '        # ov.Null("dewp", where=~pl.col("dewp").is_between(' in source


@pytest.mark.slow
@pytest.mark.shared
@present
def test_flights_beat_the_model_without_windows(tmp_path):
    """With the trials that a draft has; the other learns from, and is judged on, the same rows."""
    _flights(tmp_path)
    verdict = ran(tmp_path, trials=12)
    assert verdict["answered"]
    project = load(tmp_path)
    own = project.definition.row_features
    train, test = (project.data(part, columns=own) for part in ("train", "test"))
    own = [name for name in own if not train.schema[name].is_temporal()]
    encoder = ENCODERS["ordinal"].fit(train.select(own))
    learned, asked = (frame[project.definition.label.name].to_numpy() for frame in (train, test))
    model = HistGradientBoostingClassifier(random_state=7)
    model.fit(encoder.transform(train.select(own)), learned)
    found = model.predict_proba(encoder.transform(test.select(own)))[:, 1]
    assert verdict["test"] > average_precision_score(asked, found)


@pytest.mark.slow
@pytest.mark.shared
@present
def test_electricity_beats_its_last_class(tmp_path):
    file = SHARED / "elec2" / "elec2.csv.gz"
    done = octavo("init", tmp_path, "--data", file, "--target", "class", "--json")
    assert json.loads(done.stdout)["split"] == "time"
    verdict = ran(tmp_path)
    assert verdict["answered"]
    project = load(tmp_path)
    test = project.data("test", "with")
    beside = verdict["last_value"]
    before = test[beside["feature"]].fill_null(0.5)  # the base rate is between those after 0 and 1
    assert beside["test"] == pytest.approx(roc_auc_score(test["class"], before))
    assert beside["gain"]["significant"]
    scorer = project.scorer()
    found = scorer.bundle.predict(test) > 0.5
    accuracy = (found == test["class"].to_numpy()).mean()
    last = (test["class"] == test["class"].shift()).mean()
    assert accuracy > max(0.8533, last)
