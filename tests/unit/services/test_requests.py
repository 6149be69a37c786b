from datetime import UTC, date, datetime

import polars as pl
import pytest

from octavo.definition import Nested
from octavo.engines import LocalEngine
from octavo.errors import DataError
from octavo.services.requests import EventDecoder
from octavo.stages.ingestion.files import begin, whole

SCHEMA = {
    "when": pl.Datetime("us", "UTC"),
    "day": pl.Date,
    "n": pl.Int64,
    "x": pl.Float64,
    "ok": pl.Boolean,
    "class": pl.String,
}


def frame(text, encoding="utf-8"):
    decoder = EventDecoder(SCHEMA)
    return decoder.frame(decoder.decode(text.encode(encoding)).events)


def test_values_are_typed_as_the_raw_store_types_them():
    found = frame(
        '{"events": [{"when": "2024-03-10T02:30:00-05:00", "day": "2024-02-29", "n": -3, "x": 2,'
        ' "ok": true, "class": "é"}, {"when": "2024-01-01T00:00:00"}]}'
    )
    assert dict(found.schema) == SCHEMA
    assert found.row(0) == (
        datetime(2024, 3, 10, 7, 30, tzinfo=UTC), date(2024, 2, 29), -3, 2.0, True, "é",
    )  # fmt: skip
    assert found.row(1) == (datetime(2024, 1, 1, tzinfo=UTC), None, None, None, None, None)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"events": [{"n": 1.5}]}', r"\$\.events\[0\]\.n"),
        ('{"events": [{"n": true}]}', r"\$\.events\[0\]\.n"),
        ('{"events": [{}, {"x": "1"}]}', r"\$\.events\[1\]\.x"),
        ('{"events": [{"y": 1}]}', "unknown field `y`"),
        ('{"events": [{"day": "2024-02-30"}]}', "date"),
        ('{"event": []}', "events"),
        ('{"events": []}', "no event"),
        ('{"events": [{"class": "\\ud800"}]}', "."),
        ("\xff", "."),
        ('{"events": [{"n": 1}], "zzz": 3}', "unknown field `zzz`"),
        ('{"events": [{}, 5]}', r"\$\.events\[1\]"),
        ('{"events": [{"class": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}]}", "too deeply"),
    ],
)
def test_what_does_not_fit_names_field_and_reason(body, says):
    with pytest.raises(DataError, match=says):
        frame(body, "latin-1")


NESTED = {"id": pl.Int64, "who.city": pl.String, "tags": pl.String, "tags.length": pl.Int64}


@pytest.mark.parametrize(
    ("event", "row"),
    [
        ('{"id": 1, "who": {"city": "Rome"}, "tags": ["a", 2]}', (1, "Rome", '["a", 2]', 2)),
        ('{"id": 1, "who": null, "tags": []}', (1, None, "[]", 0)),
        ('{"id": 1, "who": {}}', (1, None, None, None)),
        ('{"id": 1, "who.city": "Rome", "tags.length": 3}', (1, "Rome", None, 3)),
    ],
)
def test_objects_and_lists_are_taken_as_in_files(tmp_path, event, row):
    decoder = EventDecoder(NESTED)
    found = decoder.frame(decoder.decode(f'{{"events": [{event}]}}'.encode()).events)
    assert found.row(0) == row
    path = tmp_path / "t.ndjson"
    path.write_text(event + "\n")
    parsed = whole(begin(path, where_label="x", engine=LocalEngine(), schema=NESTED))
    assert parsed.frame.drop("_row").equals(found)


def test_nested_events_that_do_not_fit_name_the_column():
    decoder = EventDecoder(NESTED, Nested(names={"who.town": "who.city"}))
    found = decoder.frame(decoder.decode(b'{"events": [{"who": {"town": "Oslo"}}]}').events)
    assert found["who.city"][0] == "Oslo"
    for event, said in (
        (b'{"who": {"age": 1}}', "unknown field `who.age`"),
        (b'{"who": {"city": 1}}', "Expected `str . null`"),
        (b'{"who": {"city": "x"}, "who.city": "y"}', "two values for the column 'who.city'"),
    ):
        with pytest.raises(DataError, match=said):
            decoder.decode(b'{"events": [' + event + b"]}")
