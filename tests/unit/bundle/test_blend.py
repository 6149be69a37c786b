"""A blend is the weighted mean of its members, row by row or many at once, here and from a file."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.bundle import (
    BlendModel,
    Bundle,
    LinearEncoder,
    LinearModel,
    OrdinalEncoder,
    TreeModel,
    blended,
)
from octavo.errors import DataError

RNG = np.random.default_rng(4)
FRAME = pl.DataFrame(
    {
        "x": [*RNG.normal(size=40).tolist(), None, float("inf")],
        "kind": [*RNG.choice(["a", "b", "c"], 41).tolist(), None],
    }
)
ORDINAL, LINEAR = OrdinalEncoder.fit(FRAME), LinearEncoder.fit(FRAME)


def stump(threshold: float, kind="binary") -> TreeModel:
    outputs = 3 if kind == "multiclass" else 1
    return TreeModel(
        kind=kind,
        n_features=2,
        base_score=np.zeros(outputs),
        feature=[0],
        threshold=[threshold],
        left=[~0],
        right=[~1],
        default_left=[1],
        leaf_value=[-1.0, 2.0],
        roots=[0],
    )


def line(kind="binary") -> LinearModel:
    width = len(LINEAR.names)
    outputs = 3 if kind == "multiclass" else 1
    coef = np.arange(outputs * width).reshape(outputs, width) / 7
    return LinearModel(kind=kind, n_features=width, coef=coef, intercept=np.zeros(outputs))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["binary", "multiclass", "regression"]),
    st.lists(st.floats(0.1, 9.0), min_size=2, max_size=4),
)
def test_it_is_the_mean_of_what_the_members_predict(kind, weights):
    given_ = [(ORDINAL, stump(0.0, kind)), (LINEAR, line(kind)), (ORDINAL, stump(1.0, kind))]
    parts = (given_ * 2)[: len(weights)]
    encoder, model = blended(parts, np.array(weights))
    assert len(encoder.encoders) == 2, "equal encoders are one"
    X = encoder.transform(FRAME)
    expected = sum(
        weight / sum(weights) * member.predict(own.transform(FRAME))
        for weight, (own, member) in zip(weights, parts, strict=True)
    )
    found = model.predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_array_equal(found, model.raw(X))
    rows = [model.predict(X[at : at + 1])[0] for at in range(len(X))]
    np.testing.assert_array_equal(found, rows)


def test_it_travels_in_a_bundle(tmp_path):
    encoder, model = blended([(ORDINAL, stump(0.0)), (LINEAR, line())], np.array([3.0, 1.0]))
    bundle = Bundle(model=model, encoder=encoder, target="y", algorithm="blend")
    bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.content_hash == bundle.content_hash
    assert loaded.schema == {"x": "Float64", "kind": "String"}
    np.testing.assert_array_equal(loaded.predict(FRAME), bundle.predict(FRAME))
    assert isinstance(loaded.model, BlendModel)
    assert [type(member) for member in loaded.model.members] == [TreeModel, LinearModel]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": [0.5, 0.6]}, "no shares"),
        ({"weights": [1.0, 0.0]}, "no shares"),
        ({"weights": [1.0]}, "differ in number"),
        ({"begins": (0, 90)}, "columns that do not exist"),
        ({"members": ()}, "differ in number"),
        ({"members": (stump(0.0), line("regression"))}, "do not predict the same"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, says):
    _, model = blended([(ORDINAL, stump(0.0)), (LINEAR, line())], np.array([1.0, 1.0]))
    parts = {
        "kind": "binary",
        "n_features": model.n_features,
        "members": model.members,
        "begins": model.begins,
        "weights": model.weights,
    }
    with pytest.raises(DataError, match=says):
        BlendModel(**(parts | change))
