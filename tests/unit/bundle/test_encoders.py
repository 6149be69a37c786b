import json
import statistics

import numpy as np
import polars as pl
import pytest

from octavo.bundle import ENCODERS, Encoder, LinearEncoder, OrdinalEncoder
from octavo.bundle.categories import ONE_HOT_CATEGORIES
from octavo.bundle.encoders import FARTHEST
from octavo.errors import DataError, DefinitionError

TRAIN = pl.DataFrame(
    {
        "delay": [1.0, None, 3.0, 8.0, float("nan")],
        "seats": [100, 200, 100, 100, 100],
        "night": [True, False, None, True, True],
        "carrier": ["B", "A", None, "B", "C"],
    }
)
NEW = pl.DataFrame(
    {
        "delay": [2.0, None],
        "seats": [150, None],
        "night": [False, None],
        "carrier": ["Z", None],
        "unknown": [1, 2],
    }
)


def test_ordinal_codes_by_frequency_then_name():
    encoder = OrdinalEncoder.fit(TRAIN)
    assert encoder.names == ("delay", "seats", "night", "carrier")
    nan = np.nan
    np.testing.assert_array_equal(
        encoder.transform(TRAIN),
        [[1, 100, 1, 0], [nan, 200, 0, 1], [3, 100, nan, nan], [8, 100, 1, 0], [nan, 100, 1, 2]],
    )
    np.testing.assert_array_equal(encoder.transform(NEW), [[2, 150, 0, nan], [nan, nan, nan, nan]])


def test_linear_scales_fills_and_flags():
    encoder = LinearEncoder.fit(TRAIN)
    assert encoder.names == (
        *("delay", "delay=<missing>", "seats", "night", "night=<missing>"),
        *("carrier=B", "carrier=A", "carrier=C", "carrier=<other>", "carrier=<missing>"),
    )
    filled = [1.0, 3.0, 3.0, 8.0, 3.0]
    mean, scale = statistics.fmean(filled), statistics.pstdev(filled)
    out = encoder.transform(TRAIN)
    np.testing.assert_allclose(out[:, 0], [(x - mean) / scale for x in filled], rtol=1e-12)
    np.testing.assert_array_equal(out[:, 1], [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(
        out[:, 5:],
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0]],
    )
    new = encoder.transform(NEW)
    np.testing.assert_array_equal(new[:, 5:], [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert new[1, 0] == (3.0 - mean) / scale


def test_without_nulls_in_training_there_is_no_flag():
    encoder = LinearEncoder.fit(pl.DataFrame({"x": [1.0, 5.0], "c": ["a", "b"]}))
    assert encoder.names == ("x", "c=a", "c=b", "c=<other>")
    new = pl.DataFrame({"x": [None, float("inf")], "c": [None, "a"]})
    np.testing.assert_array_equal(encoder.transform(new), [[0, 0, 0, 1], [0, 1, 0, 0]])


def test_rare_categories_share_a_place():
    texts = [f"c{i:03}" for i in range(60) for _ in range(100 - i)]
    encoder = LinearEncoder.fit(pl.DataFrame({"c": texts}))
    assert len(encoder.names) == ONE_HOT_CATEGORIES + 1
    assert encoder.names[0] == "c=c000"
    assert encoder.names[-2:] == ("c=c049", "c=<other>")
    assert encoder.transform(pl.DataFrame({"c": ["c050"]}))[0, -1] == 1.0


@pytest.mark.parametrize(
    "values", [[7.1, 7.1, 7.1], [None, None], [1e308, -1e308], [1e308, 1.5e308], [5e-324, 0.0]]
)
def test_linear_output_is_finite_whatever_it_learned_from(values):
    encoder = LinearEncoder.fit(pl.DataFrame({"x": values}, schema={"x": pl.Float64}))
    extremes = [None, 0.0, 7.1, 1.7e308, -1.7e308, float("inf"), float("-inf"), float("nan")]
    out = encoder.transform(pl.DataFrame({"x": extremes}))
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= FARTHEST


@pytest.mark.parametrize("flavour", sorted(ENCODERS))
def test_json_round_trip(flavour):
    encoder = ENCODERS[flavour].fit(TRAIN)
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    assert again == encoder
    assert again.to_dict() == encoder.to_dict()
    np.testing.assert_array_equal(again.transform(NEW), encoder.transform(NEW))
    assert again.schema == {
        "delay": "Float64",
        "seats": "Int64",
        "night": "Boolean",
        "carrier": "String",
    }


@pytest.mark.parametrize("flavour", sorted(ENCODERS))
def test_output_is_c_ordered_float64_and_training_is_untouched(flavour):
    before = TRAIN.clone()
    out = ENCODERS[flavour].fit(TRAIN).transform(TRAIN)
    assert out.dtype == np.float64
    assert out.flags.c_contiguous
    assert TRAIN.equals(before)
    assert ENCODERS[flavour].fit(TRAIN).transform(TRAIN.head(0)).shape == (0, out.shape[1])


@pytest.mark.parametrize("flavour", sorted(ENCODERS))
def test_a_missing_column_is_named(flavour):
    with pytest.raises(DataError, match="'carrier': the column is missing"):
        ENCODERS[flavour].fit(TRAIN).transform(TRAIN.drop("carrier"))


def test_kinds_may_be_declared():
    frame = pl.DataFrame({"route": [7, 7, 3]})
    assert OrdinalEncoder.fit(frame, {"route": "categorical"}).transform(frame).tolist() == [
        [0.0],
        [0.0],
        [1.0],
    ]
    with pytest.raises(DefinitionError, match=r"no feature 'rout'.*'route'"):
        OrdinalEncoder.fit(frame, {"rout": "categorical"})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"flavour": "cubist", "columns": []},
        {"flavour": "ordinal", "columns": [{"name": "x"}]},
        {"flavour": "ordinal", "columns": [{"name": "x", "dtype": "Int8", "kind": "odd"}]},
        {"flavour": "linear", "columns": [{"name": "x", "dtype": "Int8", "kind": "numeric"}]},
    ],
)
def test_what_is_not_an_encoder_is_refused(document):
    with pytest.raises(DataError, match="encoder cannot be read"):
        Encoder.from_dict(document)
