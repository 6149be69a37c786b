"""Requests that come at the same time are worked on together: a dynamic micro-batch.

A request that comes alone is taken at once. Those that are read from their sockets in one turn of
the event loop, or come while an earlier batch is under way, make the next batch. It knows nothing
of what is worked on.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Generic, Protocol, TypeVar

from octavo.errors import OctavoError

INLINE_NS = 500_000
"""Nanoseconds of work up to which a batch is worked on in the event loop: less than two changes of
threads under load take."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Taken = TypeVar("Taken", contravariant=True)


class Owed(Protocol[Taken]):
    """Takes a result, as an ``asyncio.Future`` does."""

    def done(self) -> bool:
        """Return whether nobody waits for it any more."""
        ...

    def cancel(self) -> object:
        """Learn that it is given up, for nobody waits for it."""
        ...

    def set_result(self, result: Taken, /) -> None:
        """Take it."""
        ...

    def set_exception(self, error: BaseException, /) -> None:
        """Take why there is none."""
        ...


@dataclass(frozen=True)
class Bounds:
    """How large a batch becomes, and how long it waits."""

    rows: int = 1024
    """Rows of a batch. A request of as many is worked on alone, beside the batches."""
    wait_us: int = 0
    """Microseconds that the first request of a batch waits for others; 0: it takes those that have
    come already."""


_Waiting = tuple[Item, int, Owed[Result]]
"""An item, its rows, and who takes its result; a tuple, as each request makes one."""


class MicroBatch(Generic[Item, Result]):
    """Collects requests into batches. For use within one event loop.

    Parameters
    ----------
    work
        Gives a result for each of some items, in order. Called in the event loop where batches
        have proved to be short, else in a thread, and by two threads at a time only for requests
        that are batches by themselves.
    bounds
        Of a batch.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], bounds: Bounds) -> None:
        self._work = work
        self._bounds = bounds
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._is_busy = False
        self._took: dict[int, int] = {}
        """Nanoseconds that the last batch took, by the bits of its number of rows."""

    async def submit(self, item: Item, rows: int) -> Result:
        """Return the result of one item.

        Parameters
        ----------
        rows
            What it counts for in a batch.

        Raises
        ------
        OctavoError
            What `work` raises for this item, whatever others are in its batch.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self.add(loop, item, rows, future)
        return await future

    def add(
        self, loop: asyncio.AbstractEventLoop, item: Item, rows: int, owed: Owed[Result]
    ) -> None:
        """Let the result of one item be taken when it is there.

        Parameters
        ----------
        loop
            The one that runs.
        owed
            Takes it, or what `submit` raises, in the event loop; it must not raise itself.
        """
        waiting = item, rows, owed
        if rows >= self._bounds.rows:
            task = loop.run_in_executor(None, self._worked, [waiting], rows)
            task.add_done_callback(lambda done: _give(loop, [waiting], done.result()))
            return
        self._waiting.append(waiting)
        if not self._is_busy:
            self._is_busy = True
            if self._bounds.wait_us:
                loop.call_later(self._bounds.wait_us / 1e6, self._begin, loop)
            else:
                loop.call_soon(self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work on what is waiting: here, or in a thread."""
        batch, rows = self._taken()
        if self._took.get(rows.bit_length(), INLINE_NS) < INLINE_NS:
            self._end(loop, batch, self._worked(batch, rows))
            return
        task = loop.run_in_executor(None, self._worked, batch, rows)
        task.add_done_callback(lambda done: self._end(loop, batch, done.result()))

    def _taken(self) -> tuple[list[_Waiting[Item, Result]], int]:
        """Take as many as a batch may have; those whose client has gone are left out."""
        batch, rows = [], 0
        while self._waiting and rows + self._waiting[0][1] <= self._bounds.rows:
            each = self._waiting.popleft()
            _, many, owed = each
            if owed.done():
                owed.cancel()
            else:
                batch.append(each)
                rows += many
        return batch, rows

    def _worked(
        self, batch: Sequence[_Waiting[Item, Result]], rows: int
    ) -> Sequence[Result | BaseException]:
        began = perf_counter_ns()
        try:
            return self._work([item for item, *_ in batch]) if batch else []
        except OctavoError as error:
            return [error] if len(batch) == 1 else [self._alone(item) for item, *_ in batch]
        except BaseException as error:  # noqa: BLE001  whatever it is, all who wait are told
            return [error] * len(batch)
        finally:
            self._took[rows.bit_length()] = perf_counter_ns() - began

    def _alone(self, item: Item) -> Result | BaseException:
        """Work on one item of a batch that was refused."""
        try:
            return self._work([item])[0]
        except BaseException as error:  # noqa: BLE001  it is its own request's, and told there
            return error

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[_Waiting[Item, Result]],
        results: Sequence[Result | BaseException],
    ) -> None:
        _give(loop, batch, results)
        if self._waiting:
            loop.call_soon(self._begin, loop)
        else:
            self._is_busy = False


def _give(
    loop: asyncio.AbstractEventLoop,
    batch: Sequence[_Waiting[Item, Result]],
    results: Sequence[Result | BaseException],
) -> None:
    for (_, _, owed), result in zip(batch, results, strict=True):
        try:
            if owed.done():  # its client has gone
                owed.cancel()
            elif isinstance(result, BaseException):
                owed.set_exception(result)
            else:
                owed.set_result(result)
        except Exception as error:  # noqa: BLE001  others are in its batch, and wait for the next
            loop.call_exception_handler({"message": "a result was not taken", "exception": error})
