"""Requests that meet in a batch: its bounds, its errors, and who waits for whom."""

import asyncio
import threading

import pytest

from octavo.errors import DataError
from octavo.services.batching import Bounds, MicroBatch


class Work:
    """Doubles numbers; keeps the batches, and the threads they were in."""

    def __init__(self):
        self.batches, self.threads = [], []
        self.hold: threading.Event | None = None

    def __call__(self, items):
        self.batches.append(list(items))
        self.threads.append(threading.current_thread())
        if self.hold is not None:
            assert self.hold.wait(30)
        if any(item < 0 for item in items):
            raise DataError("it is below zero.")
        if any(item == 1000 for item in items):
            raise RuntimeError("broken")
        return [2 * item for item in items]


def together(bounds, items, rows=1):
    work = Work()

    async def submit():
        batch = MicroBatch(work, bounds)
        told = await asyncio.gather(
            *(batch.submit(item, rows) for item in items), return_exceptions=True
        )
        return told, await batch.submit(5, 1)

    told, later = asyncio.run(submit())
    assert later == 10, "it goes on"
    return work, told


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(7), Bounds(1), Bounds(100, 500)])
def test_each_gets_its_own(bounds):
    work, told = together(bounds, range(50))
    assert told == [2 * item for item in range(50)]
    assert max(map(len, work.batches)) <= bounds.rows
    assert sorted(item for batch in work.batches[:-1] for item in batch) == list(range(50))
    if bounds.rows >= 50:
        assert len(work.batches) == 2, "all that came at once, then the later one"


def test_rows_bound_a_batch_not_requests():
    work, _ = together(Bounds(rows=10), range(9), rows=4)
    assert [len(batch) for batch in work.batches] == [2, 2, 2, 2, 1, 1]


def test_one_that_is_a_batch_by_itself_holds_up_nobody():
    work = Work()
    work.hold = threading.Event()

    async def submit():
        batch = MicroBatch(work, Bounds(rows=10))
        large = asyncio.create_task(batch.submit(1, 10))
        await asyncio.sleep(0.05)
        hold, work.hold = work.hold, None
        assert await asyncio.wait_for(batch.submit(2, 1), 20) == 4
        assert not large.done()
        hold.set()
        return await large

    assert asyncio.run(submit()) == 2


def test_an_error_is_its_own_request_s():
    _, told = together(Bounds(), [1, -1, 2, -2])
    assert told[0::2] == [2, 4]
    assert all(isinstance(each, DataError) for each in told[1::2])


def test_what_is_no_error_of_a_request_is_told_to_all():
    _, told = together(Bounds(), [1, 1000])
    assert all(isinstance(each, RuntimeError) for each in told)


def test_what_comes_while_a_batch_is_under_way_is_the_next():
    work = Work()
    work.hold = threading.Event()

    async def submit():
        batch = MicroBatch(work, Bounds())
        first = asyncio.create_task(batch.submit(1, 1))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(batch.submit(item, 1)) for item in range(2, 6)]
        gone = asyncio.create_task(batch.submit(99, 1))
        await asyncio.sleep(0.05)
        gone.cancel()
        work.hold.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(submit()) == [2, 4, 6, 8, 10]
    assert work.batches == [[1], [2, 3, 4, 5]], "who has gone is not worked for"


def test_a_short_batch_is_worked_on_where_it_is_and_a_long_one_apart():
    work = Work()

    async def submit():
        batch = MicroBatch(work, Bounds())
        for _ in range(20):
            await batch.submit(1, 1)

    asyncio.run(submit())
    here = [thread is threading.current_thread() for thread in work.threads]
    assert not here[0], "nobody knows yet how long it takes"
    assert any(here)
    slow = Work()
    slow.hold = threading.Event()

    async def submit_slow():
        batch = MicroBatch(slow, Bounds())
        loop = asyncio.get_running_loop()
        for _ in range(3):
            slow.hold.clear()
            loop.call_later(0.01, slow.hold.set)
            await batch.submit(1, 1)

    asyncio.run(submit_slow())
    assert not any(thread is threading.current_thread() for thread in slow.threads)
