"""Topics, appending and reading."""

import threading
import time

import pytest

from octavo.errors import DataError, DefinitionError
from octavo.streams import MOST_BYTES, MOST_ROWS, Block, Extent, Place, Stream, Topic
from octavo.testing.clocks import ManualClock
from octavo.testing.streams.base import Base, Open, block, everything, names, put


class LogSuite(Base):
    """A log of blocks whose offsets count rows."""

    def test_a_topic_is_made_once(self, stream: Stream) -> None:
        put(stream, block("a"))
        stream.create(Topic("t", partitions=3))
        stream.create(Topic("other"))
        assert stream.topics() == ["other", "t"]
        assert everything(stream)[0] == ["a"]

    def test_the_number_of_partitions_is_fixed(self, stream: Stream) -> None:
        with pytest.raises(DefinitionError, match="t: it has 3 partitions, not 4"):
            stream.create(Topic("t", partitions=4))

    @pytest.mark.parametrize("name", ["", ".", "../t", "a/b", "a b", "é", "-a", "a" * 201])
    def test_names_are_plain(self, name: str) -> None:
        with pytest.raises(DefinitionError, match="cannot be called"):
            Topic(name)

    def test_a_topic_that_is_not_there_is_named(self, stream: Stream) -> None:
        for call in (
            lambda: stream.append("tt", [block("a")]),
            lambda: stream.read("tt", {0: 0}),
            lambda: stream.join("tt", "g"),
        ):
            with pytest.raises(DefinitionError, match=r"no topic 'tt'\. Did you mean 't'"):
                call()

    def test_a_block_comes_back_as_it_was(self, stream: Stream, clock: ManualClock) -> None:
        data = bytes(range(256)) * 100
        given = Block(partition=1, rows=7, data=data, key="k", metadata={"batch": "b", "n": [1]})
        stream.append("t", [given])
        (found,) = stream.read("t", {1: 0})
        assert (found.partition, found.rows, found.data) == (1, 7, data)
        assert (found.key, found.metadata) == ("k", {"batch": "b", "n": [1]})
        assert (found.offset, found.end) == (0, 7)
        assert found.appended_at == clock.microseconds()

    def test_a_reference_has_no_data(self, stream: Stream) -> None:
        stream.append("t", [Block(rows=1000, metadata={"batch": "b"})])
        (found,) = stream.read("t", {0: 999})
        assert (found.data, found.end) == (b"", 1000)

    def test_offsets_count_rows(self, stream: Stream) -> None:
        assert put(stream, block("a", 5), block("b", 3, 1), block("c", 2)) == [0, 0, 5]
        assert put(stream, block("d", 1), block("e", 1, 1)) == [7, 3]
        assert stream.extents("t") == [Extent(0, 8), Extent(0, 4), Extent(0, 0)]

    def test_a_read_goes_on_where_the_last_one_ended(self, stream: Stream) -> None:
        put(stream, block("a", 5), block("b", 5))
        (a, *_), position = stream.read("t", {0: 0}, max_rows=1), 0
        assert names([a]) == ["a"]
        assert names(stream.read("t", {0: a.end})) == ["b"]
        assert stream.read("t", {0: position + 10}) == []

    @pytest.mark.parametrize(("position", "first"), [(4, "a"), (5, "b"), (9, "b"), (10, "c")])
    def test_a_read_may_begin_inside_a_block(
        self, stream: Stream, position: int, first: str
    ) -> None:
        put(stream, block("a", 5), block("b", 5), block("c", 5))
        found = stream.read("t", {0: position})
        assert names(found)[0] == first
        assert found[0].offset <= position < found[0].end

    def test_a_read_beyond_the_end_is_refused(self, stream: Stream) -> None:
        put(stream, block("a", 5))
        with pytest.raises(DataError, match="t, partition 0: position 6 is beyond its end, 5"):
            stream.read("t", {0: 6})

    def test_a_read_is_limited_but_never_stuck(self, stream: Stream) -> None:
        put(stream, *(block(f"{number}" * 100, 10) for number in range(5)))
        assert len(stream.read("t", {0: 0}, max_rows=30)) == 3
        assert len(stream.read("t", {0: 0}, max_rows=39)) == 3
        assert len(stream.read("t", {0: 5}, max_bytes=200)) == 2
        assert len(stream.read("t", {0: 25}, max_rows=1, max_bytes=1)) == 1

    def test_several_partitions_are_read_at_once(self, stream: Stream) -> None:
        put(stream, block("a", 2), block("b", 2, 2), block("c", 2), block("d", 2, 2))
        assert names(stream.read("t", {2: 1, 0: 2, 1: 0})) == ["c", "b", "d"]
        assert names(stream.read("t", {2: 0, 0: 0}, max_rows=2)) == ["a", "b"]

    def test_a_partition_that_is_not_there(self, stream: Stream) -> None:
        for wrong in (3, -1):
            with pytest.raises(DefinitionError, match=f"t: there is no partition {wrong}"):
                stream.append("t", [block("a"), block("b", partition=wrong)])
            with pytest.raises(DefinitionError, match=f"there is no partition {wrong}"):
                stream.read("t", {0: 0, wrong: 0})
        assert everything(stream) == [[], [], []]

    def test_nothing_is_appended_of_nothing(self, stream: Stream) -> None:
        assert stream.append("t", []) == []

    def test_blocks_have_limits(self) -> None:
        for rows in (0, MOST_ROWS + 1):
            with pytest.raises(DataError, match=f"a block of {rows} rows"):
                Block(rows=rows)
        with pytest.raises(DataError, match="a block of 67,108,865 bytes"):
            Block(rows=1, data=bytes(MOST_BYTES + 1))

    def test_a_reader_waits_for_others(self, open_stream: Open) -> None:
        reader, writer = open_stream(), open_stream()
        writer.create(Topic("t", partitions=2))
        put(writer, block("old"))
        later = threading.Timer(0.1, lambda: put(writer, block("new", partition=1)))
        later.start()
        began = time.monotonic()
        assert names(reader.read("t", {0: 1, 1: 0}, wait=60)) == ["new"]
        assert time.monotonic() - began < 30
        later.join()
        assert reader.read("t", {0: 1}, wait=0.02) == []

    def test_waiting_costs_little(self, stream: Stream) -> None:
        before = time.thread_time()
        assert stream.read("t", {0: 0}, wait=0.5) == []
        assert time.thread_time() - before < 0.1

    def test_threads_append_side_by_side(self, stream: Stream) -> None:
        def append(thread: int) -> None:
            for number in range(20):
                put(stream, block(f"{thread}/{number}", 3))

        threads = [threading.Thread(target=append, args=(thread,)) for thread in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        records = stream.read("t", {0: 0})
        assert [record.offset for record in records] == list(range(0, 300, 3))
        for thread in range(5):
            mine = [name for name in names(records) if name.startswith(f"{thread}/")]
            assert mine == [f"{thread}/{number}" for number in range(20)]

    def test_a_key_is_appended_once(self, open_stream: Open) -> None:
        stream = open_stream()
        if not stream.deduplicates:
            pytest.skip("it cannot look a key up")
        stream.create(Topic("t", partitions=2))
        put(stream, block("a", 4))
        assert stream.append("t", [block("b", 2, key="k")]) == [Place(0, 4, repeated=False)]
        again = [block("b", 2, key="k"), block("b", 2, 1, key="k"), block("c", 1, key="l")]
        first = Place(0, 4, repeated=True)
        for each in (stream, open_stream()):
            assert each.append("t", again)[:2] == [first, first]
        assert everything(stream) == [["a", "b", "c"], []]

    def test_a_key_twice_in_one_call(self, stream: Stream) -> None:
        if not stream.deduplicates:
            pytest.skip("it cannot look a key up")
        places = stream.append("t", [block("a", 4, key="k"), block("a", 4, 1, key="k")])
        assert places == [Place(0, 0, repeated=False), Place(0, 0, repeated=True)]
        stream.create(Topic("other"))
        assert not stream.append("other", [block("a", 4, key="k")])[0].repeated

    def test_all_is_there_when_it_is_opened_again(self, open_stream: Open) -> None:
        stream = open_stream()
        stream.create(Topic("t"))
        put(stream, block("a", 5))
        stream.close()
        again = open_stream()
        assert again.topics() == ["t"]
        assert put(again, block("b", 5)) == [5]
        assert everything(again) == [["a", "b"]]
