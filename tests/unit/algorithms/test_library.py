import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import optuna
import pytest
from small_fits import LAST, SMALL, fitted, rows, target

from octavo.bundle import ENCODERS, LinearModel
from octavo.errors import DataError, DefinitionError
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task


def test_the_library():
    assert algorithms.names() == [
        "catboost",
        "elastic_net",
        "extra_trees",
        "hist_gradient_boosting",
        "isolation_forest",
        "last_value",
        "lightgbm",
        "linear",
        "logistic",
        "naive",
        "nearest_neighbours",
        "random_forest",
        "tails",
        "xgboost",
    ]
    for name in algorithms.names():
        assert algorithms.get(name).name == name
        assert algorithms.get(name).encoder in ENCODERS


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(DefinitionError, match=r"no algorithm 'lightgmb'.*'lightgbm'"):
        algorithms.get("lightgmb")


@pytest.mark.parametrize("name", algorithms.names())
def test_defaults_lie_in_the_space(name):
    algorithm = algorithms.get(name)
    defaults = algorithm.defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # optuna warns of fixed values out of range
        assert algorithm.space(optuna.trial.FixedTrial(defaults)) == defaults
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    assert algorithm.space(study.ask()).keys() == defaults.keys()


@pytest.mark.parametrize("name", algorithms.names())
def test_defaults_fit(name):
    algorithm = algorithms.get(name)
    kind = min(algorithm.kinds)
    X = rows(algorithm.encoder)
    result = algorithm.fit(X, target(kind), {}, Task(kind, 1, 1, last=LAST))
    assert np.isfinite(algorithms.take_over(algorithm, result, X).predict(X)).all()


@pytest.mark.parametrize(
    "name", ["lightgbm", "hist_gradient_boosting", "random_forest", "extra_trees"]
)
def test_a_leaf_leaves_a_small_table_something_to_divide(name):
    X = np.linspace(0, 1, 60)[:, None]
    y = (X[:, 0] > 0.5).astype(np.int8)
    algorithm = algorithms.get(name)
    leaf = "min_data_in_leaf" if name == "lightgbm" else "min_samples_leaf"
    most = {key: 20 for key in SMALL[name] if key in ("n_estimators", "max_iter")} | {leaf: 50}
    fit = algorithm.fit(X, y, most, Task("binary", 0, 1))
    assert np.ptp(fit.native_raw(X)) > 0.5


def test_a_kind_it_does_not_learn():
    with pytest.raises(DefinitionError, match="'linear' does not learn a binary problem"):
        fitted("linear", "binary")
    with pytest.raises(DefinitionError, match="'logistic' does not learn a regression problem"):
        fitted("logistic", "regression")


@pytest.mark.parametrize(
    ("kind", "y", "what"),
    [
        ("binary", [1, 1, 1], "has the values"),
        ("binary", [0, 1, 2], "3 classes"),
        ("binary", [1, 2, 1], "has the values"),
        ("multiclass", [0, 2, 2], "has the values"),
        ("binary", [0.0, 1.0, np.nan], "missing"),
        ("regression", [0.0, np.inf, 1.0], "infinite"),
    ],
)
def test_a_target_that_cannot_be_learned(kind, y, what):
    X = np.zeros((3, 1))
    with pytest.raises(DataError, match=what):
        algorithms.get("lightgbm").fit(X, np.array(y), {}, Task(kind, 1, 1))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("lightgbm", {"objective": "poisson"}),
        ("lightgbm", {"seed": 3}),
        ("xgboost", {"nthread": 8}),
        ("hist_gradient_boosting", {"early_stopping": True}),
        ("random_forest", {"n_jobs": 4}),
        ("logistic", {"solver": "saga"}),
    ],
)
def test_what_the_contract_fixes_cannot_be_set(name, params):
    algorithm = algorithms.get(name)
    with pytest.raises(DefinitionError, match=f"{next(iter(params))!r} follows from"):
        algorithm.fit(rows(algorithm.encoder), target("binary"), params, Task("binary", 1, 1))


@pytest.mark.parametrize(
    ("name", "params", "what"),
    [
        ("lightgbm", {"boosting": "rf"}, "rf"),
        ("lightgbm", {"linear_tree": True}, "linear_tree"),
        ("lightgbm", {"zero_as_missing": True}, "zero_as_missing"),
        ("xgboost", {"booster": "gblinear"}, "gblinear"),
        ("xgboost", {"booster": "dart"}, "dart"),
        ("xgboost", {"num_parallel_tree": 2}, "several trees per round"),
    ],
)
def test_models_without_an_array_form_say_so(name, params, what):
    X = np.clip(rows("linear"), 0, 3)
    result = algorithms.get(name).fit(
        X, target("multiclass"), {**SMALL[name], **params}, Task("multiclass", 1, 1)
    )
    with pytest.raises(DefinitionError, match=rf"{what}.*no array form"):
        result.model()


class Mean:
    """A user's own algorithm."""

    name = "mean"
    encoder = "ordinal"
    kinds = frozenset({"regression"})

    def defaults(self):
        return {}

    def space(self, trial):
        return {}

    def fit(self, X, y, params, task):
        return Constant(float(y.mean()), X.shape[1])


@dataclasses.dataclass
class Constant:
    value: float
    width: int
    error: float = 0.0

    def native_raw(self, X):
        return np.full(len(X), self.value + self.error)

    def model(self):
        return LinearModel(
            kind="regression",
            n_features=self.width,
            coef=np.zeros((1, self.width)),
            intercept=[self.value],
        )


class Opaque:
    def native_raw(self, X):
        return np.zeros(len(X))


def test_a_users_own_algorithm():
    own = algorithms.get(Mean())
    assert isinstance(own, Mean)
    X = np.zeros((4, 2))
    result = own.fit(X, np.arange(4.0), {}, Task("regression", 1, 1))
    assert algorithms.take_over(own, result, X).predict(X).tolist() == [1.5] * 4


@pytest.mark.parametrize("thing", [Mean, object(), 3, None])
def test_what_is_not_an_algorithm(thing):
    with pytest.raises(DefinitionError, match=r"is not an algorithm.*defaults, space and fit"):
        algorithms.get(thing)


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (Opaque(), "no array form"),
        (Constant(1.0, 2, error=0.01), "off by 0.01"),
        (Constant(1.0, 2, error=float("nan")), "off by nan"),
    ],
)
def test_a_form_that_is_missing_or_wrong_is_refused(result, what):
    with pytest.raises(DefinitionError, match=f"algorithm 'mean'.*{what}"):
        algorithms.take_over(Mean(), result, np.zeros((3, 2)))


def test_scores_of_another_shape_are_refused():
    result = Constant(1.0, 2)
    result.native_raw = lambda X: np.ones((len(X), 1))
    with pytest.raises(DefinitionError, match=r"native scores have shape \(3, 1\)"):
        algorithms.take_over(Mean(), result, np.zeros((3, 2)))


def test_importing_the_library_loads_no_training_library():
    script = (
        "import sys, octavo.stages.training.algorithms\n"
        "libraries = {'sklearn', 'lightgbm', 'xgboost', 'catboost', 'optuna', 'numba', 'scipy'}\n"
        "loaded = libraries & {*sys.modules}\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
