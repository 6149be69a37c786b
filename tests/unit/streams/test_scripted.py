"""Services under a script: what they do wrong shows, and a right one is not disturbed."""

import pytest

from octavo.errors import ResourceError
from octavo.streams import Block, LeaseLostError, Stream, Topic
from octavo.streams.memory import MemoryStream
from octavo.streams.sqlite import SqliteStream
from octavo.testing.clocks import ManualClock
from octavo.testing.scripted import Crash, again, crash_after, crash_before, fail, pause, scripted


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def stream(request, tmp_path, clock):
    clocks = {"clock": clock.nanoseconds, "wall": clock.microseconds}
    made = MemoryStream(**clocks) if request.param == "memory" else SqliteStream(tmp_path, **clocks)
    made.create(Topic("t", groups=("g",)))
    yield made
    made.close()


class Copier:
    """Copies rows, and keeps them with its position, as one transaction would."""

    def __init__(self):
        self.rows: list[str] = []

    def run(self, stream: Stream, turns: int) -> None:
        with stream.join("t", "g") as member:
            for _ in range(turns):
                if 0 in member.renew():
                    for record in stream.read("t", {0: len(self.rows)}, max_rows=4):
                        self.rows += record.data.decode()[len(self.rows) - record.offset :]
                    member.commit({0: len(self.rows)})


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def fill(stream):
    pieces = [LETTERS[at : at + 3] for at in range(0, 26, 3)]
    stream.append("t", [Block(rows=len(piece), data=piece.encode()) for piece in pieces])


@pytest.mark.parametrize("call", ["renew", "read", "commit"])
@pytest.mark.parametrize("fault", [crash_before, crash_after])
def test_a_consumer_that_keeps_its_position_survives_every_crash(stream, clock, call, fault):
    fill(stream)
    copier = Copier()
    for number in (1, 2, 3):
        with pytest.raises(Crash):
            copier.run(scripted(stream, {(call, number): fault}), turns=20)
        clock.advance(11)
    copier.run(stream, turns=20)
    assert "".join(copier.rows) == LETTERS
    assert stream.lags("t") == {"g": [0]}


def test_rows_that_come_again(stream):
    fill(stream)
    naive: list[str] = []
    stream = scripted(stream, {("read", 2): again(5)})
    while records := stream.read("t", {0: len(naive)}, max_rows=3):
        naive += "".join(record.data.decode() for record in records)
    assert len(naive) > 26 or "".join(naive) != LETTERS, "who does not look at offsets is found out"


def test_rows_that_come_again_to_one_who_looks(stream):
    fill(stream)

    class Wary(Copier):
        def run(self, stream, turns):
            for _ in range(turns):
                for record in stream.read("t", {0: len(self.rows)}, max_rows=4):
                    seen = max(len(self.rows) - record.offset, 0)
                    self.rows += record.data.decode()[seen:]

    copier = Wary()
    copier.run(scripted(stream, {("read", 2): again(5), ("read", 4): again(99)}), turns=20)
    assert "".join(copier.rows) == LETTERS


def test_an_append_of_which_nobody_was_told(stream):
    blocks = [Block(rows=1, data=name, key=name.decode()) for name in (b"a", b"b", b"c")]
    dying = scripted(stream, {("append", 2): crash_after})
    dying.append("t", blocks[:1])
    with pytest.raises(Crash):
        dying.append("t", blocks[1:2])
    for block in blocks:
        stream.append("t", [block])
    assert [record.data for record in stream.read("t", {0: 0})] == [b"a", b"b", b"c"]


def test_a_paused_consumer_is_overtaken(stream, clock):
    fill(stream)
    other = stream.join("t", "g")
    script = {("commit", 1): pause(clock, 11, lambda: other.renew())}
    paused = scripted(stream, script).join("t", "g")
    paused.renew()
    with pytest.raises(LeaseLostError, match="does not hold partition 0"):
        paused.commit({0: 3})
    assert stream.lags("t") == {"g": [26]}


def test_the_dead_do_nothing(stream):
    fill(stream)
    dying = scripted(stream, {("read", 1): crash_after})
    member = dying.join("t", "g")
    member.renew()
    with pytest.raises(Crash):
        dying.read("t", {0: 0})
    for call in (member.close, lambda: dying.append("t", [Block(rows=1)])):
        with pytest.raises(Crash):
            call()
    assert stream.join("t", "g").renew() == {}, "the dead member's lease still runs"


def test_errors(stream):
    full = scripted(stream, {("append", 1): fail(ResourceError.disk_full())})
    with pytest.raises(ResourceError, match="the disk is full"):
        full.append("t", [Block(rows=1)])
    assert full.append("t", [Block(rows=1)])[0].offset == 0
