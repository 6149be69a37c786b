"""Every figure beside scikit-learn's, weighed too; of the first k rows beside their meaning."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk

import octavo as ov
from octavo.bundle.decisions import best_threshold
from octavo.bundle.metrics import figure
from octavo.definition import DECIDED, METRICS

COSTS = ov.Costs(false_positive=5, false_negative=40, true_positive=-3, true_negative=1)
TIED = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])


@st.composite
def binary(draw):
    rows = draw(st.integers(2, 25))
    truth = draw(arrays(float, rows, elements=st.sampled_from([0.0, 1.0])))
    scores = draw(arrays(float, rows, elements=TIED | st.floats(0, 1)))
    weight = draw(arrays(float, rows, elements=st.sampled_from([0.0, 1.0, 2.0, 3.5])))
    kept = weight > 0
    assume(np.unique(truth[kept]).size == 2)
    return truth, scores, weight


def theirs(metric, truth, scores, weight):
    functions = {
        "average_precision": sk.average_precision_score,
        "roc_auc": sk.roc_auc_score,
        "brier": sk.brier_score_loss,
    }
    if metric == "log_loss":
        return sk.log_loss(truth, scores, sample_weight=weight, labels=[0, 1])
    return functions[metric](truth, scores, sample_weight=weight)


@settings(max_examples=50, deadline=None)
@given(binary())
def test_probabilities(case):
    truth, scores, weight = case
    for metric in ("average_precision", "roc_auc", "brier", "log_loss"):
        for weights in (None, weight):
            kept = np.ones(truth.size, bool) if weights is None else weights > 0
            if np.unique(truth[kept]).size < 2:
                continue
            expected = theirs(metric, truth, scores, weights)
            assert figure(metric, truth, scores, weights) == pytest.approx(expected, abs=1e-9)


def decided(metric, truth, yes, weight):
    if metric == "cost":
        table = sk.confusion_matrix(truth, yes, labels=[0, 1], sample_weight=weight)
        paid = [[COSTS.true_negative, COSTS.false_positive], [COSTS.false_negative, -3]]
        return (table * np.array(paid)).sum() / table.sum() * 1000
    functions = {
        "f1": sk.f1_score,
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "mcc": sk.matthews_corrcoef,
    }
    more = {"zero_division": 0.0} if metric == "f1" else {}
    return functions[metric](truth, yes, sample_weight=weight, **more)


@settings(max_examples=40, deadline=None)
@given(binary(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]))
def test_yes_and_no_at_a_threshold(case, threshold):
    truth, scores, weight = case
    for metric in DECIDED:
        expected = decided(metric, truth, scores >= threshold, weight)
        found = figure(metric, truth, scores, weight, threshold=threshold, costs=COSTS)
        assert found == pytest.approx(expected, abs=1e-9), metric


@settings(max_examples=25, deadline=None)
@given(binary())
def test_the_best_threshold_is_the_best_of_all(case):
    truth, scores, _ = case
    values = np.unique(scores)
    for metric in DECIDED:
        every = [decided(metric, truth, scores >= each, None) for each in [*values, 2.0]]
        best = min(every) if metric == "cost" else max(every)
        threshold = best_threshold(truth, scores, metric, COSTS)
        assert decided(metric, truth, scores >= threshold, None) == pytest.approx(best, abs=1e-9)
        assert figure(metric, truth, scores, costs=COSTS) == pytest.approx(best, abs=1e-9)
        assert 0 <= threshold <= np.nextafter(1, 2)


@settings(max_examples=30, deadline=None)
@given(binary(), st.integers(1, 8))
def test_the_first_k_are_a_mean_over_all_orders_of_equal_scores(case, k):
    truth, scores, _ = case
    truth, scores = truth[:6], scores[:6]
    assume(truth.sum() > 0)
    hits = [
        truth[list(order)][:k].sum()
        for order in itertools.permutations(range(truth.size))
        if (np.diff(scores[list(order)]) <= 0).all()
    ]
    first = min(k, truth.size)
    mean = np.mean(hits)
    assert figure("precision_at_k", truth, scores, k=k) == pytest.approx(mean / first)
    assert figure("recall_at_k", truth, scores, k=k) == pytest.approx(mean / truth.sum())
    if k < truth.size:
        share = figure("precision_at_k", truth, scores, k=k / truth.size)
        assert share == pytest.approx(mean / first)


@settings(max_examples=50, deadline=None)
@given(binary(), st.sampled_from([0.3, 2, 5]))
def test_whole_weights_are_rows_that_come_several_times(case, k):
    truth, scores, weight = case
    times = weight.astype(int)
    assume(np.unique(np.repeat(truth, times)).size == 2)
    repeated = np.repeat(truth, times), np.repeat(scores, times)
    for metric in METRICS["binary"]:
        more = {"costs": COSTS, "k": k}
        whole = figure(metric, *repeated, **more)
        assert figure(metric, truth, scores, times.astype(float), **more) == pytest.approx(whole)
    for metric in METRICS["regression"]:
        whole = figure(metric, *repeated)
        found = figure(metric, truth, scores, times.astype(float))
        assert found == pytest.approx(whole, nan_ok=True), metric


@st.composite
def classes(draw):
    rows = draw(st.integers(2, 20))
    truth = draw(arrays(int, rows, elements=st.integers(0, 2)))
    weight = draw(arrays(float, rows, elements=st.sampled_from([0.5, 1.0, 2.0])))
    chances = draw(arrays(float, (rows, 3), elements=st.sampled_from([0.1, 0.2, 0.3, 0.7])))
    return truth, chances / chances.sum(axis=1, keepdims=True), weight


@settings(max_examples=50, deadline=None)
@given(classes())
def test_classes(case):
    truth, chances, weight = case
    told = chances.argmax(axis=1)
    assume(np.unique(truth).size > 1)
    expected = {
        "accuracy": sk.accuracy_score(truth, told, sample_weight=weight),
        "f1_macro": sk.f1_score(truth, told, sample_weight=weight, average="macro"),
        "log_loss": sk.log_loss(truth, chances, sample_weight=weight, labels=[0, 1, 2]),
    }
    if np.isin(told, truth).all():
        expected["balanced_accuracy"] = sk.balanced_accuracy_score(
            truth, told, sample_weight=weight
        )
    if np.unique(truth).size == 3:
        expected["roc_auc"] = sk.roc_auc_score(
            truth, chances, sample_weight=weight, multi_class="ovr"
        )
    for metric, value in expected.items():
        found = figure(metric, truth.astype(float), chances, weight)
        assert found == pytest.approx(value, abs=1e-9), metric


VALUES = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_numbers(data):
    rows = data.draw(st.integers(2, 20))
    truth, told = (data.draw(arrays(float, rows, elements=VALUES)) for _ in range(2))
    weight = data.draw(arrays(float, rows, elements=st.sampled_from([1.0, 2.0, 3.0])))
    assume(np.ptp(truth) > 0)
    functions = {
        "r2": sk.r2_score,
        "mae": sk.mean_absolute_error,
        "rmse": sk.root_mean_squared_error,
        "mape": sk.mean_absolute_percentage_error,
        "median_absolute_error": sk.median_absolute_error,
    }
    assert functions.keys() == METRICS["regression"].keys()
    for metric, function in functions.items():
        for weights in (None, weight):
            expected = function(truth, told, sample_weight=weights)
            found = figure(metric, truth, told, weights)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), metric


def test_one_class_or_one_value_has_no_figure():
    ones, scores = np.ones(4), np.array([0.1, 0.2, 0.3, 0.4])
    assert np.isnan(figure("roc_auc", ones, scores))
    assert np.isnan(figure("average_precision", 1 - ones, scores))
    assert np.isnan(figure("recall_at_k", 1 - ones, scores, k=2))
    assert np.isnan(figure("r2", ones, scores))
