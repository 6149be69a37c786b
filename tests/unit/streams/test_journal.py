"""A file in front of a topic: once, whole, outliving its process, and what a full disk does."""

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.errors import ResourceError
from octavo.streams import Topic, open_stream
from octavo.streams.journal import Journal, _framed, frames, recover

HEAD = b"what the frames mean"


@pytest.fixture
def stream(tmp_path):
    found = open_stream("sqlite:", tmp_path / "streams")
    found.create(Topic("t"))
    yield found
    found.close()


def opened(tmp_path, stream, told=None, **more):
    tell = (lambda _: None) if told is None else told.append
    return Journal(tmp_path / "journal", stream, "t", tell=tell, **more)


def held(stream):
    """Return all frames of the topic, and the rows of its blocks."""
    records = stream.read("t", {0: 0})
    found = [(frame.rows, bytes(frame.data)) for each in records for frame in frames(each.data)]
    return found, [each.rows for each in records]


def test_frames_reach_the_topic_after_their_head(tmp_path, stream):
    journal = opened(tmp_path, stream)
    for number in range(3):
        journal.append(number + 1, f"frame {number}".encode(), HEAD)
    journal.append(1, b"of another", b"another head")
    journal.close()
    found, rows = held(stream)
    assert found == [
        (0, HEAD),
        (1, b"frame 0"),
        (2, b"frame 1"),
        (3, b"frame 2"),
        (0, b"another head"),
        (1, b"of another"),
    ]
    assert rows == [7]
    assert not list((tmp_path / "journal").iterdir())


def test_each_segment_begins_with_the_heads_it_needs(tmp_path, stream, monkeypatch):
    monkeypatch.setattr("octavo.streams.journal.LARGEST", 50)
    journal = opened(tmp_path, stream)
    for number in range(9):
        journal.append(1, f"frame {number}".encode(), HEAD)
    journal.close()
    records = stream.read("t", {0: 0})
    assert len(records) > 1
    assert all(bytes(next(frames(each.data)).data) == HEAD for each in records)
    assert [d for n, d in held(stream)[0] if n] == [f"frame {n}".encode() for n in range(9)]


def test_who_waits_is_told_when_it_is_in_the_stream(tmp_path, stream):
    journal = opened(tmp_path, stream, waits=True)
    began = time.monotonic()
    for number in range(20):
        journal.append(1, b"x", HEAD).result(10)
        assert sum(held(stream)[1]) == number + 1
    assert time.monotonic() - began < 20 * 0.1, "nobody waits for the next look"
    journal.close()


class Refusing:
    """A stream that takes nothing for a while."""

    def __init__(self, stream):
        self.stream, self.refuses = stream, True

    def append(self, topic, blocks):
        if self.refuses:
            raise ResourceError.disk_full(where="stream")
        return self.stream.append(topic, blocks)


def test_what_the_stream_refuses_is_told_and_sent_later(tmp_path, stream):
    refusing, told = Refusing(stream), []
    journal = opened(tmp_path, refusing, told, waits=True)
    with pytest.raises(ResourceError, match="disk is full"):
        journal.append(1, b"x", HEAD).result(10)
    refusing.refuses = False
    journal.append(1, b"y", HEAD).result(10)
    journal.close()
    assert [d for n, d in held(stream)[0] if n] == [b"x", b"y"]
    assert "disk is full" in told[0]


def test_what_cannot_be_sent_at_the_end_is_recovered(tmp_path, stream):
    journal = opened(tmp_path, Refusing(stream))
    journal.append(1, b"x", HEAD)
    journal.close()
    assert recover(tmp_path / "journal", stream, "t") == 1
    assert recover(tmp_path / "journal", stream, "t") == 0
    assert [d for n, d in held(stream)[0] if n] == [b"x"]


def test_what_comes_after_the_last_look_is_recovered(tmp_path, stream, monkeypatch):
    journal = opened(tmp_path, stream)
    join = journal._thread.join

    def joined():
        join()
        journal.append(1, b"late", HEAD)

    monkeypatch.setattr(journal._thread, "join", joined)
    journal.close()
    assert recover(tmp_path / "journal", stream, "t") == 1
    assert [d for n, d in held(stream)[0] if n] == [b"late"]


def test_files_out_of_reach_are_told(tmp_path, stream):
    (tmp_path / "journal").touch()
    with pytest.raises(ResourceError, match="journal"):
        recover(tmp_path / "journal", stream, "t")


def test_it_refuses_more_than_may_wait(tmp_path, stream, monkeypatch):
    monkeypatch.setattr("octavo.streams.journal.MOST", 1000)
    refusing = Refusing(stream)
    journal = opened(tmp_path, refusing)
    for _ in range(9):
        journal.append(1, bytes(100), HEAD)
    with pytest.raises(ResourceError, match="wait to be sent"):
        journal.append(1, bytes(100), HEAD)
    refusing.refuses = False
    time.sleep(0.5)
    journal.append(1, b"again", HEAD)
    journal.close()
    assert held(stream)[0][-1] == (1, b"again")


def test_who_lives_is_not_recovered(tmp_path, stream):
    refusing = Refusing(stream)
    journal = opened(tmp_path, refusing)
    journal.append(1, b"x", HEAD)
    assert recover(tmp_path / "journal", stream, "t") == 0
    refusing.refuses = False
    journal.close()
    assert held(stream)[1] == [1]


WRITER = """
import sys
from pathlib import Path
from octavo.streams import open_stream
from octavo.streams.journal import Journal
folder = Path(sys.argv[1])
stream = open_stream("sqlite:", folder / "streams")
journal = Journal(folder / "journal", stream, "t", tell=print)
for number in range(10**9):
    journal.append(1, str(number).encode() + b"." * (number % 9000), b"head")
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.3])
def test_a_killed_writer_loses_nothing_that_it_has_acknowledged(tmp_path, stream, seconds):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    told = tmp_path / "told.txt"
    with told.open("w") as output, subprocess.Popen(command, stdout=output) as process:
        while not told.stat().st_size:
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
    acknowledged = int(told.read_text().split("\n")[-2])
    recover(tmp_path / "journal", stream, "t")
    found, at = [], 0
    while records := stream.read("t", {0: at}):
        found += [bytes(f.data) for each in records for f in frames(each.data) if f.rows]
        at = records[-1].end
    numbers = [int(each.rstrip(b".")) for each in found]
    assert numbers == list(range(len(numbers))), "each once, in order"
    assert len(numbers) > acknowledged


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_what_is_not_whole_is_no_frame(contents, data):
    whole = b"".join(_framed(1, each) for each in contents)
    cut = data.draw(st.integers(0, len(whole) - 1))
    kept = [bytes(frame.data) for frame in frames(whole[:cut])]
    assert kept == contents[: len(kept)]
    assert len(kept) < len(contents)
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = bytearray(whole)
    broken[at] ^= 1 << data.draw(st.integers(0, 7))
    found = [bytes(frame.data) for frame in frames(bytes(broken))]
    assert found == contents[: len(found)]
