"""A replay that is stopped anywhere and begun again sends each row once, under the same keys."""

import math
import sys
from pathlib import Path

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "services"))

from replaying import SECOND, Kept, Made, dataset, play, timeline

from octavo.services.targets import as_arrow

A, B = dataset("a"), dataset("b")
moments = st.lists(st.floats(-4000, 9000, width=32), min_size=1, max_size=40)
speeds = st.sampled_from([20.0, 7777.0, math.inf])


@settings(max_examples=60, deadline=None)
@given(moments, moments, speeds, st.lists(st.integers(1, 6), max_size=6), st.data())
def test_each_row_once_however_it_is_stopped(a, b, speed, stops, data):
    made, target, first = Made(a=a, b=b), Kept(), None
    for left in [*stops, None]:
        target.left, target.stopped = left, False
        played = play(timeline(made, A, B, first=first), target, speed=speed, stop=target)
        if played.is_complete:
            break
        if played.until is not None and data.draw(st.booleans()):
            first = played.until / SECOND
            if not any(round(at * SECOND) >= played.until for at in [*a, *b]):
                return  # nothing is left to be sent
    expected = [("a", n) for n in range(len(a))] + [("b", n) for n in range(len(b))]
    assert sorted(target.rows) == sorted(expected)


@given(st.lists(st.sampled_from([None, "", "a"]), min_size=1), st.integers(0, 9), st.integers(1, 9))
@example([None, None, "a", "b"], 0, 2)
def test_equal_rows_are_equal_bytes_whatever_lies_beside_them(texts, begin, rows):
    same = pl.when(pl.col("t").is_not_null()).then("t")
    parts = (texts, texts[begin:][:rows])
    within, alone = (pl.DataFrame({"t": t}, {"t": pl.String}).select(same) for t in parts)
    assert as_arrow(within[begin:][:rows]) == as_arrow(alone)
