"""Categories seen as the mean target: against plain arithmetic, and against a row's own target."""

import json
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.bundle import ENCODERS, Encoder, OrdinalEncoder
from octavo.bundle.categories import FOLDS, TargetMean
from octavo.bundle.columns import Column, ColumnKind
from octavo.bundle.encoders import MANY
from octavo.errors import DefinitionError

RNG = np.random.default_rng(0)
ROWS = 3000
LEVEL = RNG.integers(0, 80, ROWS)
EFFECT = RNG.normal(size=80)
Y = EFFECT[LEVEL] + RNG.normal(size=ROWS)
TEXTS = pl.Series("c", [None if level == 7 else f"c{level}" for level in LEVEL])
FRAME = pl.DataFrame({"c": TEXTS, "x": RNG.normal(size=ROWS)})
each_flavour = pytest.mark.parametrize("flavour", sorted(ENCODERS))


def learned(texts, y):
    frame = pl.DataFrame({"c": pl.Series("c", texts, pl.String)})
    column = Column.of(frame["c"], ColumnKind.TARGET)
    return frame, TargetMean.fit(column, frame, np.asarray(y, float).reshape(len(texts), -1))


def encoded(column, texts):
    frame = pl.DataFrame({"c": pl.Series("c", texts, pl.String)})
    out = np.zeros((len(texts), len(column.names)))
    column.fill(frame, out)
    return out


def test_deviations_are_drawn_towards_the_mean_of_all_rows():
    texts, y = (
        ["a"] * 40 + ["b"] * 20 + [None, "once"],
        [1, 1, 1, 0] * 10 + [0, 0, 0, 1] * 5 + [1, 1],
    )
    _, column = learned(texts, y)
    (weight,), mean = column.weights, statistics.fmean(y)
    low, _, high = statistics.quantiles(y, method="inclusive")
    spread = (high - low) / 1.349

    def drawn(total, rows):
        return round((total - rows * mean) / (rows + weight) / spread, 1)

    found = encoded(column, ["a", "b", None, "once", "new"])[:, 0].tolist()
    assert found == [drawn(30, 40), drawn(5, 20), drawn(1, 1), 0.0, 0.0]
    assert found[0] > 0 > found[1]


def test_where_quartiles_are_equal_the_spread_is_the_standard_deviation():
    texts, y = ["a", "b"] * 500, [1, 0] * 50 + [0] * 900
    _, column = learned(texts, y)
    (weight,) = column.weights
    expected = round((50 - 500 * 0.05) / (500 + weight) / statistics.pstdev(y), 1)
    assert encoded(column, ["a", "b"])[:, 0].tolist() == [expected, -expected]


def test_the_weight_is_the_ratio_of_the_variances():
    _, column = learned(TEXTS.to_list(), Y)  # noise has the variance 1
    assert column.weights[0] == pytest.approx(1 / EFFECT.var(), rel=0.15)
    _, noise = learned(TEXTS.to_list(), RNG.normal(size=ROWS))
    assert noise.weights[0] > 50
    texts, y = ["a", "a", "b", "b", "c", "c"], [1.0, 2.0, 4.0, 8.0, 3.0, 5.0]
    within = statistics.fmean([0.5, 8.0, 2.0])
    between = (2 * statistics.variance([1.5, 6.0, 4.0]) - within) / 2
    assert learned(texts, y)[1].weights[0] == pytest.approx(max(within / between, 1.0))


@given(st.integers(0, ROWS - 1))
@settings(max_examples=20, deadline=None)
def test_no_training_row_sees_its_own_target(row):
    column = ENCODERS["ordinal"].fit(FRAME, y=Y[:, None]).columns[0]
    other = Y.copy()
    other[row] += 1000.0
    before, after = np.zeros((ROWS, 1)), np.zeros((ROWS, 1))
    column.fill_training(FRAME, Y[:, None], before)
    column.fill_training(FRAME, other[:, None], after)
    assert before[row] == after[row]
    assert (before != after).any()


@each_flavour
def test_of_a_target_of_pure_noise_nothing_is_learned(flavour):
    noise = np.random.default_rng(1).normal(size=ROWS)
    texts = pl.DataFrame({"c": [f"c{i // 3}" for i in range(ROWS)]})
    encoder, crossed = ENCODERS[flavour].fit_transform(texts, y=noise[:, None])
    place = encoder.names.index("c: target")
    for seen in (crossed, encoder.transform(texts)):
        assert np.abs(seen[:, place]).max() < 0.2


@each_flavour
def test_training_rows_and_new_ones_mean_the_same(flavour):
    encoder, crossed = ENCODERS[flavour].fit_transform(FRAME, y=Y[:, None])
    new = encoder.transform(FRAME)
    place = encoder.names.index("c: target")
    assert crossed.shape == new.shape
    others = [at for at in range(new.shape[1]) if at != place]
    assert (crossed[:, others] == new[:, others]).all()
    assert np.corrcoef(crossed[:, place], new[:, place])[0, 1] > 0.95
    assert len(np.unique(crossed[LEVEL == 3, place])) <= FOLDS


@each_flavour
def test_it_is_the_same_after_json_and_row_by_row(flavour):
    encoder = ENCODERS[flavour].fit(FRAME, y=Y[:, None])
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    assert again == encoder
    some = FRAME.head(40).vstack(pl.DataFrame({"c": ["new", None], "x": [0.0, None]}))
    whole = again.transform(some)
    single = np.vstack([encoder.transform(some[row]) for row in range(some.height)])
    assert single.tobytes() == whole.tobytes()


def test_each_of_several_classes_has_a_column():
    classes = LEVEL % 3
    encoder = OrdinalEncoder.fit(FRAME, y=np.eye(3)[classes])
    assert encoder.names[:3] == ("c: target 0", "c: target 1", "c: target 2")
    shares = encoder.transform(FRAME)[:, :3]
    assert (shares.argmax(axis=1) == classes).all()


@each_flavour
def test_few_categories_are_seen_as_before(flavour):
    few = pl.DataFrame({"c": [f"c{i % MANY}" for i in range(ROWS)]})
    seen = ENCODERS[flavour].fit(few, y=Y[:, None])
    assert seen == ENCODERS[flavour].fit(few)
    assert "c: target" in ENCODERS[flavour].fit(few, {"c": "target"}, y=Y[:, None]).names
    assert "c: target" not in ENCODERS[flavour].fit(FRAME, {"c": "categorical"}, y=Y[:, None]).names


def test_without_a_target_there_is_no_mean():
    with pytest.raises(DefinitionError, match="'c': there is no target"):
        OrdinalEncoder.fit(FRAME, {"c": "target"})
