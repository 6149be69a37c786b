"""Whole views over random schemas: bulk ≡ live ≡ requests ≡ the plainest model, bit for bit.

Live means a shard over a real store: blocks and single events, delivered twice now and then, the
process begun anew and the state swept in between. Chunks, slabs and tiles are as small as they can
be, so that observations become tiles at once.
"""

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from window_oracle import model, same_bits
from window_strategies import HARSH

import octavo as ov
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, TIMESTAMP
from octavo.stages.prep.folding import Group, late, open_state, past_of
from octavo.stages.prep.lanes import as_columns, lanes, observations, queries
from octavo.stages.prep.shard import Shard
from octavo.stores.state import StateStore, chunks, fresh, slabs
from octavo.windows import (
    Aggregate,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    evaluate,
    fold,
    tiles,
)

MICROSECONDS = st.integers(-12, 24)
NUMBERS = ["count", "sum", "mean", "min", "max", "var", "std", "first", "last", "lag1", "lag3",
           "since_first", "since_last", "n_unique", "top", "q50", "q5", "decayed_count",
           "decayed_sum", "decayed_mean"]  # fmt: skip
TEXTS = ["count", "first", "last", "lag1", "n_unique", "top", "since_last"]
TIMES = [*TEXTS, "min", "max"]
VALUES = {
    "f": (pl.Float64, st.sampled_from([*HARSH, float("nan")]) | st.floats(-1e6, 1e6), NUMBERS),
    "i": (pl.Int64, st.integers(-(2**53), 2**53) | st.integers(-2, 2), NUMBERS),
    "b": (pl.Boolean, st.booleans(), NUMBERS),
    "s": (pl.String, st.sampled_from(["", "a", "ä", "JFK", "a|b"]), TEXTS),
    "d": (TIMESTAMP, st.integers(-5, 5), TIMES),
}
KEYS = {pl.String: st.sampled_from(["x", "y", ""]), pl.Int64: st.sampled_from([0, -1, 2**62])}


@dataclass
class Case:
    """A view, and a log for it: rows with dataset, key, times and values."""

    view: ov.View
    windows: list[dict]
    events: pl.DataFrame


@st.composite
def windows(draw, datasets, resolutions):
    column = draw(st.sampled_from(sorted(VALUES)))
    resolution = draw(st.sampled_from(resolutions))
    steps = draw(st.lists(st.integers(1, 6), min_size=1, max_size=2, unique=True))
    over = [step * (resolution or 1) for step in steps]
    words = [w for w in VALUES[column][2] if resolution is None or not w.startswith("lag")]
    take = draw(st.lists(st.sampled_from(words), min_size=1, max_size=6, unique=True))
    decayed = any(each.startswith("decayed") for each in take)
    if resolution is None and not decayed and draw(st.booleans()):
        over = [None, *over]
    return {
        "dataset": draw(st.sampled_from(sorted(datasets))),
        "column": column,
        "over": over,
        "take": take,
        "delay": draw(st.sampled_from([0, 0, 1, 4])),
        "halflife": draw(st.integers(1, 9)) if decayed else None,
        "resolution": resolution,
        "positive": draw(st.booleans()),
        "current": draw(st.booleans()),
    }


def declared(dataset: ov.Dataset, number: int, spec: dict) -> ov.Window:
    def micro(n):
        return None if n is None else f"{n}us"

    return ov.Window(
        dataset,
        spec["column"],
        over=[micro(each) for each in spec["over"]],
        take=spec["take"],
        where=pl.col("w") > 0 if spec["positive"] else None,
        delay=micro(spec["delay"]),
        halflife=micro(spec["halflife"]),
        resolution=micro(spec["resolution"]),
        current=spec["current"],
        name=f"w{number}",
    )


@st.composite
def cases(draw, rounded=False):
    """Draw a view and a log; ``rounded``: most windows have a resolution, and much is observed."""
    resolutions = [2, 3, 5, None] if rounded else [None, None, 1, 2, 5]
    missing = st.nothing() if rounded else st.none()
    datasets = {
        name: ov.Dataset(name, offline=ov.Files(f"{name}.csv"), event_id="id", event_time="t")
        for name in ("r", "e")
    }
    specs = draw(st.lists(windows(datasets, resolutions), min_size=1, max_size=3))
    view = ov.View(
        "v",
        key="k",
        windows=[declared(datasets[s["dataset"]], n, s) for n, s in enumerate(specs)],
        late=f"{draw(st.integers(0, 9))}us",
    )
    key = draw(st.sampled_from([pl.String, pl.Int64]))
    operation = st.tuples(
        st.sampled_from(["r", "r", "e"]),
        missing | KEYS[key],
        MICROSECONDS,
        MICROSECONDS,
        st.sampled_from([1, 1, 0] if rounded else [None, 0, 1]),
        *(missing | values for _, values, _ in VALUES.values()),
    )
    least, most = (15, 30) if rounded else (0, 25)
    rows = draw(st.lists(operation, min_size=least, max_size=most))
    rows = sorted(rows, key=lambda row: row[3])
    schema = {"dataset": pl.String, "k": key, EVENT_TIME: pl.Int64, KNOWN_AT: pl.Int64}
    schema |= {"w": pl.Int64, **{name: dtype for name, (dtype, _, _) in VALUES.items()}}
    schema["d"] = pl.Int64
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index(POSITION)
    events = frame.with_columns(
        pl.col(POSITION).cast(pl.Int64),
        pl.col(EVENT_TIME, KNOWN_AT, "d").cast(TIMESTAMP),
        pl.col(POSITION).cast(pl.String).alias(EVENT_ID),
    )
    return Case(view, specs, events)


def of(frame: pl.DataFrame, dataset: str) -> pl.DataFrame:
    return frame.filter(pl.col("dataset") == dataset)


def in_bulk(case: Case, found) -> pl.DataFrame:
    rows = of(case.events, "r")
    asked, mask = queries(case.view, rows)
    columns = {}
    for lane in found:
        seen = observations(case.view, lane, of(case.events, lane.window.dataset.name))
        results = fold(seen.observations, asked, lane.plan, late(case.view))
        columns |= as_columns(lane, results, mask, seen.dictionary)
    return rows.select(POSITION).with_columns(columns.values())


def live(case: Case, found, data) -> pl.DataFrame:
    sizes = (
        (chunks, "CHUNK", 1, 3),
        (fresh, "MOST", 0, 20),
        (slabs, "MOST", 1, 900),
        (tiles, "SPARE", 0, 10**6),
    )
    with pytest.MonkeyPatch.context() as patch:
        for module, name, least, most in sizes:
            patch.setattr(module, name, data.draw(st.sampled_from([least, most]), label=name))
        return streamed(case, found, data)


def streamed(case: Case, found, data) -> pl.DataFrame:
    emitted, start, position = [], 0, 0
    single = data.draw(st.booleans(), label="single events")
    stored = {name: name for lane in found for name in lane.columns}
    with tempfile.TemporaryDirectory() as folder:

        def begun():
            store = open_state(Path(folder) / "state", case.view, found, "f")
            return Shard(Group(case.view, found, store), stored)

        shard = begun()
        while start < case.events.height:
            size = 1 if single else data.draw(st.integers(1, 9), label="block")
            block = case.events[start : start + size]
            piece = {"r": of(block, "r"), "e": of(block, "e")}, of(block, "r")
            position += data.draw(st.integers(1, 3), label="batches")
            shard.apply(*piece, position)
            emitted += drained(shard.group.store)
            if data.draw(st.booleans(), label="delivered again"):
                shard.apply(*piece, position)
                assert not drained(shard.group.store)
            assert shard.position == position
            start += size
            store = shard.group.store
            if data.draw(st.sampled_from([False, False, True]), label="swept"):
                store.sweep(store.place.known_at)
            if data.draw(st.sampled_from([False, False, True]), label="asked"):
                check_requests(case, found, store, case.events[:start], data)
            if data.draw(st.sampled_from([False, False, True]), label="restart"):
                shard = begun()
    return pl.concat(emitted) if emitted else of(case.events, "r").select(POSITION)


def drained(store: StateStore) -> list[pl.DataFrame]:
    with store.snapshot() as snapshot:
        blobs = dict(snapshot.outbox())
    store.drained(blobs)
    return [pl.read_ipc_stream(blob) for blob in blobs.values()]


def check_requests(case: Case, found, store: StateStore, events: pl.DataFrame, data) -> None:
    """Ask what is no part of the log, some with an event of their own: after all that is."""
    wait = data.draw(st.integers(0, 9), label="wait")
    for lane in found:
        seen = observations(case.view, lane, of(events, lane.window.dataset.name)).observations
        entities = st.sampled_from([*np.unique(seen.entity).tolist(), 77])
        values = st.sampled_from([*seen.value.tolist(), np.nan])
        requests = st.lists(st.tuples(entities, MICROSECONDS, values), min_size=1, max_size=4)
        entity, time, own = map(np.array, zip(*data.draw(requests, label="requests"), strict=True))
        entity = entity.astype(np.uint64)
        with store.snapshot() as snapshot:
            known_at = max(-12, snapshot.place.known_at) + wait
            past, older = past_of(snapshot, lane, entity, time)
        asked = (lane.plan, entity, time, known_at, late(case.view))
        answers = evaluate(past, *asked, own=own, tiles=older)
        for row, value in enumerate(own.tolist()):
            end = Queries(entity[row : row + 1], time[row : row + 1], [known_at], [2**62])
            log = seen
            if value == value:
                log = Observations.concatenate([seen, Observations(**end.arrays(), value=[value])])
            expected = model(log, end, lane.plan, late(case.view))
            assert same_bits(answers[row : row + 1], expected), "requests"


def plain_value(column: str, value) -> float | None:
    """What an observation of a value is, in the model's terms."""
    if value is None:
        return None
    if column == "s":
        bits = xxhash.xxh3_64_intdigest(value.encode()) & ~(1 << 62)
        return struct.unpack("<d", struct.pack("<Q", bits))[0]
    return float(value)


def modelled(case: Case) -> dict[str, list]:
    """Every feature, from rows of plain values."""
    micro = pl.col(EVENT_TIME, KNOWN_AT, "d").cast(pl.Int64)
    rows = case.events.with_columns(micro).to_dicts()
    keys = {key: number for number, key in enumerate({row["k"] for row in rows})}

    def arrays(chosen):
        names = (EVENT_TIME, KNOWN_AT, POSITION)
        entity = np.array([keys[row["k"]] for row in chosen], np.uint64)
        return [entity, *(np.array([row[n] for row in chosen], np.int64) for n in names)]

    asking = [row for row in rows if row["dataset"] == "r" and row["k"] is not None]
    answers: dict[str, list] = {}
    for spec, window in zip(case.windows, case.view.windows, strict=True):
        seen = []
        for row in rows:
            value = plain_value(spec["column"], row[spec["column"]])
            kept = not spec["positive"] or (row["w"] is not None and row["w"] > 0)
            known = row["k"] is not None and value is not None and value == value
            if row["dataset"] == spec["dataset"] and known and kept:
                seen.append((row, value))
        log = Observations(
            *arrays([row for row, _ in seen]), np.array([value for _, value in seen], float)
        )
        for feature in window.features("v"):
            span = Span(feature.over, feature.delay, feature.resolution)
            column = PlanColumn(span, Aggregate[feature.aggregate.upper()], feature.parameter)
            plan = LanePlan([column], spec["current"], spec["column"] == "s")
            found = model(log, Queries(*arrays(asking)), plan, late(case.view))[:, 0]
            by_row = dict(zip([row[POSITION] for row in asking], found, strict=True))
            answers[feature.name] = [
                by_row.get(row[POSITION], np.nan) for row in rows if row["dataset"] == "r"
            ]
    return answers


def as_floats(column: pl.Series) -> np.ndarray:
    if column.dtype == pl.String:
        values = [np.nan if each is None else plain_value("s", each) for each in column]
        return np.array(values, np.float64)
    if column.dtype == TIMESTAMP:
        column = column.cast(pl.Int64)
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def check(case: Case, data) -> None:
    found = lanes(case.view, dict.fromkeys(("r", "e"), case.events.schema))
    bulk, streamed, expected = in_bulk(case, found), live(case, found, data), modelled(case)
    assert bulk[POSITION].to_list() == streamed[POSITION].to_list()
    for name, values in expected.items():
        if not bulk.height:
            break
        assert same_bits(as_floats(bulk[name]), np.array(values)), f"bulk, {name}"
        assert same_bits(as_floats(streamed[name]), as_floats(bulk[name])), f"live, {name}"


@settings(deadline=None, max_examples=700)
@given(cases(), st.data())
def test_bulk_live_and_model_agree(case, data):
    check(case, data)


@settings(deadline=None, max_examples=250)
@given(cases(rounded=True), st.data())
def test_bulk_live_and_model_agree_on_rounded_windows(case, data):
    check(case, data)


@pytest.mark.slow
@settings(deadline=None, max_examples=10_000)
@given(cases() | cases(rounded=True), st.data())
def test_ten_thousand_views(case, data):
    check(case, data)
