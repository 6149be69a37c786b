"""Filters: against Python's own comparison, and what is refused."""

import operator
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import DefinitionError
from octavo.stages.segregation.filters import condition_of

FRAME = pl.DataFrame(
    {
        "amount": [1.5, None, 20.0],
        "amount due": [1, 2, 3],
        "channel": ["online", "in store", None],
        "late": [True, False, None],
        "at": pl.Series(
            [datetime(2024, 1, n, tzinfo=UTC) for n in (1, 2, 3)], dtype=pl.Datetime("us", "UTC")
        ),
        "day": [date(2024, 1, n) for n in (1, 2, 3)],
        "größe": [1, 2, 3],
    }
)


def rows(text):
    return FRAME.with_row_index().filter(condition_of(text, FRAME.schema))["index"].to_list()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("amount >= 1.5", [0, 2]),
        ("amount>1.5", [2]),
        ("amount < 20", [0]),
        ("amount != 1.5", [2]),
        ("amount is null", [1]),
        ("amount is  not null", [0, 2]),
        ("amount due <= 2", [0, 1]),
        ("amount due in 1, 3", [0, 2]),
        ("amount due = 1.5", []),
        ("channel = in store", [1]),
        ("channel in online,in store", [0, 1]),
        ("channel != online", [1]),
        ("late = true", [0]),
        ("late=False", [1]),
        ("at >= 2024-01-02", [1, 2]),
        ("at < 2024-01-02T02:00+02:00", [0]),
        ("day = 2024-01-03", [2]),
        ("größe = 2", [1]),
        ("  größe=2 ", [1]),
    ],
)
def test_what_a_filter_keeps(text, found):
    assert rows(text) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("amuont > 1", "there is no column 'amuont'. Did you mean 'amount'"),
        ("amount", "it is no condition. Write COLUMN = VALUE"),
        ("amount ~ 3", "it is no condition."),
        ("", "it is no condition."),
        ("amount > much", "'much' is not of the column's type, Float64."),
        ("amount due = ", "'' is not of the column's type, Int64."),
        ("late = yes", "'yes' is not of the column's type, Boolean."),
        ("at > soon", "'soon' is not of the column's type"),
        ("__import__('os') = 1", "there is no column"),
    ],
)
def test_what_is_refused_and_how(text, says):
    with pytest.raises(DefinitionError) as refused:
        rows(text)
    assert str(refused.value).startswith(f"filter {text!r}: ")
    assert says in str(refused.value)


OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@settings(deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=30),
    than=st.integers(-50, 50),
    sign=st.sampled_from(sorted(OPERATORS)),
)
def test_comparisons_are_those_of_python(values, than, sign):
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Int64})
    found = frame.filter(condition_of(f"x {sign} {than}", frame.schema))["x"].to_list()
    assert found == [v for v in values if v is not None and OPERATORS[sign](v, than)]
