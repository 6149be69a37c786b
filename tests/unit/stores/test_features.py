"""What is read of feature tables, and what is left of a prep that was killed."""

import numpy as np
import polars as pl
import pytest

import octavo as ov
from octavo.definition.events import TIMESTAMP
from octavo.stores.features import STAMPS, FeatureStore, at_position
from octavo.stores.home import Home

FILES, ROWS = 5, 1_000
"""Files of a table, one for each prep, and rows in each."""


def rows(number: int) -> pl.DataFrame:
    position = np.arange(ROWS) + (number << 32)
    stamps = {"_event_id": position.astype(str), "_position": position}
    moment = pl.Series(position).cast(TIMESTAMP)
    frame = pl.DataFrame(stamps).with_columns(_event_time=moment, _known_at=moment)
    return frame.select(*STAMPS, x=pl.col("_position") * 0.5)


@pytest.fixture
def pipeline():
    readings = ov.Dataset("readings", ov.Files("readings.csv"), event_time="at", event_id="id")
    return ov.Pipeline(
        ov.Problem("Which are odd?", target="y", kind="binary", metric="roc_auc", at_least=0.6),
        datasets=[readings],
        rows=readings,
        label=ov.Label("y", of=readings, value=pl.col("y")),
        row=[pl.col("x")],
    )


@pytest.fixture
def store(tmp_path):
    store = FeatureStore(Home(tmp_path))
    for number in range(FILES):
        store.append("rows", "g", at_position(rows(number), number), number)
    return store


def version(pipeline):
    group = {"group": "g", "columns": {"x": "x"}, "preps": list(range(FILES))}
    groups = {"rows": [group]}
    return {"features": {"x": ""}, "groups": groups, "withdrawn": {}, "position": FILES}


def read(store, pipeline, places):
    positions = pl.Series(pl.concat(map(rows, range(FILES)))["_position"][places])
    return store.assembled(pipeline, version(pipeline), None, positions)


def test_rows_are_read_by_their_positions(store, pipeline):
    every = store.assembled(pipeline, version(pipeline))
    assert every.height == FILES * ROWS
    for places in ([], [0], [7, 1_900], [ROWS * FILES - 1], list(range(0, 5_000, 700))):
        assert read(store, pipeline, places).equals(every[places])


def test_of_files_without_a_wanted_row_nothing_is_read(store, pipeline):
    table, wanted = store.home.features("rows", "g"), [2 * ROWS + 3, 2 * ROWS + 5]
    expected = read(store, pipeline, wanted)
    for file in table.glob("*.parquet"):
        if pl.read_parquet(file)["_prep"][0] != 2:
            file.write_bytes(b"damaged")
    assert read(store, pipeline, wanted).equals(expected)
    for file in table.glob("*.parquet"):
        file.write_bytes(b"damaged")
    none = read(store, pipeline, [])
    assert none.schema == expected.schema
    assert none.is_empty()


def test_what_a_killed_prep_left_goes_with_the_next_one(store):
    killed = []

    def begin(number):
        killed.append(store.receive())
        staged = killed[-1].__enter__()  # and never left
        staged.add(at_position(rows(number), number))
        staged.files()

    begin(7)
    incoming = store.home.path / "incoming"
    assert len(list(incoming.glob("*/*.parquet"))) == 1
    begin(8)  # of another group: the position is in its name
    assert len(list(incoming.glob("*/*.parquet"))) == 1
    with store.receive() as staged:
        staged.add(at_position(rows(9), 9))
        store.append("rows", "g", staged, 9)
    assert not list(incoming.iterdir())
