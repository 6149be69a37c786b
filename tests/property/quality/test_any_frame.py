"""Whatever is in a frame: nothing breaks, rows are its own, a report is JSON and a page."""

import json
from datetime import UTC, datetime

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octavo.quality import Table, changes, examine, profile
from octavo.quality.page import page

EARLIEST, LATEST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001  hypothesis adds it
VALUES = {
    pl.Int64(): st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-999, 0, 1, 2400, 9999]),
    pl.Float64(): st.floats() | st.sampled_from([-999.0, 0.0, 1e308, -1e308, 12.5]),
    pl.Boolean(): st.booleans(),
    pl.Date(): st.dates(),
    pl.Datetime("us", "UTC"): st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)),
    pl.String(): st.text(max_size=8)
    | st.sampled_from(["12 kg", "1,5", "?", "unknown", "yes", "Y", "2024-02-30", "1/2/24", "007"]),
}
NAMES = ["a", "year", "hour", "dep_time", "dep_delay", "day", "month", 'x"y', "ü`{}", "lat", "id"]


@st.composite
def frames(draw) -> pl.DataFrame:
    rows = draw(st.integers(0, 12)) * draw(st.sampled_from([1, 1, 40]))
    columns = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6)):
        dtype = draw(st.sampled_from(list(VALUES)))
        few = draw(st.lists(st.none() | VALUES[dtype], min_size=1, max_size=12))
        columns[name] = pl.Series(name, [few[(i * 7) % len(few)] for i in range(rows)], dtype=dtype)
    return pl.DataFrame(columns)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(frame=frames(), other=frames())
def test_any_frame(frame, other):
    table = Table(frame)
    found = examine(table, others={"other": other})
    for each in found:
        assert set(each.columns) <= set(frame.columns)
        assert each.at.tolist() == sorted(set(each.at.tolist()) & set(range(frame.height)))
        assert each.sentence.endswith(".")
    columns = profile(table)
    found += changes(columns, frame.height, [profile(other)], [other.height], source="ov.Files")
    report = {
        "columns": columns,
        "findings": [each.document() for each in found],
        "noticed": [],
        "flagged": {},
        "treated": [],
    }
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert page(report, title="t", rows=frame.height).count("<html") == 1
