import polars as pl
import pytest

import octavo as ov
from octavo.errors import DefinitionError
from octavo.services.config import ConfigService
from octavo.stores.catalog import Catalog


def service(tmp_path, kind="binary", metric="roc_auc"):
    events = ov.Dataset("events", ov.Files("e.csv"), event_id="id", event_time="at")
    pipeline = ov.Pipeline(
        problem=ov.Problem("Which?", "hit", kind, metric, at_least=ov.Lift(1.1)),
        datasets=[events],
        rows=events,
        label=ov.Label("hit", events, pl.col("y"), "id"),
        row=[pl.col("x")],
    )
    return ConfigService(pipeline, Catalog(tmp_path / "catalog.db"))


def test_the_definition_holds_until_something_is_set(tmp_path):
    config = service(tmp_path)
    assert config.version == 0
    assert config.training()["algorithms"] == ["lightgbm", "logistic"]
    assert config.explained()["trials"] == (None, "pipeline.py")


def test_a_regression_takes_a_linear_model_that_can_do_it(tmp_path):
    config = service(tmp_path, "regression", "mae")
    assert config.training()["algorithms"] == ["lightgbm", "linear"]


def test_every_change_is_a_version(tmp_path):
    config = service(tmp_path)
    assert config.set("training.trials", "30", "more") == 1
    assert config.set("training.algorithms", "xgboost, logistic") == 2
    assert config.training()["trials"] == 30
    assert config.explained()["trials"] == (30, "config version 2")
    history = [(row["version"], row["comment"]) for row in config.history()]
    assert history == [(2, "training.algorithms = xgboost, logistic"), (1, "more")]
    assert config.history()[1]["document"] == {"trials": 30}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("training.trails", "3", "training.trials"),
        ("trials", "3", "training.trials"),
        ("training.trials", "0", "whole number"),
        ("training.trials", "many", "whole number"),
        ("training.trials", "true", "whole number"),
        ("training.budget", "soon", "duration"),
        ("training.algorithms", "lightgmb", "lightgbm"),
    ],
)
def test_what_cannot_be_set_is_refused_and_makes_no_version(tmp_path, name, value, says):
    config = service(tmp_path)
    with pytest.raises(DefinitionError, match=says):
        config.set(name, value)
    assert config.version == 0
