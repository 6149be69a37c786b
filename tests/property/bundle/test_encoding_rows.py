"""A row is encoded to the same bits alone and among others, whatever it holds."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.bundle import ENCODERS, Encoder
from octavo.definition import Ngrams

SCHEMA = {
    "real": pl.Float64,
    "whole": pl.Int64,
    "flag": pl.Boolean,
    "word": pl.String,
    "wait": pl.Duration("us"),
}
WORDS = st.sampled_from(["", "a", "b", "ä", "<other>", "A"])
ROW = st.tuples(
    st.none() | st.floats(),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | WORDS | st.text(max_size=3),
    st.none() | st.timedeltas(dt.timedelta(days=-9999), dt.timedelta(days=9999)),
)


def frame(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.mark.parametrize("flavour", sorted(ENCODERS))
@given(train=st.lists(ROW, max_size=12), rows=st.lists(ROW, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_frame_against_row_by_row(flavour, train, rows):
    encoder = ENCODERS[flavour].fit(frame(train))
    new = frame(rows)
    whole = encoder.transform(new)
    single = [encoder.transform(new[i : i + 1]) for i in range(new.height)]
    assert whole.tobytes() == np.concatenate(single).tobytes()
    assert Encoder.from_dict(encoder.to_dict()).transform(new).tobytes() == whole.tobytes()
    assert whole.shape == (new.height, len(encoder.names))


@given(train=st.lists(ROW, max_size=12), rows=st.lists(ROW, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_linear_encoding_is_finite_and_ordinal_codes_come_back(train, rows):
    train, new = frame(train), frame(rows)
    assert np.isfinite(ENCODERS["linear"].fit(train).transform(new)).all()
    counts = train["word"].drop_nulls().value_counts().rows()
    order = [word for word, _ in sorted(counts, key=lambda pair: (-pair[1], pair[0]))]
    codes = ENCODERS["ordinal"].fit(train).transform(new)[:, 3]
    for word, code in zip(new["word"].to_list(), codes.tolist(), strict=True):
        assert (word not in order and np.isnan(code)) or order[int(code)] == word


PROSE = st.none() | st.text(max_size=30) | st.lists(WORDS, max_size=9).map(" ".join)
NGRAMS = st.builds(
    Ngrams,
    of=st.sampled_from(["words", "letters"]),
    lengths=st.sampled_from([1, (1, 2), (2, 5)]),
    limit=st.integers(1, 12),
    hashed=st.booleans(),
)


@given(
    train=st.lists(PROSE, max_size=12), rows=st.lists(PROSE, min_size=1, max_size=12), asked=NGRAMS
)
@settings(max_examples=60, deadline=None)
def test_a_text_has_the_same_bits_alone_and_among_others(train, rows, asked):
    schema = {"prose": pl.String}
    encoder = ENCODERS["linear"].fit(pl.DataFrame({"prose": train}, schema), texts={"prose": asked})
    new = pl.DataFrame({"prose": rows}, schema)
    whole = encoder.transform(new)
    single = [encoder.transform(new[i : i + 1]) for i in range(new.height)]
    assert whole.tobytes() == np.concatenate(single).tobytes()
    assert Encoder.from_dict(encoder.to_dict()).transform(new).tobytes() == whole.tobytes()
    width = len(encoder.names) - any(text is None for text in train)
    assert width <= asked.limit
    lengths = np.square(whole[:, :width]).sum(axis=1)
    assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-9))


def same(found, expected):
    """Return whether all numbers have the same bits; one NaN is as good as another."""
    known = ~np.isnan(expected)
    return np.array_equal(known, ~np.isnan(found)) and (
        found[known].tobytes() == expected[known].tobytes()
    )


def in_objects(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize("flavour", sorted(ENCODERS))
@given(
    train=st.lists(ROW, min_size=1, max_size=12),
    rows=st.lists(ROW, min_size=1, max_size=12),
    whole=st.sampled_from([None, "categorical", "target"]),
    flag=st.sampled_from([None, "categorical", "numeric"]),
    read=st.sampled_from([None, Ngrams(of="letters", lengths=(1, 2))]),
)
@settings(max_examples=80, deadline=None)
def test_arrays_are_encoded_as_a_frame_is(flavour, train, rows, whole, flag, read):
    kinds = {name: kind for name, kind in (("whole", whole), ("flag", flag)) if kind}
    y = np.arange(len(train), dtype=float)[:, None] if whole == "target" else None
    texts = {"word": read} if read else None
    encoder = ENCODERS[flavour].fit(frame(train), kinds, texts, y)
    new = frame(rows)
    expected = encoder.transform(new)
    columns = dict(zip(SCHEMA, map(in_objects, zip(*rows, strict=True)), strict=True))
    assert same(encoder.transform_arrays(columns), expected)
    typed = {series.name: series.to_numpy() for series in new}
    if new["whole"].null_count() and whole:
        typed["whole"] = columns["whole"]  # as float64 it would not be the same number
    assert same(encoder.transform_arrays(typed), expected)
