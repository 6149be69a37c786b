"""Coefficients that a penalty on magnitudes leaves, and that nothing depends on units."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from octavo.stages.training.algorithms import Task, get

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2000, 12))
SCORE = 2 * X[:, 0] - X[:, 1] + 0.3 * RNG.normal(size=2000)


def learned(y, kind, **params):
    return get("elastic_net").fit(X, y, params, Task(kind, 1, 1)).model()


@pytest.mark.parametrize(
    ("kind", "y"),
    [("regression", SCORE), ("binary", SCORE > 0), ("multiclass", np.digitize(SCORE, [-1, 1]))],
)
def test_what_tells_nothing_has_no_coefficient(kind, y):
    coef = learned(y.astype(float), kind, alpha=0.05, l1_ratio=1.0).coef
    assert (coef[:, 2:] == 0).all()
    assert (np.abs(coef[:, 0]) > 0).any()


def test_the_unit_of_the_target_does_not_matter():
    one = learned(SCORE, "regression", alpha=0.1)
    thousand = learned(1000 * SCORE + 5, "regression", alpha=0.1)
    np.testing.assert_allclose(thousand.coef, 1000 * one.coef, rtol=1e-6)


def test_it_minimizes_what_scikit_learn_does():
    model = learned(SCORE, "regression", alpha=0.1, l1_ratio=0.3)
    theirs = ElasticNet(alpha=0.1, l1_ratio=0.3).fit(X, SCORE / SCORE.std())
    np.testing.assert_allclose(model.coef[0], theirs.coef_ * SCORE.std(), rtol=1e-6)
