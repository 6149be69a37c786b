"""Whatever is sent is refused at once, or each of its rows ends in one place and blocks none."""

import json
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octavo.errors import DataError
from octavo.stages.ingestion.received import rows_in, texts
from octavo.stages.ingestion.records import Block as Text
from octavo.stages.ingestion.records import Quotes, split
from octavo.streams import Block

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "ingestion"))

from streaming import Live, line

NUMBERS = ["1e999", "-0", "123456789012345678901234567890", "1.5", "NaN", "0x1", "1" * 5000]
KEYS = [
    "id",
    "ID",
    "at",
    "amount",
    "",
    "a\0b",
    "_row",
    "_event_id",
    "x|number",
    "o.a",
    "é",
    "k" * 300,
]
ODD = [
    b"\xff\xfe{}",
    b"\xef\xbb\xbf" + line(77).encode(),
    b"\0",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"[[1],[2]]",
    b"null",
    b'{"id": 1',
    b'{"id": "\xed\xa0\x80"}',
    b'{"id": "\\ud800", "amount": 5}',
    b"\r\n\r\n",
    b"\x1e" + line(78).encode(),
    b"\xa0",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates().map(str)
)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3)
)
objects = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), values, max_size=5)
lines = (
    objects.map(lambda o: json.dumps(o).encode())
    | st.integers(0, 5).map(lambda n: line(n).strip().encode())
    | st.sampled_from(NUMBERS).map(lambda n: f'{{"id": 1, "amount": {n}}}'.encode())
    | st.binary(max_size=20)
    | st.sampled_from(ODD)
)
bodies = st.tuples(st.sampled_from(["json", "ndjson"]), st.lists(lines, max_size=6)).map(
    lambda b: (b[0], b"\n".join(b[1]) if b[0] == "ndjson" else b"[" + b",".join(b[1]) + b"]")
) | st.tuples(st.just("json"), lines)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(bodies, min_size=1, max_size=6))
def test_every_row_ends_in_one_place(sent):
    with tempfile.TemporaryDirectory() as folder:
        live, rows = Live(folder), []
        for form, body in sent:
            try:
                number = len(rows_in(form, body))
            except DataError:
                continue
            if number:
                told = {"format": form}
                block = Block(rows=number, data=body, metadata=told)
                live.stream.append("incoming.payments", [block])
                rows += texts(form, body)
        live.ingest()
        last = live.send(line(10**6)).offset
        live.ingest()
        assert str(10**6) in [str(n) for (n,) in live.rows("id")]
        assert last == len(rows)
        assert not live.told
        kept = {(b["sequence"], b["first_offset"]) for b in live.batches}
        begins = dict(kept)
        offsets = [
            begins[position >> 32] + position % 2**32 for (position,) in live.rows("_position")
        ]
        aside = [at for at, *_ in live.rejected()]
        duplicates = sum(batch["duplicates"] for batch in live.batches)
        assert len(set(offsets) | set(aside)) == len(offsets) + len(aside)
        assert len(offsets) + len(aside) + duplicates == len(rows) + 1
        for at, text, _ in live.rejected():
            assert text == rows[at].decode(errors="backslashreplace")
        live.stream.close()


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\n" not in b), max_size=6), st.booleans())
def test_lines_are_those_of_a_file(parts, ends):
    data = b"\n".join(parts) + (b"\n" if ends else b"")
    data = data.removeprefix(b"\xef\xbb\xbf")
    whole = data if data.endswith(b"\n") or not data else data + b"\n"
    found = split(Text(whole, Quotes(), 0), None)
    assert texts("ndjson", data) == [
        whole[a:b] for a, b in zip(found.starts, found.ends, strict=True)
    ]
