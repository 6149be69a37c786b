"""A stack is learned as it is said, and kept only where it does better than a blend."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import octavo as ov
from octavo.stages.training.blending import figure_of, mean_of, weights_of
from octavo.stages.training.stacking import SPREAD, _told_by_others, learned, stack, told


def problem(kind, metric):
    return ov.Problem("?", target="y", kind=kind, metric=metric, at_most=100.0)


def halves(rows, seed=0):
    """Return a sum, and members that know one of its terms each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, rows))
    return x.sum(axis=0) + 1.0 + 0.3 * rng.normal(size=rows), list(x)


def test_weights_of_values_are_those_of_ridge_regression():
    truth, members = halves(300)
    blend = np.array([0.5, 0.5])
    weights, intercept = learned("regression", [truth], [members], blend)
    variance = np.mean((truth - np.mean(members, axis=0)) ** 2)
    A = np.column_stack([*members, np.ones(300)])
    penalty = np.diag([variance / SPREAD**2] * 2 + [1.0])  # of an intercept in errors: 1 ÷ variance
    centre = np.array([0.5, 0.5, 0.0])
    expected = np.linalg.solve(A.T @ A + penalty, A.T @ truth + penalty @ centre)
    np.testing.assert_allclose([*weights, *intercept], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_many_rows_give_the_weights_of_logistic_regression(kind):
    rng = np.random.default_rng(1)
    classes, rows = (2 if kind == "binary" else 3), 40_000
    scores = rng.normal(size=(2, rows, classes))
    logits = 0.8 * scores[0] + 0.4 * scores[1] + np.linspace(0, 0.5, classes)
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1).astype(float)
    chances = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    members = list(chances[:, :, 1] if kind == "binary" else chances)
    weights, intercept = learned(kind, [truth], [members], np.array([0.5, 0.5]))
    np.testing.assert_allclose(weights, [0.8, 0.4], atol=0.03)
    if kind == "binary":
        odds = np.column_stack([np.log(m / (1 - m)) for m in members])
        native = LogisticRegression(C=1e6).fit(odds, truth)
        np.testing.assert_allclose(weights, native.coef_[0], atol=2e-3)
        np.testing.assert_allclose(intercept, native.intercept_, atol=2e-3)


def test_few_rows_leave_it_near_the_blend():
    truth, members = halves(4)
    weights, _ = learned("regression", [truth], [members], np.array([0.75, 0.25]))
    assert np.abs(weights - [0.75, 0.25]).max() < 1.5 * SPREAD


def test_a_stack_is_kept_where_a_mean_cannot_do_it():
    asked, (truth, members) = problem("regression", "rmse"), halves(400)
    blend = weights_of(asked, [truth], [members])
    found = stack(asked, [truth], [members], blend)
    np.testing.assert_allclose(found.weights, [1, 1], atol=0.1)
    assert found.figures[0] == pytest.approx(0.3, abs=0.05)
    fresh, seen = halves(20_000, seed=9)
    errors = fresh - told("regression", seen, found.weights, found.intercept)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(found.figures[0], abs=0.03)
    assert stack(asked, [truth[:99]], [[m[:99] for m in members]], blend) is None, "too few rows"


def test_its_figure_is_of_rows_it_was_not_learned_from():
    """Of members that are noise, what a stack tells of its own rows looks better than it is."""
    rng = np.random.default_rng(3)
    truth, members = rng.normal(size=120), [rng.normal(size=120) for _ in range(12)]
    asked = problem("regression", "rmse")
    blend = np.full(12, 1 / 12)
    found = stack(asked, [truth], [members], blend)
    assert found is None or found.figures[0] > np.sqrt(np.mean(truth**2)) * 0.97
    stacks, _ = _told_by_others(asked, [truth], [members])
    of_its_own = told("regression", members, *learned("regression", [truth], [members], blend))
    nothing = np.sqrt(np.mean(truth**2))
    assert figure_of(asked, [truth], [of_its_own]) < 0.99 * nothing
    assert figure_of(asked, [truth], stacks) > 0.99 * nothing


@pytest.mark.parametrize("seed", range(8))
def test_where_the_mean_is_right_the_blend_stays(seed):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=300)
    truth = (rng.random(300) < 1 / (1 + np.exp(-score))).astype(float)
    noisy = [1 / (1 + np.exp(-(score + 0.3 * rng.normal(size=300)))) for _ in range(3)]
    asked = problem("binary", "log_loss")
    blend = weights_of(asked, [truth], [noisy])
    assert stack(asked, [truth], [noisy], blend) is None


@pytest.mark.parametrize("metric", ["accuracy", "f1", "mcc"])
def test_a_coarse_figure_leaves_weights_to_the_log_loss(metric):
    rng = np.random.default_rng(2)
    score = rng.normal(size=300)
    truth = (rng.random(300) < 1 / (1 + np.exp(-score))).astype(float)
    told_by = [1 / (1 + np.exp(-(score + s * rng.normal(size=300)))) for s in (0.2, 0.5, 1.0, 2.0)]
    coarse = ov.Problem("?", target="y", kind="binary", metric=metric, at_least=0.1)
    fine = problem("binary", "log_loss")
    blend = weights_of(coarse, [truth], [told_by])
    np.testing.assert_array_equal(blend, weights_of(fine, [truth], [told_by]))
    assert np.count_nonzero(blend) > 1


def test_a_stack_that_is_surer_is_kept_where_the_figure_is_the_same():
    """Members that a mean makes too unsure: what is decided stays, and the stack says it surer."""
    rng = np.random.default_rng(4)
    sides = rng.normal(size=(2, 500))
    truth = (rng.random(500) < 1 / (1 + np.exp(-3 * sides.sum(axis=0)))).astype(float)
    members = [1 / (1 + np.exp(-side)) for side in sides]
    asked = ov.Problem("?", target="y", kind="binary", metric="accuracy", at_least=0.1)
    found = stack(asked, [truth], [members], np.array([0.5, 0.5]))
    assert found.weights.min() > 1
    assert found.closeness.log_loss < 0.9 * fine_loss(truth, mean_of([0.5, 0.5], members))


def fine_loss(truth, predicted):
    return figure_of(problem("binary", "log_loss"), [truth], [predicted])


def test_folds_are_learned_from_together_and_measured_apart():
    asked = problem("regression", "rmse")
    (one, of_one), (other, of_other) = halves(200, 1), halves(300, 2)
    blend = np.array([0.5, 0.5])
    found = stack(asked, [one, other], [of_one, of_other], blend)
    assert len(found.figures) == 2
    again = stack(asked, [one, other], [of_one, of_other], blend)
    np.testing.assert_array_equal(found.weights, again.weights)
    assert mean_of(blend, of_one).shape == (200,)


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_fold_of_few_rows_leaves_the_blend(rows):
    asked, (truth, members) = problem("regression", "rmse"), halves(400)
    few = [member[:rows] for member in members]
    assert stack(asked, [truth, truth[:rows]], [members, few], np.array([0.5, 0.5])) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_where_a_part_has_no_positive_the_blend_stays(metric):
    asked = ov.Problem("?", target="y", kind="binary", metric=metric, at_least=0.5)
    truth = np.zeros(200)
    members = list(np.random.default_rng(0).random((3, 200)))
    np.testing.assert_allclose(weights_of(asked, [truth], [members]), 1 / 3)
    truth[7] = 1.0
    blend = weights_of(asked, [truth], [members])
    assert blend.sum() == pytest.approx(1)
    assert stack(asked, [truth], [members], blend) is None
