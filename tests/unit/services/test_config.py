import dataclasses
import threading

import polars as pl
import pytest
import sqlalchemy as sa

import octavo as ov
from octavo.definition.settings import declared
from octavo.errors import DataError, DefinitionError
from octavo.services.config import ConfigService
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog


class Own:
    name = "own"
    encoder = "ordinal"
    kinds = frozenset({"binary"})

    def defaults(self):
        return {"depth": 3}

    def space(self, trial):
        return {"depth": trial.suggest_int("depth", 1, 5)}

    def fit(self, X, y, params, task): ...


def pipeline(kind="binary", metric="roc_auc", **training):
    events = ov.Dataset("events", ov.Files("e.csv"), event_id="id", event_time="at")
    bound = "at_most" if metric == "mae" else "at_least"
    return ov.Pipeline(
        problem=ov.Problem("Which?", "hit", kind, metric, **{bound: 0.5}),
        datasets=[events],
        rows=events,
        label=ov.Label("hit", events, pl.col("y"), "id"),
        row=[pl.col("x")],
        training=ov.Training(**training),
    )


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog.db")


def test_the_definition_holds_until_something_is_set(catalog):
    held = ConfigService(pipeline(), catalog).held()
    assert held.version == 0
    assert held.training["algorithms"] == ["lightgbm", "logistic"]
    assert held.values["training.trials"] is None
    assert held.values["training.refit"] is True
    assert set(held.origins.values()) == {"pipeline.py"}


def test_a_regression_takes_a_linear_model_that_can_do_it(catalog):
    held = ConfigService(pipeline("regression", "mae"), catalog).held()
    assert held.training["algorithms"] == ["lightgbm", "linear"]


def test_every_field_of_the_declaration_that_is_a_plain_value_is_a_setting(catalog):
    no_settings = {"schedule", "weights", "monotone", "encodings"}
    fields = {field.name for field in dataclasses.fields(ov.Training)} - no_settings
    assert set(ConfigService(pipeline(), catalog).held().training) == fields


def test_every_change_is_a_version_and_says_who_when_and_why(catalog):
    config = ConfigService(pipeline(), catalog)
    assert config.set("training.trials", "30", "more") == 1
    assert config.change({"training.algorithms": ["xgboost", "logistic"]}, by="ann") == 2
    held = config.held()
    assert held.values["training.trials"] == 30
    assert held.origins["training.trials"] == "config version 1", "not touched by version 2"
    assert held.origins["training.algorithms"] == "config version 2"
    newer, older = config.history()
    assert (newer["version"], newer["by"], newer["comment"]) == (2, "ann", "")
    assert (older["version"], older["comment"]) == (1, "more")
    assert older["by"]
    assert 0 < older["at"] <= newer["at"]
    assert older["changes"] == {"default": {"training.trials": [None, 30]}}
    assert config.set("training.trials", "30") == 2, "the same again is no version"


def test_diff_rollback_and_unset(catalog):
    config = ConfigService(pipeline(), catalog)
    config.set("training.trials", "30")
    config.change({"training.trials": 40, "training.seed": 3})
    assert config.diff(1, 2) == {
        "default": {"training.trials": [30, 40], "training.seed": [None, 3]}
    }
    assert config.diff(2, 1)["default"]["training.seed"] == [3, None]
    assert config.rollback(1) == 3
    assert config.content(3) == config.content(1)
    assert config.diff(1, 3) == {}
    assert config.history()[0]["comment"] == "back to 1"
    config.change({"training.trials": None})
    assert config.held().origins["training.trials"] == "pipeline.py"
    with pytest.raises(DefinitionError, match="there is no version '9'"):
        config.rollback(9)
    with pytest.raises(DefinitionError, match="there is no version '9'"):
        config.diff(9, 1)


def test_a_profile_lies_over_what_is_shared_and_the_environment_over_both(catalog):
    shared = ConfigService(pipeline(), catalog)
    environment = {"OCTAVO_TRAINING_SEED": "11", "OCTAVO_TRAINING_ALGORITHMS": "logistic"}
    prod = ConfigService(pipeline(), catalog, "prod", environment)
    shared.change({"training.trials": 30, "training.seed": 3, "training.rows": 500})
    prod.change({"training.trials": 99})
    assert shared.held().values["training.trials"] == 30
    held = prod.held()
    assert (held.version, held.profile) == (2, "prod")
    origins = {name: (held.values[name], held.origins[name]) for name in held.values}
    assert origins["training.trials"] == (99, "profile prod, version 2")
    assert origins["training.rows"] == (500, "config version 1")
    assert origins["training.seed"] == (11, "environment, OCTAVO_TRAINING_SEED")
    assert origins["training.algorithms"][0] == ["logistic"]
    assert origins["training.threads"] == (2, "pipeline.py")
    with pytest.raises(DefinitionError, match="Did you mean 'OCTAVO_TRAINING_SEED'"):
        ConfigService(pipeline(), catalog, environment={"OCTAVO_TRAINING_SED": "1"}).held()
    with pytest.raises(
        DefinitionError, match=r"Training\.seed \(environment, OCTAVO_TRAINING_SEED"
    ):
        ConfigService(pipeline(), catalog, environment={"OCTAVO_TRAINING_SEED": "-1"}).held()


PARAMS = "training.params.lightgbm.num_leaves"


def test_parameters_are_settings_of_their_own(catalog):
    config = ConfigService(pipeline(params={"lightgbm": {"num_leaves": 20}}), catalog)
    assert config.held().origins[PARAMS] == "pipeline.py"
    config.set(PARAMS, "[15, 40]")
    config.set("training.params", '{"logistic": {"l2": 2}}')
    held = config.held()
    assert held.training["params"] == {"lightgbm": {"num_leaves": [15, 40]}, "logistic": {"l2": 2}}
    assert held.origins[PARAMS] == "config version 1"


def test_a_users_own_algorithm_can_be_set_and_narrowed(catalog):
    config = ConfigService(pipeline(algorithms=[Own(), "logistic"]), catalog)
    config.set("training.algorithms", "own")
    config.set("training.params.own.depth", "2")
    with pytest.raises(DefinitionError, match="there is no parameter 'deep'"):
        config.set("training.params.own.deep", "2")
    later = ConfigService(pipeline(algorithms=["logistic"]), catalog)
    with pytest.raises(DefinitionError, match="there is no algorithm 'own'"):
        later.held()
    later.change({"training.algorithms": None, "training.params.own.depth": None})
    assert later.held().training["algorithms"] == ["logistic"]


WRONG = [
    ("training.trails", "3", "Did you mean 'training.trials'"),
    ("trials", "3", "training.trials"),
    ("training.trials.of", "3", "there is no setting"),
    ("training.schedule", "1h", "there is no setting 'training.schedule'"),
    ("training.trials", "0", "0 is not a whole number from 1 on"),
    ("training.trials", "many", "'many' is not a whole number from 1 on"),
    ("training.trials", "true", "True is not a whole number"),
    ("training.trials", "1.5", "1.5 is not a whole number"),
    ("training.trials", "null", "'null' is not a whole number"),
    ("training.refit", "yes", "'yes' is not of the kind bool"),
    ("training.budget", "soon", "'soon' is not a duration"),
    ("training.budget", "10", "10 is not a duration"),
    ("training.budget", "0s", "no trial could begin"),
    ("training.algorithms", "lightgmb", "Did you mean 'lightgbm'"),
    ("training.algorithms", "linear", "'linear' learns regression, not binary"),
    ("training.algorithms", "[]", "algorithms is not a list"),
    ("training.params", "3", "set parameter by parameter"),
    ("training.params.lightgbm", "3", "set parameter by parameter"),
    ("training.params.lightgmb.num_leaves", "3", "Did you mean 'lightgbm'"),
    ("training.params.lightgbm.num_leafs", "3", "Did you mean 'num_leaves'"),
    ("training.params.lightgbm.objective", "mae", "there is no parameter 'objective'"),
    (PARAMS, "many", "'many' is not of the kind of its default, 31"),
    (PARAMS, "[40, 15]", r"\[40, 15\] is neither a value nor bounds"),
    (PARAMS, "[1, 2, 3]", "neither a value nor bounds"),
    (PARAMS, "NaN", "'NaN' is not of the kind"),
    (PARAMS, "[0, 15]", "searched by orders of magnitude"),
    ("training.params.lightgbm.bagging_freq", "[1, 5]", "it is not searched"),
]


@pytest.mark.parametrize(("name", "value", "says"), WRONG)
def test_what_cannot_be_set_is_refused_and_makes_no_version(catalog, name, value, says):
    config = ConfigService(pipeline(), catalog)
    with pytest.raises(DefinitionError, match=says):
        config.set(name, value)
    assert config.version == 0


DECLARED = {
    "trials": [0, "many", True, 1.5],
    "refit": ["yes", 1],
    "budget": ["soon", 10, "0s"],
    "algorithms": [[], "lightgbm", ["lightgmb"], ["linear"]],
    "rows": [0],
    "seed": [-1],
    "threads": [0],
    "params": [3, {"lightgbm": 3}, {"lightgbm": {"num_leafs": 3}}, {"lightgmb": {"x": 1}}],
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, each in DECLARED.items() for v in each])
def test_definition_and_settings_refuse_the_same(tmp_path, catalog, make_project, field, value):
    from octavo.project import load_definition

    edit = {'algorithms=["logistic"], trials=1, budget="10m"': f"{field}={value!r}"}
    folder = make_project(tmp_path / "shop", orders=5, edits=edit)
    with pytest.raises(DefinitionError):
        load_definition(folder)
    with pytest.raises(DefinitionError):
        ConfigService(pipeline(), catalog).change({f"training.{field}": value})


def test_a_change_of_an_older_version_is_refused_and_says_what_has_changed(catalog):
    config = ConfigService(pipeline(), catalog)
    config.set("training.trials", "3")
    prod = ConfigService(pipeline(), catalog, "prod")
    assert prod.set("training.seed", "5", if_version=1) == 2
    with pytest.raises(DataError) as refused:
        config.set("training.trials", "4", if_version=1)
    assert str(refused.value) == (
        "config: the newest version is 2, not 1; it differs in "
        "profile prod: training.seed: not set → 5. Look at it, and change version 2."
    )
    with pytest.raises(DataError):
        config.rollback(0, if_version=1)
    assert config.version == 2


def test_settings_of_the_first_catalogs_are_read(catalog):
    catalog.insert(tables.config, version=1, document={"trials": 30}, comment="old", at=1)
    config = ConfigService(pipeline(), catalog)
    assert config.held().values["training.trials"] == 30
    config.set("training.seed", "3")
    assert config.held().origins["training.trials"] == "config version 1"
    assert config.history()[1]["by"] == ""


def test_of_writers_at_the_same_time_none_is_lost(catalog):
    """Each reads, is overtaken by the other, and must change what the other wrote."""
    both_have_read = threading.Barrier(2)

    class Slow(ConfigService):
        waited = False

        def _newest(self):
            found = super()._newest()
            if not self.waited:
                self.waited = True
                both_have_read.wait(10)
            return found

    ones = [Slow(pipeline(), catalog), Slow(pipeline(), catalog)]
    names = ["training.trials", "training.seed"]
    made: list[int] = []

    def work(number):
        made.append(ones[number].set(names[number], "5"))

    threads = [threading.Thread(target=work, args=[number]) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [1, 2]
    held = ConfigService(pipeline(), catalog).held()
    assert [held.values[name] for name in names] == [5, 5]


def test_a_change_is_an_event(catalog):
    ConfigService(pipeline(), catalog).change({"training.seed": 3}, by="ann", comment="why")
    (event,) = catalog.rows(sa.select(tables.events))
    assert (event["kind"], event["subject"]) == ("config changed", "version 1")
    assert event["actor"] == "ann"


def test_declared_algorithms_are_named():
    assert declared(pipeline(algorithms=[Own()]))["training.algorithms"] == ["own"]
