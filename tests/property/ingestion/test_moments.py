"""Times as other languages write them are the moments that they mean, however a column is read."""

import datetime as dt

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from octavo.stages.ingestion.moments import read_moments

OTHER = "31.12.2013 5:05 PM"  # beside it, each text is taken apart
FIRST = dt.datetime(1, 1, 3, tzinfo=dt.UTC)
zones = st.integers(-14 * 60, 14 * 60).map(lambda n: dt.timezone(dt.timedelta(minutes=n)))
moments = st.builds(
    lambda days, rest, zone: (FIRST + dt.timedelta(days=days, microseconds=rest)).astimezone(zone),
    st.integers(0, 3_652_050),
    st.integers(0, 86_399_999_999),
    zones,
)


def javascript(moment):
    """Return what ``Date.toISOString`` does: milliseconds, in UTC."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


@given(
    st.lists(moments, min_size=1, max_size=8), st.sampled_from([dt.datetime.isoformat, javascript])
)
def test_iso_8601_as_python_and_javascript_write_it(times, written):
    texts = [written(time) for time in times]
    expected = [dt.datetime.fromisoformat(text).astimezone(dt.UTC) for text in texts]
    assert read_moments(pl.Series(texts)).when.to_list() == expected
    assert read_moments(pl.Series([*texts, OTHER])).when.to_list()[:-1] == expected


@given(
    st.from_regex(
        r"\A2024-0[1-3]-(29|3[01])T[0-2]\d:[0-6]\d:[0-6]\d(\.\d{0,9})?([+-]\d\d:\d\d|Z)\Z"
    )
)
def test_what_is_no_moment_in_one_way_is_none_in_the_other(text):
    alone, beside = (read_moments(pl.Series(each)).when[0] for each in ([text], [text, OTHER]))
    assert alone == beside
