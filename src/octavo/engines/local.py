"""The engine of one machine: a pool of threads.

polars, numpy, zlib and ``nogil`` numba functions release the interpreter lock, so threads use all
cores and share memory; plain Python code in ``function`` gains nothing. It knows nothing of
processes or of a cluster.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from octavo.engines.contract import Partition, Result
from octavo.errors import DefinitionError


class LocalEngine:
    """Map partitions over threads of this process.

    A pool lives as long as one ``map``: a function may map again on the same engine without
    waiting for its own caller, and nothing is left behind.

    Parameters
    ----------
    workers
        Number of threads; by default one per core this process may use. One is the caller's own.

    Examples
    --------
    >>> list(LocalEngine(workers=2).map(len, ["a", "bb", "ccc"]))
    [1, 2, 3]
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise DefinitionError(
                f"an engine of {workers} workers does nothing.",
                where="local://",
                fix="Give workers=1 or more, or leave it out for one per core.",
            )
        self.workers = workers or _cores()

    def map(
        self, function: Callable[[Partition], Result], partitions: Iterable[Partition]
    ) -> Iterator[Result]:
        """Yield results in order; at most twice as many partitions as workers are under way."""
        if self.workers == 1:
            yield from map(function, partitions)
            return
        todo = iter(partitions)
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="octavo")
        try:
            running: deque[Future[Result]] = deque(
                pool.submit(function, part) for part in islice(todo, 2 * self.workers)
            )
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(function, part) for part in islice(todo, 1))
                yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
