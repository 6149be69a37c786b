"""The compiled evaluator against a walk in plain Python, over random trees and rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.bundle import TreeModel, quick
from octavo.bundle.model import MANY

FEATURES = 3
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 5e-324, math.inf, -math.inf, math.nan]) | st.floats(
    -3, 3
)
LEAVES = st.floats(-1e6, 1e6)


@st.composite
def a_tree(draw):
    """A nested tree: a leaf's value, or (feature, threshold, default_left, left, right)."""
    deeper = st.deferred(
        lambda: (
            LEAVES | st.tuples(st.integers(0, FEATURES - 1), NUMBERS, st.booleans(), deeper, deeper)
        )
    )
    return draw(deeper)


def flatten(trees):
    arrays = {name: [] for name in ("feature", "threshold", "left", "right", "default_left")}
    leaves = []

    def add(tree):
        if isinstance(tree, float):
            leaves.append(tree)
            return ~(len(leaves) - 1)
        node = len(arrays["feature"])
        for name, value in zip(arrays, (*tree[:2], 0, 0, tree[2]), strict=True):
            arrays[name].append(value)
        arrays["left"][node] = add(tree[3])
        arrays["right"][node] = add(tree[4])
        return node

    roots = [add(tree) for tree in trees]
    return {**arrays, "leaf_value": leaves, "roots": roots}


def walk(tree, row):
    while not isinstance(tree, float):
        feature, threshold, default_left, left, right = tree
        x = row[feature]
        tree = left if (default_left if math.isnan(x) else x <= threshold) else right
    return tree


@given(
    trees=st.lists(a_tree(), max_size=7),
    base=st.lists(LEAVES, min_size=1, max_size=3),
    rows=st.lists(st.tuples(*[NUMBERS] * FEATURES), min_size=1, max_size=9),
    times=st.integers(MANY, 40),
)
@settings(max_examples=100, deadline=None)
def test_walk(trees, base, rows, times):
    model = TreeModel(
        kind="regression" if len(base) == 1 else "multiclass",
        n_features=FEATURES,
        base_score=base,
        **flatten(trees),
    )
    expected = []
    for row in rows:
        scores = list(base)
        for t, tree in enumerate(trees):
            scores[t % len(base)] += walk(tree, row)
        expected.append(scores)
    raw = model.raw(rows).reshape(len(rows), len(base))
    np.testing.assert_array_equal(raw, expected)
    single = [model.predict([row]) for row in rows]
    assert np.concatenate(single).tobytes() == model.predict(rows).tobytes()
    together = model.raw(rows * times).reshape(-1, len(base))
    np.testing.assert_array_equal(together, expected * times)
    assert model.predict(rows * times).tobytes() == np.concatenate(single * times).tobytes()


def chain(leaves, *, to_the_left):
    """A tree that grows on one side alone: a row falls into leaf ``i`` where ``x0`` is about i."""
    tree = float(leaves - 1) if not to_the_left else 0.0
    for i in range(leaves - 1):
        if to_the_left:
            tree = (0, i + 0.5, False, tree, float(i + 1))
        else:
            tree = (0, leaves - 1.5 - i, False, float(leaves - 2 - i), tree)
    return tree


@pytest.mark.parametrize("to_the_left", [True, False])
@pytest.mark.parametrize("leaves", [1, 2, 63, 64, 65, 200])
def test_as_many_leaves_as_a_word_has_bits_and_more(leaves, to_the_left):
    trees = [chain(leaves, to_the_left=to_the_left), (1, 0.5, True, 1000.0, 2000.0)]
    model = TreeModel(kind="regression", n_features=2, base_score=[0.0], **flatten(trees))
    assert (quick.questions(2, *model._walk) is None) == (leaves > 64)
    x0 = np.arange(300) % leaves
    x1 = np.where(np.arange(300) % 3 == 0, np.nan, 1.0)
    expected = x0 + np.where(np.isnan(x1), 1000.0, 2000.0)
    assert model.raw(np.stack([x0, x1], axis=1)).tolist() == expected.tolist()
