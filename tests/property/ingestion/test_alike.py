"""Values read all at once, where they are alike, are those that are read one by one."""

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import octavo as ov
from octavo.definition.needed import naming_columns
from octavo.engines import LocalEngine
from octavo.errors import DataError
from octavo.stages.ingestion import alike
from octavo.stages.ingestion.files import begin_of
from octavo.stages.ingestion.sent import Sent

QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENGINE = LocalEngine(workers=1)
UTC = pl.Datetime("us", "UTC")
TYPES = {"id": pl.Int64, "x": pl.Float64, "n": pl.Int64, "s": pl.String, "b": pl.Boolean, "t": UTC}
WHOLE = st.integers(-(2**70), 2**70) | st.integers(-9, 9)
NUMBERS = WHOLE.map(str) | st.floats().map(json.dumps) | st.just("-0") | st.just("1e400")
WORDS = st.text(max_size=5) | st.sampled_from(
    ["null", "NaN", "7", "2026-01-02T03:04:05Z", "{", "["]
)
TIMES = st.datetimes().map(lambda at: json.dumps(at.isoformat()))
ANY = NUMBERS | WORDS.map(json.dumps) | st.sampled_from(["true", "null", "[1]", '{"a": 1}', "1.0"])
KINDS = {
    "id": WHOLE.map(str),
    "x": NUMBERS,
    "n": WHOLE.map(str),
    "s": WORDS.map(json.dumps),
    "b": st.sampled_from(["true", "false"]),
    "t": TIMES,
    "new": ANY,
}


@st.composite
def rows_alike(draw):
    """Draw rows whose columns are of one kind, but for a value now and then."""
    columns = draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=5))
    kinds = {name: draw(st.sampled_from([KINDS[name], KINDS[name] | ANY])) for name in columns}
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        given_ = {name: draw(kind) for name, kind in kinds.items() if draw(st.integers(0, 9))}
        rows.append("{" + ", ".join(f'"{name}": {value}' for name, value in given_.items()) + "}")
    return [row.encode(errors="surrogatepass") for row in rows]


def read(rows, schema):
    """Return what is made of rows that were sent, or why nothing is."""
    dataset = ov.Dataset("events", online=ov.Stream(), event_id="id", event_time="t")
    pipeline = ov.Pipeline(
        problem=ov.Problem("?", target="y", kind="binary", metric="roc_auc", at_least=0.6),
        datasets=[dataset],
        rows=dataset,
        label=ov.Label("y", of=dataset, on="id", value=pl.col("x") > 1),
        row=[pl.col("x")],
    )
    reading = begin_of(
        dataset,
        Sent(rows, list(range(len(rows)))).opens("x"),
        engine=ENGINE,
        where_label="x",
        schema=schema,
        needed=None if schema is None else {},
        naming=naming_columns(pipeline, dataset),
    )
    try:
        while not reading.settled:
            pieces = list(reading.pieces())
    except DataError as error:
        return str(error)
    told = [finding.document() for finding in reading.noticed]
    return pl.concat([p.frame for p in pieces]), pl.concat([p.rejected for p in pieces]), told


@QUICK
@given(rows=rows_alike(), known=st.sampled_from([None, TYPES]))
@example(rows=[b'{"x": -0}'], known=TYPES)
@example(rows=[b'{"x": 9007199254740993}', b'{"x": 0.1}'], known=TYPES)
@example(rows=[b'{"s": "\xff"}', b'{"s": "a"}'], known=TYPES)
@example(rows=[b'{"s": "a"}, {"s": "b"}', b"null"], known=TYPES)
@example(rows=[b'{"n": 9223372036854775808}'], known=TYPES)
@example(rows=[b'{"a":' * 2000 + b"1" + b"}" * 2000, *[b"5"] * 1999], known=TYPES)
def test_what_is_alike_is_read_as_ever(monkeypatch, rows, known):

    found = read(rows, known)
    with monkeypatch.context() as patched:
        patched.setattr(alike, "objects", lambda *_: None)
        patched.setattr(alike, "values", lambda *_: None)
        expected = read(rows, known)
    if isinstance(expected, str):
        assert found == expected
        return
    assert_frame_equal(found[0], expected[0], check_exact=True)
    assert_frame_equal(found[1], expected[1])
    signs = [frame.select(pl.col(pl.Float64).pow(-1)) for frame in (found[0], expected[0])]
    assert signs[0].equals(signs[1])
    assert found[2] == expected[2]


@pytest.mark.parametrize(
    ("tokens", "dtype", "said"),
    [
        (["1", "null", "-2"], pl.Int64, [1, None, -2]),
        (["1", "0.5", None], pl.Float64, [1.0, 0.5, None]),
        (['"a,b"', '"\\u00e9"'], pl.String, ["a,b", "é"]),
        (["true", "false"], pl.Boolean, [True, False]),
        (["1", "1.0"], pl.Int64, None),
        (["9223372036854775808"], pl.Int64, None),
        (["-0", "1"], pl.Float64, None),
        (["1", '"1"'], pl.String, None),
    ],
)
def test_values_of_one_type(tokens, dtype, said):
    found = alike.values(pl.Series("v", tokens, pl.String), dtype)
    assert (None if found is None else found.to_list()) == said
