"""Durations: what is said is read back, and what cannot be read is refused."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from octavo.definition.durations import LONGEST, MICROSECONDS, microseconds, spoken, written
from octavo.errors import DefinitionError

lengths = st.one_of(
    st.integers(0, LONGEST),
    st.integers(0, 10_000).flatmap(
        lambda count: st.sampled_from(sorted(MICROSECONDS.values())).map(lambda unit: unit * count)
    ),
)


@given(lengths)
def test_what_is_spoken_is_read_back(length):
    assert microseconds(spoken(length), where="here") == length


@given(st.timedeltas(timedelta(0), timedelta(days=3_000_000)))
def test_a_timedelta_and_its_text_are_the_same(length):
    said = written(length, where="here")
    assert microseconds(said, where="here") == length // timedelta(microseconds=1)
    assert written(said, where="here") == said


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(list(MICROSECONDS))), min_size=1))
def test_parts_add_up(parts):
    text = "".join(f"{count}{unit}" for count, unit in parts)
    assert microseconds(text, where="here") == sum(n * MICROSECONDS[unit] for n, unit in parts)


@given(st.text(alphabet="0123456789usmhdw. -", max_size=8))
def test_any_text_is_a_duration_or_refused(text):
    try:
        length = microseconds(text, where="here")
    except DefinitionError as refused:
        assert refused.where == "here"  # noqa: PT017  both ways are right
    else:
        assert 0 <= length <= LONGEST
        assert microseconds(spoken(length), where="here") == length
