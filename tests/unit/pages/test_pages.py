"""Numbers, tables and axes: what is shown is what was given."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standing import read_page

from octavo.pages.html import Markup, cell, document, facts, moment, number, table
from octavo.pages.plots import Axis, Plot, bar, span

FINITE = st.floats(-1e12, 1e12)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"), (0.0, "0"), (12, "12"), (1234567, "1,234,567"), (0.45552, "0.4555"),
        (12.345, "12.35"), (123.45, "123.5"), (1234.5, "1,234"), (-0.25, "-0.2500"),
        (0.00001234, "1.2e-05"), (math.nan, "not defined"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_far_as_its_digits_say_something(value, written):
    assert number(value) == written


def test_moments_beyond_the_calendar_are_numbers():
    assert moment(0) == "1970-01-01 00:00"
    assert moment(None) == "–"
    assert moment(2**62) == str(2**62)


def test_text_is_escaped_once_and_markup_is_not():
    assert cell("<b>&") == "&lt;b&gt;&amp;"
    assert cell(Markup("<b></b>")) == "<b></b>"
    assert [cell(True), cell(None), cell(3)] == ["yes", "–", "3"]


def test_a_table_without_rows_is_nothing():
    assert table(("a",), []) == ""
    assert facts([]) == ""


@given(st.lists(st.tuples(st.text(), FINITE), max_size=5), st.text())
def test_whatever_is_told_the_page_stands_alone(rows, title):
    read_page(document(title, [table(("name<", "value"), rows), facts(rows)]))


@given(st.lists(FINITE, min_size=1, max_size=20), st.booleans())
def test_an_axis_shows_all_values_and_a_few_ticks(values, zero):
    axis = Axis.around("x", values, zero=zero)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert axis.low <= min(values) + slack
    assert axis.high >= max(values) - slack
    assert 2 <= len(axis.ticks) <= 9
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in axis.ticks)
    if zero:
        assert axis.low <= 0 <= axis.high


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=10))
def test_what_cannot_be_drawn_is_left_out(points):
    xs, ys = [x for x, _ in points], [y for _, y in points]
    plot = Plot("p", Axis("x", 0, 1), Axis("y", -1, 1)).line(xs, ys).steps(xs, ys)
    for x, y in points:
        plot.dot(x, y, "said")
    page = document("p", [plot.figure("<caption>")])
    _, tags = read_page(page)
    finite = sum(math.isfinite(x) and math.isfinite(y) for x, y in points)
    assert tags.count("circle") == finite
    assert "nan" not in page
    assert "inf" not in page.split("</style>")[1]


def test_steps_have_at_each_point_its_height_and_since_the_one_before():
    plot = Plot("p", Axis("x", 0, 298), Axis("y", 0, 216)).steps([0, 100, 298], [216, 108, 0])
    assert 'points="52.0,24.0 52.0,24.0 52.0,132.0 152.0,132.0 152.0,240.0 350.0,240.0"' in (
        plot.figure("")
    )


def test_bars_begin_at_zero():
    assert 'x="40.0" width="120.0"' in bar(3, -1, 3)
    assert 'class="gone" x="0.0" width="40.0"' in bar(-1, -1, 3)
    assert bar(math.nan, 0, 1) == bar(1, 0, 0) == ""


def test_a_span_that_is_not_known_is_nothing():
    assert span(None, [None, None], (0, 1), 0.5) == ""
    assert 'cx="80.0"' in span(0.5, [0, 1], (0, 1), 0.5)
