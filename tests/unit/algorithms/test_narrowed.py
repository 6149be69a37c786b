import pickle

import optuna
import pytest

from octavo.errors import DefinitionError
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Algorithm, admits, narrowed

LIGHTGBM = algorithms.get("lightgbm")


class Chooses:
    name, encoder, kinds = "chooses", "ordinal", frozenset({"binary"})
    beside = "what the contract does not know"

    def defaults(self):
        return {"how": "well", "rate": 0.5, "depth": 3}

    def space(self, trial):
        return {
            "how": trial.suggest_categorical("how", ["well", "badly", "not"]),
            "rate": trial.suggest_float("rate", 0.0, 1.0, step=0.25),
            "depth": trial.suggest_int("depth", 1, 9, step=4),
        }

    def fit(self, X, y, params, task):
        return params


def drawn(algorithm, trials=40):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [algorithm.space(study.ask()) for _ in range(trials)]


def test_nothing_given_is_the_algorithm_itself():
    assert narrowed(LIGHTGBM, {}) is LIGHTGBM


def test_fixed_values_and_bounds_hold_in_defaults_and_search():
    given = {"num_leaves": 7, "bagging_freq": 3, "learning_rate": [0.2, 0.4]}
    algorithm = narrowed(LIGHTGBM, given)
    assert isinstance(algorithm, Algorithm)
    found = [algorithm.defaults(), *drawn(algorithm)]
    assert {(params["num_leaves"], params["bagging_freq"]) for params in found} == {(7, 3)}
    rates = [params["learning_rate"] for params in found]
    assert rates[0] == 0.2, "the default, moved to the nearest that may be"
    assert all(0.2 <= rate <= 0.4 for rate in rates)
    assert len(set(rates)) > 20, "still searched"
    assert found[1].keys() == LIGHTGBM.defaults().keys()
    assert algorithm.defaults()["lambda_l2"] == LIGHTGBM.defaults()["lambda_l2"]


def test_choices_and_steps_of_a_users_own():
    algorithm = narrowed(Chooses(), {"how": ["badly", "not"], "rate": [0.1, 0.3], "depth": [2, 4]})
    assert algorithm.defaults() == {"how": "badly", "rate": 0.3, "depth": 3}
    found = drawn(algorithm)
    assert {params["how"] for params in found} == {"badly", "not"}
    assert {params["depth"] for params in found} == {2, 3, 4}
    assert all(0.1 <= params["rate"] <= 0.3 for params in found)
    assert algorithm.beside == Chooses.beside
    assert algorithm.fit(None, None, {"how": "not"}, None) == {"how": "not"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hwo": "well"}, "no parameter 'hwo'"),
        ({"how": 3}, "3 is not of the kind of its default, 'well'"),
        ({"depth": 2.5}, "not of the kind"),
        ({"depth": True}, "not of the kind"),
        ({"rate": "fast"}, "not of the kind"),
    ],
)
def test_what_the_algorithm_cannot_have_is_refused(given, says):
    with pytest.raises(DefinitionError, match=says):
        narrowed(Chooses(), given)


@pytest.mark.parametrize("name", algorithms.names())
def test_every_algorithm_of_the_library_can_be_fixed_to_its_defaults(name):
    algorithm = algorithms.get(name)
    fixed = {k: v for k, v in algorithm.defaults().items() if v is not None}
    assert drawn(narrowed(algorithm, fixed), 2) == [algorithm.defaults()] * 2


def test_it_can_go_to_another_process():
    algorithm = pickle.loads(pickle.dumps(narrowed(LIGHTGBM, {"num_leaves": 7})))
    assert algorithm.defaults()["num_leaves"] == 7


def test_parameters_of_an_earlier_search_are_admitted_if_they_are_within():
    algorithm = narrowed(Chooses(), {"rate": [0.1, 0.3], "depth": 2})
    assert admits(algorithm, {"how": "not", "rate": 0.3, "depth": 2})
    assert not admits(algorithm, {"how": "not", "rate": 0.31, "depth": 2})
    assert not admits(algorithm, {"how": "not", "rate": 0.3, "depth": 3})
    assert admits(Chooses(), {"how": "not", "rate": 9, "depth": 3})
    chosen = narrowed(Chooses(), {"how": ["badly", "not"]})
    assert admits(chosen, {"how": "not", "rate": 1.0, "depth": 1})
    assert not admits(chosen, {"how": "well", "rate": 1.0, "depth": 1})
