"""What isolation forests find, and that a score is a share of the training rows."""

import numpy as np
import pytest

from octavo.bundle import IsolationModel, Model
from octavo.errors import DataError
from octavo.stages.training.algorithms import Task, get

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5000, 3))


def learned(X, **params):
    y = np.full(len(X), np.nan)  # nobody looks at it
    return get("isolation_forest").fit(X, y, params, Task("anomaly", 0, 2))


def test_the_order_is_that_of_scikit_learn():
    fitted = learned(X)
    new = np.vstack([RNG.normal(size=(500, 3)), RNG.normal(size=(50, 3)) * 5])
    own, theirs = fitted.model().predict(new), -fitted.estimator.score_samples(new)
    order = np.argsort(theirs, kind="stable")
    assert (np.diff(own[order]) >= -1e-9).all()
    assert len(np.unique(own)) > 300


@pytest.mark.parametrize("budget", [0.5, 0.1, 0.01, 0.001])
def test_a_score_says_what_share_of_the_training_rows_is_less_unusual(budget):
    model = learned(X).model()
    assert (model.predict(X) >= 1 - budget).mean() == pytest.approx(budget, rel=0.4)


def test_what_is_far_out_is_unusual_in_either_direction():
    model = learned(X).model()
    far = np.array([[6.0, 0, 0], [0, -6.0, 0], [6.0, -6.0, 6.0], [np.inf, 0, 0]])
    assert (model.predict(far) > 0.9).all()
    assert model.predict(np.zeros((1, 3)))[0] < 0.5


def test_arrays_that_are_no_model_are_refused():
    model = learned(X[:500], n_estimators=5).model()
    parts = model.arrays()
    assert isinstance(Model.of(model.meta(), parts), IsolationModel)
    for name, broken in {
        "knots": parts["knots"][::-1],
        "surprise": parts["surprise"] + 1,
        "slope": -parts["slope"],
        "leaf_value": parts["leaf_value"][:, 0],
    }.items():
        with pytest.raises(DataError, match="arrays are not consistent"):
            Model.of(model.meta(), parts | {name: broken})
    with pytest.raises(DataError, match="99 rows do not tell"):
        learned(X[:99])
