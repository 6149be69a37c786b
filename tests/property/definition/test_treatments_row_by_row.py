"""A treatment gives one row what it gives it among others, and a number what Python reads."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.definition.expressions import sample_disagreement

texts = st.lists(
    st.none() | st.text("0123456789.,-+ '()eE kg%\u00a0a−B", max_size=12) | st.dates().map(str),
    min_size=1,
    max_size=12,
)

TREATMENTS = (
    ov.Null("x", ["1", "a"]),
    ov.Clip("x", "0", "9"),
    ov.Normalize("x", strip=True, dots=True, case="upper", replace={"A": "B"}),
    ov.AsNumber("x", decimal=",.", units={"kg": 2, "%": 0.01}),
    ov.AsTime("x", ["%Y-%m-%d", "%d.%m.%Y"]),
)


@pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda t: type(t).__name__)
@settings(deadline=None)
@given(values=texts)
def test_row_by_row_as_in_the_frame(treatment, values):
    frame = pl.DataFrame({"x": values}, schema={"x": pl.String})
    assert sample_disagreement(frame, [treatment.expression.alias("found")]) is None


@given(
    number=st.floats(-1e9, 1e9).map(lambda value: round(value, 3)),
    comma=st.booleans(),
    thousands=st.booleans(),
    unit=st.sampled_from(["", " kg", "kg"]),
)
def test_a_written_number_is_read_back(number, comma, thousands, unit):
    text = f"{number:,.3f}" if thousands else f"{number:.3f}"
    if comma:
        text = text.translate(str.maketrans(",.", ".,"))
    treatment = ov.AsNumber("x", decimal="," if comma else ".", units={"kg": 1})
    found = pl.DataFrame({"x": [text + unit]}).select(treatment.expression)
    assert found.item() == number
