"""What every engine promises: one map over partitions.

Engines know nothing of what the partitions hold or of the stages that cut them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Partition = TypeVar("Partition")
Result = TypeVar("Result")


class Engine(Protocol):
    """Partition-parallel work, the same on a laptop and on a cluster."""

    def map(
        self, function: Callable[[Partition], Result], partitions: Iterable[Partition]
    ) -> Iterator[Result]:
        """Yield ``function(partition)`` for each partition, in the order of the partitions.

        Parameters
        ----------
        function
            Depends on its argument alone. A module-level function (or a ``partial`` of one), so
            that every engine can send it to a worker.
        partitions
            Taken one by one from the caller's thread, never much further than the results are
            consumed; it may be endless or larger than memory.

        Yields
        ------
        Result
            One per partition. Nothing runs before the first is asked for.

        Raises
        ------
        Exception
            The first error of ``function``, in the order of the partitions; one of ``partitions``
            itself comes as soon as it is met. Partitions not yet begun are then not begun; it is
            *not* promised that those already running are interrupted.
        """
        ...
