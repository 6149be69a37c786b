"""What is tried next: a function of what had to be over by then, and of the seed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.stages.training.algorithms import get
from octavo.stages.training.search import Search, widened

NAMES = ["logistic", "lightgbm", "random_forest"]
SEARCH = Search([get(name) for name in NAMES], seed=3, more_is_better=True, at_once=1, warm={})


def run(search: Search, figures, count: int) -> list[dict]:
    """Play a search: each trial's figure is a function of its algorithm and parameters."""
    rows: list[dict] = []
    for number in range(count):
        proposal = search.propose(number, rows, [row["algorithm"] for row in rows])
        if proposal is None:
            break
        state, figure = figures(proposal.algorithm.name, proposal.params)
        rows.append(
            {
                "number": number,
                "algorithm": proposal.algorithm.name,
                "params": proposal.params,
                "state": state,
                "figure": figure,
                "log_loss": None,
                "standard_error": None,
                "role": "trial",
                "steps": {"25": 0.5},
            }
        )
    return rows


def best_is(name):
    return lambda algorithm, params: ("complete", 0.9 if algorithm == name else 0.5)


def test_each_begins_with_its_defaults_and_the_best_comes_most_often():
    rows = run(SEARCH, best_is("random_forest"), 20)
    assert [row["algorithm"] for row in rows[:3]] == NAMES
    assert all(row["params"] == get(row["algorithm"]).defaults() for row in rows[:3])
    times = {name: sum(row["algorithm"] == name for row in rows) for name in NAMES}
    assert times["random_forest"] >= 10
    assert min(times.values()) >= 2
    assert all(rows[k]["params"] != rows[j]["params"] for k in range(20) for j in range(k))


def test_of_algorithms_that_are_equal_the_surer_one_comes_most_often():
    """By a coarse figure all are the same, within its standard error; the log loss is not."""
    rows = run(SEARCH, best_is("lightgbm"), 3)
    losses = {"logistic": 0.3, "lightgbm": 0.2, "random_forest": 0.1}
    for row in rows:
        row |= {"log_loss": losses[row["algorithm"]], "standard_error": 0.5}
    found = SEARCH.propose(3, rows, NAMES)
    assert found.algorithm.name == "random_forest"
    clear = [row | {"standard_error": 0.01} for row in rows]
    assert SEARCH.propose(3, clear, NAMES).algorithm.name == "lightgbm"


def test_parameters_that_are_surer_are_looked_for_where_the_figure_is_the_same():
    """Of equal figures the estimator follows the loss, which falls with ``l2`` here."""

    def proposed(sign):
        search = replace(SEARCH, searched=[get("logistic")])
        rows = []
        for number in range(40):
            found = search.propose(number, rows, ["logistic"] * number)
            loss = sign * np.log(found.params["l2"])
            close = {"figure": 0.9, "log_loss": loss, "standard_error": 0.1, "role": "trial"}
            row = {"number": number, "algorithm": "logistic", "params": found.params, "steps": {}}
            rows.append(row | close | {"state": "complete"})
        return np.median([np.log(row["params"]["l2"]) for row in rows[20:]])

    assert proposed(-1) > proposed(1) + 1


def test_less_is_better_where_it_is():
    search = replace(SEARCH, more_is_better=False)
    rows = run(search, best_is("random_forest"), 20)
    assert sum(row["algorithm"] == "random_forest" for row in rows) < 6


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(0, 11))
def test_a_trial_knows_nothing_of_those_that_may_still_run(at_once, number):
    search = replace(SEARCH, at_once=at_once)
    rows = run(search, lambda name, params: ("complete", hash(str(params)) % 97 / 97), 12)
    begun = [row["algorithm"] for row in rows]
    known = [row for row in rows if row["number"] <= number - at_once]
    hidden = [dict(row, figure=-1e9, state="failed") for row in rows if row not in known]
    found = search.propose(number, known + hidden[::-1], begun[:number])
    assert found is not None
    assert (found.algorithm.name, found.params) == (begun[number], rows[number]["params"])
    assert len(found.rivals) == sum(row["algorithm"] == begun[number] for row in known)


def test_what_did_well_before_is_tried_after_the_defaults():
    before = [{"l2": 3.0}, {"l2": 0.5}]
    search = replace(SEARCH, warm={"logistic": before})
    rows = run(search, best_is("logistic"), 8)
    tried = [row["params"] for row in rows if row["algorithm"] == "logistic"]
    assert tried[:3] == [get("logistic").defaults(), *before]
    assert tried[3] not in before


@pytest.mark.parametrize(("state", "times"), [("failed", 3), ("stopped", 1)])
def test_what_never_succeeds_is_given_up(state, times):
    rows = run(
        SEARCH,
        lambda name, _: (state, None) if name == "logistic" else ("complete", 0.1),
        25,
    )
    assert sum(row["algorithm"] == "logistic" for row in rows) == times
    assert run(SEARCH, lambda *_: (state, None), 25) == run(SEARCH, lambda *_: (state, None), 9)


def test_widened_takes_all_that_can_learn_it_and_keeps_the_order():
    found = [algorithm.name for algorithm in widened(SEARCH.searched, "binary", {})]
    assert found[:3] == NAMES
    assert {"extra_trees", "hist_gradient_boosting", "xgboost"} < set(found)
    assert "linear" not in found
    assert len(found) == len(set(found))


def test_what_is_given_holds_in_a_widened_search_too():
    found = widened(SEARCH.searched, "binary", {"extra_trees": {"n_estimators": 7}})
    (forest,) = [algorithm for algorithm in found if algorithm.name == "extra_trees"]
    assert forest.defaults()["n_estimators"] == 7
