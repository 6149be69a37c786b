"""A blend is the weighted mean of its members, row by row or many at once, here and from a file."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from octavo.bundle import (
    BlendModel,
    Bundle,
    LinearEncoder,
    LinearModel,
    OrdinalEncoder,
    StackModel,
    TreeModel,
    blended,
    stacked,
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
    assert model.predict(X[:0]).shape == (0, *found.shape[1:])
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


def link(kind, predicted):
    """Return a prediction's score, as the textbook has it."""
    if kind == "binary":
        return np.log(predicted) - np.log1p(-predicted)
    return np.log(predicted) if kind == "multiclass" else predicted


def unlink(kind, scores):
    return {"binary": expit, "multiclass": lambda z: softmax(z, axis=1)}.get(kind, np.copy)(scores)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["binary", "multiclass", "regression"]),
    st.lists(st.floats(0.01, 3.0), min_size=2, max_size=3),
    st.floats(-2, 2),
)
def test_a_stack_adds_up_the_scores_of_its_members(kind, weights, shift):
    parts = [(ORDINAL, stump(0.0, kind)), (LINEAR, line(kind)), (ORDINAL, stump(1.0, kind))]
    parts = parts[: len(weights)]
    intercept = shift * np.arange(1, 4 if kind == "multiclass" else 2)
    encoder, model = stacked(parts, np.array(weights), intercept)
    X = encoder.transform(FRAME)
    expected = unlink(kind, intercept + sum(
        weight * link(kind, member.predict(own.transform(FRAME))).reshape(len(X), -1)
        for weight, (own, member) in zip(weights, parts, strict=True)
    ))  # fmt: skip
    found = model.predict(X)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)
    assert model.predict(X[:0]).shape == (0, *found.shape[1:])
    rows = [model.predict(X[at : at + 1])[0] for at in range(len(X))]
    np.testing.assert_array_equal(found, rows)


def test_the_mean_of_two_stacks_travels_in_a_bundle(tmp_path):
    parts = [(ORDINAL, stump(0.0)), (LINEAR, line())]
    stacks = [stacked(parts, np.array(w), np.array([0.1])) for w in ([0.5, 0.7], [1.5, 0.1])]
    encoder, model = blended(stacks, np.ones(2))
    Bundle(model=model, encoder=encoder, target="y", algorithm="stack").save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    expected = np.mean([m.predict(e.transform(FRAME)) for e, m in stacks], axis=0)
    np.testing.assert_allclose(loaded.predict(FRAME), expected, rtol=1e-13)
    assert [type(member) for member in loaded.model.members] == [StackModel, StackModel]
    assert len(loaded.encoder.encoders) == 1, "equal encoders are one"
    assert loaded.schema == {"x": "Float64", "kind": "String"}
    with pytest.raises(DataError, match="an intercept of shape"):
        stacked(parts, np.ones(2), np.zeros(2))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": [0.5, 0.6]}, "no shares"),
        ({"weights": [1.0, 0.0]}, "not positive"),
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
