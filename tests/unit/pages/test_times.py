"""Pictures along time: what lasted, and what came, is where and as large as it was."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.standing import read_page

from octavo.pages.html import document
from octavo.pages.times import MINUTE, Stretch, columns, lanes

MOMENTS = st.integers(0, 4_000_000_000_000_000)


def test_a_stretch_is_where_it_was():
    page = lanes(
        [("a", [Stretch(0, 250, "good", "first")]), ("b", [Stretch(500, 1000, "pale", "")])]
    )
    assert 'class="good" x="0.0" width="250.0"' in page
    assert 'class="pale" x="500.0" width="500.0"' in page
    assert "<title>first</title>" in page


def test_what_is_too_short_is_seen_and_stays_within():
    page = lanes([("a", [Stretch(0, 10**9, "fill", ""), Stretch(10**9, 10**9, "fault", "")])])
    assert 'class="fault" x="997.0" width="3.0"' in page


def test_nothing_is_drawn_of_nothing():
    assert lanes([("a", [])]) == ""
    assert columns("rows", []) == ""
    assert columns("rows", [(0, 5.0), (10 * MINUTE, 5.0)]) == "", "two columns say nothing"
    assert columns("rows", [(n, 5.0) for n in range(60)]) == "", "all within a minute"


def test_columns_sum_up_what_came():
    page = columns("rows", [(0, 5), (1, 5), (30 * MINUTE, 20), (60 * MINUTE, 1)])
    assert "1970-01-01 00:00: 10" in page
    assert "1970-01-01 00:30: 20" in page
    assert "the highest column: <b>20</b>" in page


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(MOMENTS, st.floats(0, 1e9)), max_size=50), st.text())
def test_whatever_came_it_is_within_the_picture(points, name):
    page = document(
        "x",
        [columns(name, points), lanes([(name, [Stretch(a, a, "fill", name) for a, _ in points])])],
    )
    read_page(page)
    for x, width in re.findall(r' x="([\d.]+)"[^>]* width="([\d.]+)"', page):
        assert 0 <= float(x) <= float(x) + float(width) <= 1000.1
