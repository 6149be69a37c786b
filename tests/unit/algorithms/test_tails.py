"""What a score of the tails means, and where it comes from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.bundle import TailModel
from octavo.errors import DataError, DefinitionError
from octavo.stages.training.algorithms import Task, get


def learned(X, **params):
    y = np.full(len(X), np.nan)  # nobody looks at it
    return get("tails").fit(X, y, params, Task("anomaly", 0, 1)).model()


@pytest.mark.parametrize("budget", [0.5, 0.1, 0.01, 0.001])
def test_a_score_says_what_share_of_the_training_rows_is_less_unusual(budget):
    X = np.random.default_rng(0).standard_t(3, size=(20_000, 3))
    assert (learned(X).predict(X) >= 1 - budget).mean() == pytest.approx(budget, rel=0.15)


def test_a_power_tail_is_known_beyond_the_rows_seen():
    # Of 20,000 rows the rarest is one in 20,000; of a Pareto tail the share beyond x is x^-2.
    rng = np.random.default_rng(1)
    model = learned(rng.pareto(2, size=(20_000, 1)) + 1)
    beyond = np.array([[10.0], [100.0], [1_000.0]])
    assert np.log10(1 - model.predict(beyond)) == pytest.approx([-2, -4, -6], abs=0.7)


@given(
    st.lists(st.floats(allow_nan=True, width=32), min_size=2, max_size=2),
    st.integers(0, 1),
    st.floats(0, 1e6),
)
@settings(max_examples=200, deadline=None)
def test_more_of_one_feature_is_never_less_unusual(row, feature, more):
    X = np.column_stack([EXCESS, COUNTS])
    model = learned(X)
    further = np.array(row)
    further[feature] += more
    if not np.isnan(further[feature]):
        before, after = model.raw(np.array([row, further]))
        assert after >= before
        assert 0 <= model.predict(further[None])[0] <= 1


RNG = np.random.default_rng(2)
EXCESS = np.maximum(RNG.normal(size=500) - 1.5, 0)
COUNTS = RNG.poisson(0.1, 500).astype(float)


def test_equal_values_are_as_unusual_as_the_share_that_reaches_them():
    X = np.repeat([[0.0], [1.0], [2.0]], [900, 60, 40], axis=0)
    found = learned(X, tail=0.02).predict(np.array([[0.0], [1.0], [2.0], [1.999]]))
    assert found[:3] == pytest.approx([0, 0.9, 0.96], abs=0.01)
    assert found[1] <= found[3] <= found[2]


def test_missing_values_and_columns_surprise_nobody():
    X = RNG.normal(size=(400, 2))
    X[:, 1] = np.nan
    model = learned(X)
    alone = learned(X[:, :1])
    assert (model.predict(X) == alone.predict(X[:, :1])).all()
    assert model.predict(np.full((1, 2), np.nan)) == [0.0]
    assert model.predict(np.array([[np.nan, 1e300]])) == [0.0]


def test_what_cannot_be_learned_from():
    with pytest.raises(DataError, match="99 rows do not tell what is rare"):
        learned(np.zeros((99, 1)))
    with pytest.raises(DefinitionError, match=r"a tail of 1\.5 is no share"):
        learned(np.zeros((100, 1)), tail=1.5)
    parts = learned(RNG.normal(size=(200, 1))).arrays()
    for name, broken in {
        "knots": parts["knots"][:, ::-1],
        "surprise": -parts["surprise"],
        "slope": np.zeros(2),
    }.items():
        with pytest.raises(DataError, match="arrays are not consistent"):
            TailModel(kind="anomaly", n_features=1, **{**parts, name: broken})
