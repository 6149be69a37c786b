"""Predictions from `Logged.add` to the table: what was given, once; what is left out is counted."""

import contextlib
import datetime
import itertools
import json
import threading
import time

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.services.collecting import Collecting
from octavo.services.inference_log import InferenceLog
from octavo.services.log_settings import LogSettings
from octavo.services.prediction_records import Answered, Context, packed, unpacked
from octavo.stores.home import Home
from octavo.stores.predictions import SCHEMA, PredictionStore
from octavo.streams import Block, open_stream
from octavo.streams.journal import _framed

MIXED = {
    "amount": pl.Float64(),
    "count": pl.UInt32(),
    "channel": pl.String(),
    "open": pl.Boolean(),
    "day": pl.Date(),
    "at": pl.Datetime("us", "UTC"),
}
FLOATS = {"a": pl.Float64(), "b": pl.Float64()}
KEY = {"customer": pl.String(), "shop": pl.Int64()}


def context(schema, **more):
    told = {"outputs": ["late"], "decision": "late_yes", "entities": KEY}
    return Context("deployment-1", "abc", "champion", "http", schema, **(told | more))


def answered(features, outputs, **more):
    rows = len(outputs)
    told = {
        "event_ids": [f"e{i}" for i in range(rows)],
        "event_times": [1_700_000_000_000_000 + i for i in range(rows)],
        "entities": [(f"c{i}", i) for i in range(rows)],
        "positions": {"customer": (5, 7)},
        "at": 1_700_000_000_000_000,
        "decisions": [False] * rows,
    }
    return Answered(features=features, outputs=np.array(outputs), **(told | more))


class Place:
    """A home with its stream."""

    def __init__(self, path):
        self.home, self.told = Home(path), []
        self.stream = open_stream("sqlite:", self.home.streams)

    def log(self, **given):
        return InferenceLog(self.home, self.stream, LogSettings(**given), self.told.append)

    def collected(self):
        Collecting(self.home, self.stream, self.told.append).finish()
        return PredictionStore(self.home).scan().sort("prediction_id").collect()


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.stream.close()


def test_of_no_row_there_is_no_record(place):
    log = place.log()
    for rows in (0, 2, 0):
        log.of(context(FLOATS)).write(answered(np.zeros((rows, 2)), [0.5] * rows))
    log.close()
    assert place.collected().height == 2
    assert place.told == []


def test_a_record_holds_what_was_given(place):
    log = place.log()
    day, at = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, tzinfo=datetime.UTC)
    features = [(0.1, 3, "wéb", True, day, at), (None,) * 6]
    log.of(context(MIXED)).add(
        ["e1", None],
        [1_709_168_520_000_000, 1],
        np.array([0.25, 0.75]),
        features,
        [("c1", 7), ("c2", None)],
        {"customer": (12, 34)},
        at=1_700_000_000_000_000,
        latency_us=180,
        parts=(20, 100, 30),
        decisions=[False, True],
        flags=[["out_of_range"], None],
    )
    log.close()
    first, second = place.collected().to_dicts()
    assert list(first) == list(SCHEMA)
    assert json.loads(first["features"]) == {
        "amount": 0.1,
        "count": 3,
        "channel": "wéb",
        "open": True,
        "day": "2024-02-29",
        "at": json.loads(pl.Series([at], dtype=MIXED["at"]).to_frame("x").write_json())[0]["x"],
    }
    assert json.loads(second["features"]) == dict.fromkeys(MIXED)
    assert [json.loads(each["entities"]) for each in (first, second)] == [
        {"customer": "c1", "shop": 7},
        {"customer": "c2", "shop": None},
    ]
    assert json.loads(first["positions"]) == {"customer": [12, 34]}
    assert json.loads(second["outputs"]) == {"late": 0.75, "late_yes": True}
    assert (first["prediction"], first["_event_id"], second["_event_id"]) == (0.25, "e1", None)
    assert (first["flags"], second["flags"]) == ('["out_of_range"]', None)
    assert (first["latency_us"], first["decode_us"]) == (180, 20)
    assert (first["features_us"], first["model_us"]) == (100, 30)
    assert first["_event_time"] == at
    assert first["at"].timestamp() == 1_700_000_000
    assert {first[each] for each in ("deployment_id", "candidate_id", "variant", "origin")} == {
        "deployment-1", "abc", "champion", "http",
    }  # fmt: skip
    assert first["prediction_id"].removesuffix(":0") == second["prediction_id"].removesuffix(":1")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.none() | st.floats(),
                st.none() | st.integers(0, 2**32 - 1),
                st.none() | st.text(),
                st.none() | st.booleans(),
                st.none() | st.dates(),
                st.none()
                | st.datetimes(datetime.datetime(1900, 1, 1)).map(  # noqa: DTZ001
                    lambda t: t.replace(tzinfo=datetime.UTC)
                ),
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_features_are_the_texts_of_their_frame(calls):
    """The oracle is what `octavo.services.verifying` compares with: JSON as Polars makes it."""
    one = context(MIXED)
    records = [
        packed("w", number, one.mark, answered(rows, [0.5] * len(rows)))
        for number, rows in enumerate(calls)
    ]
    found = unpacked(records, {one.mark: one})
    rows = list(itertools.chain(*calls))
    frame = pl.DataFrame(rows, schema=MIXED, orient="row")
    assert found["features"].to_list() == frame.to_struct().struct.json_encode().to_list()
    assert found["prediction_id"].to_list() == [
        f"w-{number:x}:{row}" for number, rows in enumerate(calls) for row in range(len(rows))
    ]


def test_an_array_of_floats_is_logged_as_rows_are(place):
    one, log = context(FLOATS), place.log()
    matrix = np.array([[0.1, np.nan], [1e300, -0.0]])
    told = answered(matrix, [0.5, 0.6])._asdict()
    log.of(one).add(**told)
    log.of(one).add(**(told | {"features": [(0.1, None), (1e300, -0.0)]}))
    log.close()
    found = place.collected()
    assert found["features"].to_list() == ['{"a":0.1,"b":null}', '{"a":1e+300,"b":-0.0}'] * 2


def test_chances_of_classes(place):
    one, log = context(FLOATS, outputs=["x", "y", "z"], decision=None), place.log()
    chances = [[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]]
    log.of(one).add(**answered(np.zeros((2, 2)), chances, decisions=None)._asdict())
    log.close()
    found = place.collected()
    assert found["prediction"].to_list() == [0.5, 0.7]
    assert json.loads(found["outputs"][1]) == {"x": 0.7, "y": 0.2, "z": 0.1}


def test_values_of_another_type_are_kept_as_they_are(place):
    log = place.log()
    log.of(context(FLOATS)).add(**answered([("much", 1.0), (2.0, 3.0)], [0.5, 0.5])._asdict())
    log.close()
    found = place.collected()["features"].to_list()
    assert [json.loads(each) for each in found] == [{"a": "much", "b": 1.0}, {"a": 2.0, "b": 3.0}]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_requests_is_logged_with_features(place, share):
    log = place.log(features=share)
    logged = log.of(context(FLOATS))
    for _ in range(200):
        logged.add(**answered(np.zeros((2, 2)), [0.1, 0.2])._asdict())
    log.close()
    found = place.collected()
    assert found.height == log.logged == 400
    kept = found["features"].is_not_null().sum()
    assert abs(kept - 400 * share) <= 4
    assert log.without_features == ({"sampled": 400 - kept} if kept < 400 else {})
    assert found["outputs"].null_count() == 0


def test_what_is_too_large_is_logged_without_its_features(place):
    log = place.log(largest=200)
    wide = {f"f{i}": pl.Float64() for i in range(30)}
    log.of(context(wide)).add(**answered(np.zeros((2, 30)), [0.1, 0.2])._asdict())
    texts = context({"text": pl.String()})
    log.of(texts).add(**answered([("x" * 300,), ("short",)], [0.1, 0.2])._asdict())
    log.close()
    found = place.collected()
    assert found["features"].to_list() == [None, None, None, '{"text":"short"}']
    assert found["entities"].is_null().to_list() == [False, False, True, False]
    assert log.without_features == {"too_large": 3}
    assert (log.logged, log.not_logged) == (4, {})


@pytest.mark.parametrize("features", [np.zeros((9, 2)), [(0.0, 1.0)] * 9])
def test_many_small_rows_are_packed_once(place, monkeypatch, features):
    log, sizes = place.log(largest=200), []

    def counted(*told):
        sizes.append(len(packed(*told)))
        return packed(*told)

    monkeypatch.setattr("octavo.services.inference_log.packed", counted)
    log.of(context(FLOATS)).write(answered(features, [0.1] * 9))
    log.close()
    assert len(sizes) == 1
    assert sizes[0] > 200
    assert place.collected()["features"].null_count() == 0


def test_many_rows_are_packed_in_parts(place, monkeypatch):
    monkeypatch.setattr("octavo.services.inference_log.FRAME", 1000)
    log = place.log()
    values = np.arange(200.0).reshape(100, 2)
    log.of(context(FLOATS)).add(**answered(values, values[:, 0])._asdict())
    log.close()
    found = place.collected().sort("_event_time")
    assert found["prediction_id"].is_unique().all()
    assert found["prediction"].to_list() == values[:, 0].tolist()
    assert json.loads(found["features"][99]) == {"a": 198.0, "b": 199.0}


def test_threads_share_it(place):
    log = place.log()
    logged = log.of(context(FLOATS))

    def work(n):
        for _ in range(100):
            logged.add(**answered(np.zeros((1, 2)), [float(n)])._asdict())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    log.close()
    found = place.collected()
    assert found["prediction_id"].n_unique() == found.height == log.logged == 400
    assert found["prediction"].value_counts()["count"].to_list() == [100] * 4


def test_an_answer_that_outlives_power_waits_for_the_stream(place):
    log = place.log(outlives="power")
    sent = log.of(context(FLOATS)).add(**answered(np.zeros((1, 2)), [0.5])._asdict())
    sent.result(10)
    assert place.stream.extents("predictions")[0].end == 1
    log.close()


def test_two_that_collect_write_each_prediction_once(place):
    log = place.log()
    log.of(context(FLOATS)).add(**answered(np.zeros((3, 2)), [0.1, 0.2, 0.3])._asdict())
    log.close()
    store, records = PredictionStore(place.home), place.stream.read("predictions", {0: 0})
    rows = pl.DataFrame({"prediction_id": ["x"]})
    assert place.collected().height == 3
    assert not store.collect(rows, partition=0, begin=None, end=records[-1].end + 5)
    assert not store.collect(rows, partition=0, begin=1, end=records[-1].end + 5)
    assert store.collect(rows, partition=0, begin=records[-1].end, end=records[-1].end + 5)
    assert store.collected(0) == records[-1].end + 5


def test_what_comes_while_it_looks_is_left_to_the_next_look(place, monkeypatch):
    """Else it would never end where there is always something."""
    log, collect = place.log(), PredictionStore.collect

    def append():
        log.of(context(FLOATS)).add(**answered(np.zeros((1, 2)), [0.1])._asdict())
        log._journal._send()

    def meanwhile(*told, **more):
        append()
        return collect(*told, **more)

    append()
    monkeypatch.setattr(PredictionStore, "collect", meanwhile)
    collecting = Collecting(place.home, place.stream, place.told.append)
    for rows in (1, 2):
        assert collecting.turn()
        assert PredictionStore(place.home).scan().collect().height == rows
    collecting.close()
    log.close()


def test_killed_before_the_offset_is_committed_it_is_later(place, monkeypatch):
    log = place.log()
    log.of(context(FLOATS)).add(**answered(np.zeros((3, 2)), [0.1, 0.2, 0.3])._asdict())
    log.close()
    collecting = Collecting(place.home, place.stream, place.told.append)

    def killed(offsets):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(collecting._member, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            collecting.turn()
    assert place.stream.lags("predictions") == {"collectors": [3]}
    assert not collecting.turn()
    assert place.stream.lags("predictions") == {"collectors": [0]}
    collecting.close()
    assert place.collected().height == 3


def test_who_has_not_written_the_rows_commits_no_offset(place, monkeypatch):
    log = place.log()
    log.of(context(FLOATS)).add(**answered(np.zeros((1, 2)), [0.1])._asdict())
    log.close()
    collecting = Collecting(place.home, place.stream, place.told.append)
    with monkeypatch.context() as patch:
        patch.setattr(PredictionStore, "collect", lambda *_, **__: False)
        assert not collecting.turn()
    assert place.stream.lags("predictions") == {"collectors": [1]}
    collecting.close()


def test_a_block_that_cannot_be_read_is_put_aside(place):
    """Else it would be in the way of all that come after it, for ever."""
    log = place.log()
    logged, alien = log.of(context(FLOATS)), _framed(1, msgspec.msgpack.encode({"of": "tomorrow"}))
    for number in range(3):
        logged.add(**answered(np.zeros((1, 2)), [float(number)])._asdict())
        log._journal._send()
        if number == 1:
            place.stream.append("predictions", [Block(rows=1, data=alien, key="alien")])
    log.close()
    assert place.collected()["prediction"].to_list() == [0.0, 1.0, 2.0]
    assert place.stream.lags("predictions") == {"collectors": [0]}
    (aside,) = place.home.unread.iterdir()
    assert aside.read_bytes() == alien
    (told,) = place.told
    assert "1 cannot be read (ValidationError(" in told
    assert str(aside) in told


def test_what_cannot_be_put_aside_stays_in_the_stream(place):
    place.log().close()
    place.stream.append("predictions", [Block(rows=1, data=_framed(1, b"alien"), key="alien")])
    place.home.unread.write_text("in the way")
    assert place.collected().height == 0
    assert place.stream.lags("predictions") == {"collectors": [1]}
    place.home.unread.unlink()
    place.collected()
    assert place.stream.lags("predictions") == {"collectors": [0]}


def test_a_stream_that_was_replaced_is_told(place, tmp_path):
    PredictionStore(place.home).collect(
        pl.DataFrame({"prediction_id": ["x"]}), partition=0, begin=None, end=100
    )
    with pytest.raises(DataError, match="the log is another one"):
        Collecting(place.home, place.stream, place.told.append).turn()


def test_a_table_of_before_is_read_and_written(place):
    old = [name for name in SCHEMA if name not in ("decode_us", "features_us", "model_us", "flags")]
    store = PredictionStore(place.home)
    row = pl.DataFrame(
        {"prediction_id": ["old"], "deployment_id": ["d"], "origin": ["http"]},
    ).match_to_schema({name: SCHEMA[name] for name in old}, missing_columns="insert")
    store.log.append(row, app_id="before", version=1)
    assert store.scan().collect().schema == pl.Schema(SCHEMA)
    log = place.log()
    log.of(context(FLOATS)).add(**answered(np.zeros((1, 2)), [0.1], parts=(1, 2, 3))._asdict())
    log.close()
    assert place.collected()["model_us"].to_list() == [3, None]


def test_a_full_disk_is_counted_and_told(place, monkeypatch):
    log = place.log()
    logged = log.of(context(FLOATS))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("octavo.streams.journal.os.write", full)
        assert logged.add(**answered(np.zeros((2, 2)), [0.1, 0.2])._asdict()) is None
    assert (log.logged, log.not_logged) == (0, {"disk": 2})
    assert "not logged" in place.told.pop()
    logged.add(**answered(np.zeros((1, 2)), [0.3])._asdict())
    log.close()
    assert place.collected()["prediction"].to_list() == [0.3]


def test_a_disk_that_is_really_full(tmp_path, small_disk):
    """What was logged before and after is in the table; the others are counted, and answered."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        place = Place(disk / "home")
        log = place.log()
        logged = log.of(context(FLOATS))
        for number in range(100):
            logged.add(**answered(np.zeros((1, 2)), [float(number)])._asdict())
        with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1000))
        number = 100
        while log.not_logged["disk"] < 50:
            assert logged.add(**answered(np.zeros((1, 2)), [float(number)])._asdict()) is None
            number += 1
        time.sleep(0.3)
        (disk / "ballast").unlink()
        for last in range(number, number + 100):
            logged.add(**answered(np.zeros((1, 2)), [float(last)])._asdict())
        log.close()
        found = place.collected()
        place.stream.close()
    assert found.height == log.logged == found["prediction"].n_unique()
    assert log.logged + log.not_logged.total() == number + 100
    assert set(map(float, [*range(100), *range(number, number + 100)])) <= set(found["prediction"])
    assert any("disk is full" in text for text in place.told)


def test_an_answer_that_must_outlive_power_fails_on_a_full_disk(place, monkeypatch):
    log = place.log(outlives="power")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("octavo.streams.journal.os.write", full)
        sent = log.of(context(FLOATS)).add(**answered(np.zeros((1, 2)), [0.1])._asdict())
    with pytest.raises(ResourceError, match="disk is full"):
        sent.result(10)
    log.close()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("log_features", "1.5"),
        ("log_features", "all"),
        ("log_features", "nan"),
        ("log_largest", "-1"),
        ("log_largest", "inf"),
        ("log_outlives", "fire"),
    ],
)
def test_settings_out_of_range_are_refused(key, text):
    with pytest.raises(DefinitionError, match=key):
        LogSettings.of({key: text})


def test_settings():
    assert LogSettings.of({}) == LogSettings()
    given = {"log_features": "0.01", "log_largest": "1e6", "log_outlives": "power"}
    assert LogSettings.of(given) == LogSettings(0.01, 1_000_000, "power")
