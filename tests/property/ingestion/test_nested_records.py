"""Nested records in small blocks against a flattening of their own, and back to the record."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octavo.definition import Nested
from octavo.engines import LocalEngine
from octavo.stages.ingestion import json_lines, reading, records
from octavo.stages.ingestion.files import begin, whole

QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENGINE = LocalEngine(workers=2)
KEYS = st.sampled_from(["a", "b", "ä {", "c d"])
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "{", "[1]"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=25)


def leaves(value, path=""):
    """Give the values at the ends of all paths, but nulls: the oracle, over decoded JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}" if path else key)
    elif value is not None:
        yield path, value
        if isinstance(value, list):
            yield f"{path}/length", len(value)


def known(frame):
    """Return the values of each row that are not null."""
    for row in frame.sort("_row").drop("_row").to_dicts():
        yield {name: value for name, value in row.items() if value is not None}


def meant(text, value):
    """Say whether what was read means what was written; a mixed column is text."""
    if text == value and type(text) is type(value):
        return True
    if not isinstance(text, str) or isinstance(value, str):
        return False
    return json.dumps(json.loads(text)) == json.dumps(value)


@pytest.fixture
def small_blocks(monkeypatch):
    def set_size(size):
        for module in (records, json_lines):
            monkeypatch.setattr(module, "BLOCK", size)
        monkeypatch.setattr(reading, "HELD", 1)

    return set_size


def read(path, **options):
    return whole(begin(path, where_label="x", engine=ENGINE, **options))


@QUICK
@given(rows=RECORDS, size=st.integers(20, 300))
def test_every_value_is_at_its_path_and_none_is_lost(tmp_path, small_blocks, rows, size):
    path = tmp_path / "t.ndjson"
    path.write_text("".join(json.dumps({"id": i} | row) + "\n" for i, row in enumerate(rows)))
    small_blocks(size)
    parsed = read(path, nested=Nested(separator="/"))
    assert parsed.rejected.is_empty()
    for found, row in zip(known(parsed.frame), rows, strict=True):
        expected = dict(leaves(row))
        del found["id"]
        assert found.keys() == expected.keys()
        assert all(meant(found[key], value) for key, value in expected.items())


@QUICK
@given(rows=RECORDS, size=st.integers(20, 300))
def test_rows_of_a_list_are_its_elements(tmp_path, small_blocks, rows, size):
    path = tmp_path / "t.ndjson"
    lists = [row.get("a") if isinstance(row.get("a"), list) else [] for row in rows]
    lines = [{"id": i, "a": found} for i, found in enumerate([["one"], *lists])]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    small_blocks(size)
    parsed = read(path, nested=Nested(rows="a", separator="/"))
    expected = [(i, e) for i, row in enumerate(lines) for e in row["a"] or [None]]
    found = list(known(parsed.frame))
    assert [row.pop("id") for row in found] == [i for i, _ in expected]
    assert parsed.frame["_row"].to_list() == list(range(len(expected)))
    for row, (_, element) in zip(found, expected, strict=True):
        flat = dict(leaves(element, "a"))
        flat.pop("a/length", None)  # a list in the list of rows is what it is
        assert row.keys() == flat.keys()
        assert all(meant(row[key], value) for key, value in flat.items())
