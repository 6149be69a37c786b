"""The embedded log keeps what a stream promises."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import apsw
import pytest

from octavo.errors import ResourceError
from octavo.streams import BacklogError, Block, Topic, database, topic_file
from octavo.streams.sqlite import SqliteStream
from octavo.streams.together import Together
from octavo.testing.clocks import ManualClock
from octavo.testing.streams import StreamSuite


class TestSqlite(StreamSuite):
    @pytest.fixture
    def new_log(self, tmp_path_factory):
        def new(clock):
            folder = tmp_path_factory.mktemp("streams")
            clocks = {"clock": clock.nanoseconds, "wall": clock.microseconds}
            return lambda: SqliteStream(folder, **clocks)

        return new


@pytest.fixture
def stream(tmp_path):
    stream = SqliteStream(tmp_path / "streams")
    stream.create(Topic("t", partitions=2, bound=100, groups=("g",)))
    yield stream
    stream.close()


def commits(stream, topic="t"):
    """Count the commits of appends from now on."""
    counted = []
    stream._topic(topic)._writer.set_commit_hook(lambda: bool(counted.append(1)))
    return counted


def together(calls):
    """Make calls in threads of their own; return what each returned or raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
    return [future.exception() or future.result() for future in futures]


def while_it_is_busy(stream, calls, topic="t"):
    """Let calls wait for the writer of a topic all at once, and return what became of them."""
    writing = stream._topic(topic)._writing
    writing.acquire()
    threading.Timer(0.3, writing.release).start()
    return together(calls)


def test_appends_that_wait_share_a_commit(stream):
    counted = commits(stream)
    calls = [lambda: stream.append("t", [Block(rows=2, data=b"x")])] * 10
    places = while_it_is_busy(stream, calls)
    assert sorted(place.offset for (place,) in places) == list(range(0, 20, 2))
    assert len(counted) <= 2, "the first is alone, or not; all others are together"


def test_one_that_is_refused_harms_no_other(stream):
    def call(size):
        return lambda: stream.append("t", [Block(rows=1, data=bytes(size))])

    stream.append("t", [Block(rows=1, data=bytes(60))])
    found = while_it_is_busy(stream, [call(30)] * 6)
    refused = [each for each in found if isinstance(each, BacklogError)]
    assert len(refused) == 4
    assert sorted(each[0].offset for each in found if each not in refused) == [1, 2]
    assert len(stream.read("t", {0: 0})) == 3


def test_an_error_reaches_all_who_wait_and_then_it_goes_on(stream, monkeypatch):
    def broken(*_):
        raise apsw.FullError("database or disk is full")

    calls = [lambda: stream.append("t", [Block(rows=1)])] * 5
    with monkeypatch.context() as patch:
        patch.setattr(topic_file, "_append", broken)
        found = while_it_is_busy(stream, calls)
        assert [str(each).split(": ")[1].split(".")[0] for each in found] == [
            "the disk is full"
        ] * 5
    assert stream.extents("t")[0] == (0, 0)
    assert stream.append("t", [Block(rows=1)])[0].offset == 0


def test_who_is_interrupted_leads_nobody(monkeypatch):
    serving, served = threading.Lock(), []
    shared = Together(served.extend, serving)
    others = [threading.Thread(target=shared.do, args=(name,), daemon=True) for name in "ab"]
    with serving:
        others[0].start()  # leads, and waits
        while not shared._queue:
            time.sleep(0.001)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Event, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                shared.do("me")
        others[1].start()
    for thread in others:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(served) == ["a", "b"]


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_commit_is_on_disk(stream):
    writer = stream._topic("t")._writer
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("synchronous") == 2
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_readers_without_a_gap_do_not_let_it_grow(stream, monkeypatch):
    monkeypatch.setattr(database, "WAL", 10)
    monkeypatch.setattr(database, "LONG_WAL", 50)
    stream.create(Topic("big"))
    done = threading.Event()

    def read():
        readers = [database.connect(stream.folder / "big.db") for _ in range(2)]
        for number in itertools.count():
            reader, before = readers[number % 2], readers[1 - number % 2]
            reader.execute("begin")
            assert reader.execute("select count(*) from blocks").get >= 0
            if before.in_transaction:
                before.execute("commit")
            if done.wait(0.001):
                return

    reader = threading.Thread(target=read)
    reader.start()
    largest = 0
    for _ in range(200):
        stream.append("big", [Block(rows=1, data=bytes(20_000))])
        largest = max(largest, (stream.folder / "big.db-wal").stat().st_size)
    done.set()
    reader.join()
    assert 10 * database.PAGE < largest < 100 * database.PAGE


def test_a_topic_made_by_several_at_once(tmp_path):
    streams = [SqliteStream(tmp_path / "new" / "streams") for _ in range(6)]
    topic = Topic("t", partitions=2, groups=("g",))
    assert together([partial(stream.create, topic) for stream in streams]) == [None] * 6
    for number, stream in enumerate(streams):
        assert stream.append("t", [Block(rows=1)])[0].offset == number
        stream.close()
    assert [path.name for path in (tmp_path / "new" / "streams").iterdir()] == ["t.db"]


def test_a_topic_half_made_is_none(tmp_path, monkeypatch):
    stream = SqliteStream(tmp_path)
    monkeypatch.setattr("os.link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stream.create(Topic("t"))
    monkeypatch.undo()
    assert stream.topics() == []
    stream.create(Topic("t"))


def test_a_file_that_is_no_log(tmp_path):
    (tmp_path / "t.db").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(ResourceError, match=r"t\.db: the log cannot be used: file is not a"):
        SqliteStream(tmp_path).extents("t")


def test_a_log_of_another_version(tmp_path, stream):
    stream._topic("t")._writer.pragma("user_version", 99)
    stream.close()
    with pytest.raises(ResourceError, match="the log has version 99, this Octavo knows 1"):
        stream.extents("t")


def test_a_file_that_another_process_holds(stream, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    other = apsw.Connection(str(stream.folder / "t.db"))
    other.execute("begin immediate")
    with pytest.raises(ResourceError, match="another process has held it"):
        stream.append("t", [Block(rows=1)])
    other.execute("rollback")
    assert stream.append("t", [Block(rows=1)])[0].offset == 0


def test_who_waits_for_the_log_does_not_think_others_dead(tmp_path, monkeypatch):
    """Their signs of life are newer than the moment at which it began to wait."""
    clock = ManualClock()
    streams = [SqliteStream(tmp_path, clock=clock.nanoseconds) for _ in range(2)]
    streams[0].create(Topic("t"))
    slow, other = (stream.join("t", "g") for stream in streams)
    other.renew()
    clock.advance(9)
    file = streams[0]._topic("t")
    inner = file.group

    def after_the_other(name):
        clock.advance(0.001)
        other.commit({0: 0})
        return inner(name)

    monkeypatch.setattr(file, "group", after_the_other)
    assert slow.renew() == {}
    other.commit({0: 0})
    for stream in streams:
        stream.close()


def test_a_wall_clock_that_jumps_moves_no_lease_and_no_offset(tmp_path):
    wall, clock = ManualClock(2e9), ManualClock()
    stream = SqliteStream(tmp_path, clock=clock.nanoseconds, wall=wall.microseconds)
    stream.create(Topic("t", groups=("g",)))
    member, other = stream.join("t", "g"), stream.join("t", "g")
    for number, jump in enumerate((0, -1e8, 3e8)):
        wall.advance(jump)
        clock.advance(4)
        assert stream.append("t", [Block(rows=1)])[0].offset == number
        assert (set(member.renew()), set(other.renew())) == ({0}, set())
    times = [record.appended_at for record in stream.read("t", {0: 0})]
    assert times == [2e15, 1.9e15, 2.2e15]
    stream.close()
