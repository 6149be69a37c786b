"""The embedded log on a disk that becomes full: it says so, loses nothing, and goes on."""

import subprocess

import pytest

from octavo.errors import ResourceError
from octavo.streams import Block, Retention, Topic, open_stream

FULL = "the disk is full. Free some space and run again"


def fill(stream, first):
    """Append blocks until one is refused; return how many were acknowledged."""
    numbers = iter(range(first, first + 1000))
    with pytest.raises(ResourceError, match=FULL):
        append_all(stream, numbers)
    return next(numbers) - 1


def append_all(stream, numbers):
    for number in numbers:
        stream.append("t", [Block(rows=1, data=b"%6d" % number * 1000, key=str(number))])


def commit_often(member, offset):
    for _ in range(1000):
        member.renew()
        member.commit({0: offset})


def check(stream, count):
    assert stream.extents("t")[0].end == count
    position = stream.extents("t")[0].begin
    while found := stream.read("t", {0: position}):
        for record in found:
            assert record.data == b"%6d" % record.offset * 1000
        position = found[-1].end
    assert position == count


def test_a_full_disk(tmp_path, small_disk):
    with small_disk(tmp_path / "disk", "600k") as disk:
        stream = open_stream("sqlite:", disk / "streams")
        stream.create(Topic("t", retention=Retention(rows=0), groups=("g",)))
        count = fill(stream, 0)
        check(stream, count)
        assert fill(stream, count) >= count, "refused again, or there was a little space"
        count = stream.extents("t")[0].end
        member = stream.join("t", "g")
        with pytest.raises(ResourceError, match=FULL):
            commit_often(member, count)
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        member.renew()
        member.commit({0: count})
        append_all(stream, range(count, count + 100))
        check(stream, count + 100)
        assert stream.lags("t") == {"g": [100]}
        stream.close()
        again = open_stream("sqlite:", disk / "streams")
        check(again, count + 100)
        again.close()


@pytest.mark.parametrize("size", ["12k", "48k", "96k"])
def test_a_disk_too_small_for_a_topic(tmp_path, small_disk, size):
    with small_disk(tmp_path / "disk", size) as disk:
        stream = open_stream("sqlite:", disk / "streams")
        with pytest.raises(ResourceError, match=FULL):
            stream.create(Topic("t"))
        assert stream.topics() == []
        subprocess.run(["mount", "-o", "remount,size=2m", str(disk)], check=True)
        stream.create(Topic("t"))
        stream.close()
