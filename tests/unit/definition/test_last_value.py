"""Which window is the label's last value."""

import polars as pl
import pytest

import octavo as ov
from octavo.definition import check_last_value, last_value_feature
from octavo.errors import DefinitionError

LATE = pl.col("delay") > 30


def pipeline(*windows, on_rows=False, value=LATE, inputs=None):
    flights = ov.Dataset("flights", ov.Files("f*.csv"), event_id="id", event_time="at")
    arrivals = ov.Dataset("arrivals", ov.Files("a*.csv"), event_id="id", event_time="at")
    of = flights if on_rows else arrivals
    made = [ov.Window({"flights": flights, "arrivals": arrivals}[w.pop("of")], **w)
            for w in [dict(w) for w in windows]]  # fmt: skip
    return ov.Pipeline(
        problem=ov.Problem("Late?", target="late", kind="binary", metric="roc_auc", at_least=0.5),
        datasets=[flights, arrivals],
        rows=flights,
        label=ov.Label("late", of=of, on=None if on_rows else "id", value=value),
        views=[ov.View("plane", key="plane", windows=made)] if made else [],
        row=[pl.col("distance")],
        inputs=inputs,
    )


def window(of="arrivals", value=LATE, take="last", **more):
    return {"of": of, "value": value, "take": take, "name": "late"} | more


@pytest.mark.parametrize(
    ("given", "feature"),
    [
        ([window()], "plane__late_last"),
        ([window(value=LATE.cast(pl.Float64))], "plane__late_last"),
        ([window(over=["1d", "7d"], take=["mean", "last"])], "plane__late_last_7d"),
        ([window(over="7d"), window()], "plane__late_last"),
        ([window(take="mean")], None),
        ([window(value=pl.col("delay") > 31)], None),
        ([window(where=pl.col("delay") > 0)], None),
        ([window(of="flights")], None),
        ([], None),
    ],
)
def test_it_is_the_last_of_what_the_label_says(given, feature):
    assert last_value_feature(pipeline(*given)) == feature


@pytest.mark.parametrize(
    ("more", "feature"),
    [
        ({}, None),
        ({"current": False}, "plane__late_last"),
        ({"delay": "1h"}, "plane__late_last_delay1h"),
    ],
)
def test_a_rows_own_outcome_is_none(more, feature):
    found = pipeline(window(of="flights", **more), on_rows=True)
    assert last_value_feature(found) == feature


def test_a_column_is_as_good_as_an_expression():
    given = {"of": "arrivals", "value": "late", "take": "last"}
    found = pipeline(given, value=pl.col("late"))
    assert last_value_feature(found) == "plane__late_last"


def test_what_is_missing_is_told_with_what_to_declare():
    check_last_value(pipeline(window()))
    with pytest.raises(DefinitionError, match=r'Add ov.Window\(arrivals, .*take="last"'):
        check_last_value(pipeline())
    with pytest.raises(DefinitionError, match="current=False"):
        check_last_value(pipeline(on_rows=True))
    with pytest.raises(DefinitionError, match="'plane__late_last', which is none of the inputs"):
        check_last_value(pipeline(window(), inputs=["distance"]))
