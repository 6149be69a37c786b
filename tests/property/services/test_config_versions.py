"""Two clients change settings in any order; a dictionary says what must hold after each step."""

import tempfile
from copy import deepcopy
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.errors import DataError
from octavo.services.config import ConfigService
from octavo.stores.catalog import Catalog

events = ov.Dataset("events", ov.Files("e.csv"), event_id="id", event_time="at")
PIPELINE = ov.Pipeline(
    problem=ov.Problem("Which?", "hit", "binary", "roc_auc", at_least=0.5),
    datasets=[events],
    rows=events,
    label=ov.Label("hit", events, pl.col("y"), "id"),
    row=[pl.col("x")],
)
SCOPES = ["default", "prod"]
values = st.dictionaries(
    st.sampled_from(["training.trials", "training.seed", "training.params.lightgbm.num_leaves"]),
    st.none() | st.integers(2, 5),
    max_size=3,
)
steps = st.lists(
    st.tuples(st.sampled_from(["patch", "put", "rollback"]), st.sampled_from(SCOPES), values)
    | st.tuples(st.just("stale"), st.sampled_from(SCOPES), values),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(steps, st.data())
def test_versions_are_what_was_done_one_after_the_other(steps, data):
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "catalog.db")
        clients = {scope: ConfigService(PIPELINE, catalog, scope) for scope in SCOPES}
        contents = [{}]
        for kind, scope, changed in steps:
            expected = deepcopy(contents[-1])
            if kind == "rollback":
                to = data.draw(st.integers(0, len(contents) - 1))
                expected = contents[to]
                made = clients[scope].rollback(to, if_version=len(contents) - 1)
            elif kind == "stale" and len(contents) > 1:
                try:
                    clients[scope].change(changed, if_version=len(contents) - 2)
                except DataError:
                    continue
                raise AssertionError("a change of an older version was taken")
            else:
                replace = kind == "put"
                before = {} if replace else expected.get(scope, {})
                after = {k: v for k, v in (before | changed).items() if v is not None}
                expected = {k: v for k, v in (expected | {scope: after}).items() if v}
                made = clients[scope].change(changed, replace=replace)
            if expected != contents[-1]:
                contents.append(expected)
            assert made == len(contents) - 1
        history = clients["default"].history()
        assert [row["content"] for row in reversed(history)] == contents[1:]
        over = contents[-1].get("default", {}) | contents[-1].get("prod", {})
        held = clients["prod"].held()
        assert {k: v for k, v in held.values.items() if k in over} == over
        assert all(held.origins[k] == "pipeline.py" for k in held.values.keys() - over.keys())
