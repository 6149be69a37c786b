"""The features of one event without a frame are those of the frame, to the bit, or none."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octavo.errors import DataError
from octavo.project import load
from octavo.stages.prep import by_row
from octavo.stages.prep.by_row import RowFeatures
from octavo.stores.schemas import from_json

from .test_window_kinds import EDITS, PRODUCT, VIEWS

BUYER = 'ov.View("buyer", key="customer", '
EDITS = {
    **EDITS,
    PRODUCT: VIEWS.replace(BUYER, f'{BUYER}late="60d", '),
    '    checks=[ov.Check("amount is positive", pl.col("amount") > 0)],\n': """
    where=pl.col("channel") != "lost",
    columns={"half": pl.col("amount") / 2},
    treat=[ov.Null("amount", values=[-1.0])],
""",
    '    row=[pl.col("channel"),': """    row=[
        (pl.col("ordered_at") - pl.datetime(2024, 1, 1, time_zone="UTC")).alias("age"),
        pl.col("channel").str.len_bytes().alias("letters"),
        (pl.col("half") / 7).round(1).alias("left_to_polars"),
        pl.col("ordered_at").dt.convert_time_zone("America/New_York").dt.hour().alias("local"),
        pl.col("channel"),""",
    '            key="customer",\n            late="14d",\n            windows=[': """
            key="customer",
            late="30d",
            windows=[
                ov.Window(orders, "half", where=pl.col("channel") == "online", over=["1h", "9d"],
                          take=["sum", "std", "min"], name="online"),""",
}


@pytest.fixture(scope="module")
def prepped(tmp_path_factory, make_project, octavo):
    folder = make_project(tmp_path_factory.mktemp("rows") / "shop", orders=1200, edits=EDITS)
    done = octavo("run", folder, "--to", "prep", "--json")
    assert done.returncode == 0, done.stderr
    project = load(folder)
    features = project.features()
    schema = from_json(project.catalog.schemas()["orders"])
    wanted = list(project.definition.features)
    rows = pl.read_csv(folder / "data/orders.csv", try_parse_dates=True)
    return features, schema, RowFeatures(features, schema, wanted), rows.select(list(schema))


def frame_of(schema, events):
    return pl.DataFrame(events, schema=schema, orient="row")


def assert_as_of_a_frame(prepped, events):
    features, schema, by_rows, _ = prepped
    answer = by_rows.answer(events)
    assert answer is not None
    frame, positions = features.answer(frame_of(schema, events))
    told = answer.frame()
    assert told.schema == frame.select(told.columns).schema
    for name in told.columns:
        assert repr(told[name].to_list()) == repr(frame[name].to_list()), name
    assert answer.positions == positions
    assert answer.event_times == frame["_event_time"].to_list()
    return answer


def test_of_history(prepped):
    """A row of the data again: it is prepped, and asked for once more."""
    events = prepped[3].tail(250).rows()
    for event in events[:150]:
        assert_as_of_a_frame(prepped, [event])
    together = assert_as_of_a_frame(prepped, events)
    assert len(set(together.features)) > 200


now = datetime(2024, 2, 28, 12, tzinfo=UTC)
event = st.tuples(
    st.integers(1, 5000),
    st.timedeltas(timedelta(days=-9), timedelta(days=20)).map(lambda later: now + later),
    st.none() | st.sampled_from([f"c{n:02}" for n in range(50)] + ["nobody"]),
    st.none() | st.sampled_from([f"p{n:02}" for n in range(12)] + ["nothing"]),
    st.sampled_from(["online", "store", "a new one"]),
    st.none() | st.sampled_from([0.0, -0.0, -1.0, 1e300, float("inf")]) | st.floats(1, 300),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(event, min_size=1, max_size=3))
def test_of_events_that_are_made_up(prepped, events):
    assert_as_of_a_frame(prepped, events)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("ordered_at", None, "event time"),
        ("order_id", None, "event ID"),
        ("channel", "lost", "event time"),
        ("channel", None, "event time"),
        ("ordered_at", datetime(2024, 1, 3, tzinfo=UTC), "too long ago"),
    ],
)
def test_errors_are_left_to_the_frame(prepped, column, value, says):
    features, schema, by_rows, rows = prepped
    changed = dict(zip(schema, rows.row(-1), strict=True)) | {column: value}
    events = [tuple(changed.values())]
    assert by_rows.answer(events) is None
    with pytest.raises(DataError, match=says):
        features.answer(frame_of(schema, events))


def test_a_number_of_more_than_64_bits_is_left_to_the_frame(prepped):
    by_rows, (_, *others) = prepped[2], prepped[3].row(-1)
    assert by_rows.answer([(2**63, *others)]) is None


def test_what_is_compiled_wrongly_is_left_to_polars_and_told(prepped, caplog, monkeypatch):
    features, schema, _, rows = prepped
    by_rows = RowFeatures(features, schema, list(features.features))
    assert by_rows._row.left_to_polars == ["left_to_polars"]
    monkeypatch.setitem(by_rows._row._compiled, "letters", lambda row: 7)
    by_rows.check(rows.tail(5).rows())
    assert by_rows._row.left_to_polars == ["letters", "left_to_polars"]
    assert "letters" in caplog.text
    assert_as_of_a_frame((features, schema, by_rows, rows), rows.tail(3).rows())


def test_a_definition_that_rows_cannot_answer_is_left_to_frames(prepped, monkeypatch):
    features, schema, _, _ = prepped

    def refuse(*_):
        raise by_row.NotCompiledError("no")

    monkeypatch.setattr(by_row, "ViewRows", refuse)
    assert RowFeatures.over(features, schema, list(features.features)) is None
