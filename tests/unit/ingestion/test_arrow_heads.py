"""Streams that speak of what is not there: refused before Polars, which would end the process."""

import io
import random

import polars as pl
import pyarrow as pa
import pytest

from octavo.errors import DataError
from octavo.stages.ingestion import arrow_heads
from octavo.stages.ingestion.received import table

FRAME = pl.DataFrame(
    {
        "a": [1.5, None, 2.0],
        "b": ["x", "y", None],
        "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        "d": [[1], [], [2, 3]],
        "n": pl.Series([None, None, None], dtype=pl.Null),
    }
)


def stream(frame=FRAME, **options):
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, **options)
    return buffer.getvalue()


def arrow_stream(*batches):
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, batches[0].schema) as writer:
        for batch in batches:
            writer.write_table(batch)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_what_polars_writes_is_read(compression):
    assert table(stream(compression=compression)).equals(FRAME)


def test_what_arrow_writes_is_read():
    part = pa.table({"a": [1, 2, None], "s": pa.array(["x", "y", "x"]).dictionary_encode()})
    assert table(arrow_stream(part, part)).height == 6
    assert table(arrow_stream(part.slice(0, 0))).height == 0


def test_a_few_bytes_that_are_very_many_are_refused(monkeypatch):
    with pytest.raises(DataError, match="longer than its buffers"):
        table(arrow_stream(pa.table({"n": pa.nulls(2**22)})))
    monkeypatch.setattr(arrow_heads, "LARGEST", 1_000_000)
    zeros = pl.DataFrame({"a": pl.repeat(0.0, 200_000, eager=True)})
    packed = stream(zeros, compression="zstd")
    assert len(packed) < 10_000
    with pytest.raises(DataError, match="when it is unpacked"):
        table(packed)


def test_one_that_ends_early_is_refused():
    """Unless it ends between two messages: it may have had no more."""
    data, whole = stream(), 0
    for end in range(8, len(data) - 8, 8):
        try:
            whole += table(data[:end]).height in (0, 3)
        except DataError:
            continue
    assert whole <= 3  # the schema, the dictionary, the batch


@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
def test_bytes_that_were_changed_are_read_or_refused(compression):
    data, chance = stream(compression=compression), random.Random(1)
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        try:
            table(bytes(changed))
        except DataError as error:
            assert "no Arrow IPC stream" in str(error)  # noqa: PT017  most are refused, some read
