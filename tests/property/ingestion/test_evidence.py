"""A column in parts against the same column as a whole."""

from functools import reduce
from operator import add

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.types import NULL_TOKENS, TIME, Column, cast, examine, infer, take

CELLS = st.one_of(
    st.text(st.sampled_from("0123456789-+./:eETZ nainf"), max_size=12),
    st.sampled_from([*NULL_TOKENS, "true", "False", "007", "-00", "1e400", "3.0", " 4", "abc"]),
    st.sampled_from(["13/01/2020", "01/13/2020", "01/02/2020", "05/05/2020", "13/01/2020 9:00"]),
    st.sampled_from(["99/99/2020 12:00", "3.4.2020", "9223372036854775808", "+2020-01-01"]),
    st.integers(-10, 10).map(str),
    st.floats(allow_nan=False).map(repr),
    st.dates().map(str),
    st.datetimes().map(str),
)
FEW = st.lists(CELLS, max_size=4)
TYPES = [pl.Int64(), pl.Float64(), pl.Boolean(), pl.Date(), TIME, pl.String()]


@st.composite
def columns(draw):
    """Return a column, mostly of few different values, and the parts it is cut into."""
    values = draw(FEW) * draw(st.sampled_from([1, 40])) + draw(FEW)
    values = draw(st.permutations(values)) if len(values) < 20 else values
    text = pl.Series("x", [None if draw(st.integers(0, 9)) == 9 else v for v in values], pl.String)
    cuts = sorted(draw(st.lists(st.integers(0, len(values)), max_size=3)))
    return text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True)]


def of(parts):
    return reduce(add, parts, Evidence())


@settings(max_examples=50, deadline=None)
@given(columns())
def test_what_parts_say_is_what_the_whole_says(column):
    text, parts = column
    assert of(map(examine, parts)) == examine(text)


@settings(max_examples=40, deadline=None)
@given(columns())
def test_parts_are_read_as_the_whole(column):
    text, parts = column
    seen = examine(text)
    expected = infer(text)
    thought = Column("x", expected.values.dtype, seen.order, is_open=True)
    read = [take(part, thought)[0] for part in parts]
    values = pl.concat([part.values for part in read])
    assert values.equals(expected.values, check_dtypes=True, check_names=True)
    assert pl.concat([part.bad for part in read]).equals(expected.bad)


@settings(max_examples=40, deadline=None)
@given(columns(), st.sampled_from(TYPES), st.sampled_from(["day_first", "month_first", "neither"]))
def test_whatever_is_thought_the_whole_decides_the_same(column, dtype, order):
    text, parts = column
    thought = Column("x", dtype, order, is_open=True)
    read, said = zip(*(take(part, thought) for part in parts), strict=True)
    found = of(said)
    if isinstance(dtype, pl.Float64):  # is thought only where a fraction has been seen
        found += Evidence(beyond=1, fractions=1)
        assert found.dtype() == (examine(text) + Evidence(beyond=1, fractions=1)).dtype()
    else:
        assert found.dtype() == examine(text).dtype()
    assert found.order == examine(text).order
    known = cast(text, dtype, order=order)
    assert pl.concat([part.values for part in read]).equals(known.values)
    assert pl.concat([part.bad for part in read]).equals(known.bad)


@settings(max_examples=40, deadline=None)
@given(columns(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_looking_at_some_parts_only_is_never_wrong(column, looks):
    text, parts = column
    thought = Column("x", pl.String(), is_open=True)
    pairs = zip(parts, looks, strict=False)
    decided = of(take(part, thought, look=look)[1] for part, look in pairs).dtype()
    assert decided is None or decided == examine(text).dtype()


def test_a_look_at_one_text_in_many_is_enough():
    thought = Column("x", pl.String(), is_open=True)
    text = pl.Series("x", ["a word"] * 50)
    said = [take(text, thought, look=not number)[1] for number in range(examine(text).every)]
    assert len(said) > 20
    assert of(said).dtype() == pl.String
    assert of(said * 5).dtype() == pl.String
    assert of([said[0]] + said[1:] * 5).dtype() is None, "too few were looked at"
