from datetime import UTC, date, datetime

import polars as pl
import pytest

from octavo.errors import DataError
from octavo.services.requests import EventDecoder

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
    return decoder.frame(decoder.decode(text.encode(encoding)))


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
    ],
)
def test_what_does_not_fit_names_field_and_reason(body, says):
    with pytest.raises(DataError, match=says):
        frame(body, "latin-1")
