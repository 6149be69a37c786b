"""Features as arrays: what is refused, and predictions to the bits of those of a frame."""

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from octavo.bundle import Bundle
from octavo.bundle.encoders import LinearEncoder, OrdinalEncoder
from octavo.bundle.model import LinearModel
from octavo.errors import DataError

TRAIN = pl.DataFrame(
    {"number": [1.5, None, 3.0], "word": ["a", "b", "a"], "yes": [True, False, None]}
)


def bundle_of(encoder):
    width = len(encoder.names)
    coef, intercept = np.linspace(1, 2, width)[None], np.zeros(1)
    return Bundle(LinearModel("binary", width, coef, intercept), encoder, "y", "any")


def test_rows_arrays_and_a_frame_are_predicted_alike():
    bundle = bundle_of(LinearEncoder.fit(TRAIN))
    rows = [(2.0, "b", True), (None, "new", None), (7.0, None, False)]
    frame = pl.DataFrame(rows, TRAIN.schema, orient="row")
    expected = bundle.predict(frame)
    assert bundle.predict_encoded(bundle.encode_rows(rows)).tobytes() == expected.tobytes()
    columns = zip(TRAIN.columns, zip(*rows, strict=True), strict=True)
    arrays = {name: np.array(values, object) for name, values in columns}
    arrays["more"] = np.zeros(7)
    assert bundle.predict_encoded(bundle.encode_arrays(arrays)).tobytes() == expected.tobytes()


def test_times_of_any_zone_are_those_of_a_frame():
    zone = dt.timezone(dt.timedelta(hours=2))
    times = [dt.datetime(2024, 1, 1, 2, tzinfo=zone), None]
    frame = pl.DataFrame({"at": times}, {"at": pl.Datetime("us", "UTC")})
    encoder = OrdinalEncoder.fit(frame, {"at": "numeric"})
    found = encoder.transform_arrays({"at": np.array(times, object)})
    assert found[0, 0] == dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()
    np.testing.assert_array_equal(found, encoder.transform(frame))


def test_a_time_of_day_is_that_of_a_frame():
    times = [dt.time(12, 30, 0, 5), None]
    frame = pl.DataFrame({"at": times}, {"at": pl.Time})
    encoder = OrdinalEncoder.fit(frame, {"at": "numeric"})
    found = encoder.transform_arrays({"at": np.array(times, object)})
    assert found[0, 0] == 45_000.000005
    np.testing.assert_array_equal(found, encoder.transform(frame))
    since = np.array([45_000_000_005, "NaT"], "m8[us]")
    np.testing.assert_array_equal(found, encoder.transform_arrays({"at": since}))
    with pytest.raises(DataError, match="trained on Time"):
        encoder.transform_arrays({"at": np.array([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)])})


@pytest.mark.parametrize("value", [1.5, math.inf])
def test_a_fraction_is_no_category_of_whole_numbers(value):
    encoder = OrdinalEncoder.fit(pl.DataFrame({"code": [1, 2]}), {"code": "categorical"})
    assert encoder.transform_arrays({"code": np.array([2.0])}) == [[1.0]]
    with pytest.raises(DataError, match="trained on Int64"):
        encoder.transform_arrays({"code": np.array([value])})


def test_numbers_alone_are_taken_as_they_are():
    encoder = OrdinalEncoder.fit(TRAIN.select("number", "yes"))
    assert encoder.is_plain
    assert not OrdinalEncoder.fit(TRAIN).is_plain
    assert not LinearEncoder.fit(TRAIN.select("number")).is_plain
    bundle = bundle_of(encoder)
    for rows in (
        [(1.0, True), (None, None)],
        [(1.0, True), (-0.0, False), (5e-324, True)],
        [(2**53 + 1, False), (math.nan, True)],
        [(-math.inf, True)],
        [],
    ):
        expected = np.array(rows, np.float64).reshape(-1, 2)
        assert bundle.encode_rows(rows).tobytes() == expected.tobytes()
        assert bundle.encode_rows(rows).shape == expected.shape
    with pytest.raises(OverflowError):
        bundle.encode_rows([(10**400, True)])


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("number", np.array(["1.5"]), "trained on Float64"),
        ("number", np.array(["1.5"], object), "trained on Float64"),
        ("number", np.array([{}], object), "trained on Float64"),
        ("number", np.array(["2024-01-01"], "M8[us]"), "trained on Float64"),
        ("word", np.array([1.0]), "trained on String"),
        ("word", np.array([True], object), "trained on String"),
        ("yes", np.array(["true"], object), "trained on Boolean"),
        ("yes", None, "missing"),
        ("word", np.array(["a", "b"]), "shape (2,)"),
        ("word", np.array([["a"]]), "shape (1, 1)"),
    ],
)
def test_what_is_of_another_sort_is_refused_by_name(column, values, says):
    arrays = {
        "number": np.array([1.0]), "word": np.array(["a"], object), "yes": np.array([True]),
    }  # fmt: skip
    arrays[column] = values
    given = {name: each for name, each in arrays.items() if each is not None}
    with pytest.raises(DataError, match=column) as caught:
        OrdinalEncoder.fit(TRAIN).transform_arrays(given)
    assert says in str(caught.value)
