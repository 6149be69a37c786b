import datetime as dt

import numpy as np
import polars as pl
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import DataError, DefinitionError
from octavo.windows import hash_key, hash_keys, hash_one
from octavo.windows.hashing import GAMMA, splitmix64


def test_splitmix64_gives_the_published_sequence():
    """The generator's first outputs for seed 1234567, as in Rosetta Code and the C reference."""
    seeds = np.array([(1234567 + i * GAMMA) % 2**64 for i in range(5)], np.uint64)
    assert splitmix64(seeds).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_strings_are_xxh3_64_of_utf8():
    """The empty string's hash is in the xxHash specification's test vectors."""
    assert hash_one("") == 0x2D06800538D394C2
    assert hash_one("a") == 0xE6C632B61E964E1F
    assert hash_one("abc") == 0x78AF5F94892F3950
    assert hash_one("Zürich") == xxhash.xxh3_64_intdigest("Zürich".encode())


def test_hashes_never_change():
    """Stored state and shards depend on these numbers."""
    assert hash_one(None) == 0x243F6A8885A308D3
    assert hash_one(0) == 0xE220A8397B1DCDAF
    assert hash_one("JFK", 7) == 0xBA304021E01B8070
    assert hash_one(7, "JFK") == 0x160822CF1A9FE854
    assert hash_one("a", None) == 0x52C3F25A5FDE7F04


@pytest.mark.parametrize("kind", [pl.Int8, pl.Int16, pl.Int32, pl.Int64])
def test_width_of_an_integer_does_not_show(kind):
    column = pl.Series([-5, 0, 1, 100, None], dtype=kind)
    assert hash_key([column]).tolist() == [hash_one(each) for each in column]


def test_unsigned_integers_and_booleans_hash_as_integers():
    assert hash_key([np.array([5, 2**64 - 1], np.uint64)]).tolist() == [
        hash_one(5),
        hash_one(2**64 - 1),
    ]
    assert hash_key([np.array([3, 200], np.uint8)]).tolist() == [hash_one(3), hash_one(200)]
    assert hash_key([[True, False, None]]).tolist() == [hash_one(1), hash_one(0), hash_one(None)]
    assert hash_one(np.bool_(True)) == hash_one(np.int16(1)) == hash_one(True) == hash_one(1)


def test_dates_hash_their_microseconds():
    day = dt.date(2024, 5, 6)
    moment = dt.datetime(2024, 5, 6, tzinfo=dt.UTC)
    micros = int(moment.timestamp()) * 10**6
    expected = hash_one(micros)
    assert hash_one(day) == hash_one(moment) == hash_one(moment.replace(tzinfo=None)) == expected
    zone = dt.timezone(dt.timedelta(hours=2))
    assert hash_one(moment.astimezone(zone)) == expected
    for kind in (pl.Date, pl.Datetime("ms"), pl.Datetime("us", "UTC"), pl.Datetime("ns")):
        assert hash_key([pl.Series([day]).cast(kind)])[0] == expected
    assert hash_key([np.array(["2024-05-06"], "datetime64[D]")])[0] == expected
    before = dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    assert hash_key([pl.Series([before])])[0] == hash_one(before) == hash_one(-1)


PARTS = st.tuples(
    st.one_of(st.none(), st.text(max_size=5)),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), st.booleans()),
)


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=20), st.permutations([0, 1, 2]))
def test_one_key_hashes_like_its_row(rows, order):
    frame = pl.DataFrame(
        rows, schema={"0": pl.String, "1": pl.Int64, "2": pl.Boolean}, orient="row"
    )
    expected = [hash_one(*(row[i] for i in order)) for row in rows]
    columns = [str(i) for i in order]
    hashes = hash_keys(frame, columns)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == expected
    assert hash_key([frame[name] for name in columns]).tolist() == expected


def test_parts_are_told_apart_by_place():
    keys = [("a", "b"), ("b", "a"), ("ab", ""), ("", "ab"), ("a", None), (None, "a"), ("a",)]
    assert len({hash_one(*key) for key in keys}) == len(keys)


def test_kinds_of_string_columns_agree():
    words = ["x", "y", None, "x"]
    expected = hash_key([words])
    for kind in (pl.Categorical, pl.Enum(["x", "y"])):
        assert (hash_key([pl.Series(words, dtype=kind)]) == expected).all()
    assert hash_key([[None, None]]).tolist() == [hash_one(None)] * 2
    assert hash_key([pl.Series([], dtype=pl.String)]).shape == (0,)
    assert (hash_key([np.array(["x", "y"])]) == expected[:2]).all()


def test_what_makes_no_key_is_refused():
    for column in ([1.0], [[1]], [b"x"], [dt.timedelta(1)], pl.Series([1], dtype=pl.Decimal(5, 1))):
        with pytest.raises(DefinitionError, match="makes no key"):
            hash_key([column])
    for value in (1.5, b"x", [1]):
        with pytest.raises(DefinitionError, match="makes no key"):
            hash_one(value)
    with pytest.raises(DefinitionError, match="at least one column"):
        hash_key([])
    with pytest.raises(DefinitionError, match="at least one column"):
        hash_one()
    with pytest.raises(DataError, match="64 bits"):
        hash_one(2**64)
    with pytest.raises(DataError, match="key part 0"):
        hash_key([["a", 1]])
