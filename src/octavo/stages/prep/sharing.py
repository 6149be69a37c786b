"""Which views a worker owns, when several fold live: each view has one owner, all an even share.

Owning is a lock of the operating system's, which goes with its process: what a killed worker had is
free in the same instant. A state lies on one machine, and so do its owners. This module knows
nothing of what is done with a view.
"""

import fcntl
from collections.abc import Sequence
from contextlib import ExitStack
from math import ceil
from types import TracebackType
from typing import Self

from octavo.stores.home import Home

_WORKERS = 64
"""Workers of one home, at the most."""


class Shares:
    """The views that this worker owns; a context, at the end of which it owns none.

    Parameters
    ----------
    names
        All there are.
    """

    def __init__(self, home: Home, names: Sequence[str]) -> None:
        self._home, self._names = home, names
        self._held: dict[str, ExitStack] = {}
        self._me = ExitStack()
        self._slot: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        for name in list(self._held):
            self.release(name)
        self._me.close()

    @property
    def held(self) -> list[str]:
        """What this worker owns."""
        return [name for name in self._names if name in self._held]

    def renew(self) -> list[str]:
        """Take what is free of a fair share; return what is owned beyond one, to be released."""
        if self._slot is None:
            slots = range(_WORKERS)
            self._slot = next(n for n in slots if self._takes(self._me, f"prep.worker.{n}"))
        share = ceil(len(self._names) / self._workers())
        for name in self._names:
            if name not in self._held and len(self._held) < share:
                stack = ExitStack()
                if self._takes(stack, f"prep.view.{name}"):
                    self._held[name] = stack
        return self.held[share:]

    def release(self, name: str) -> None:
        """Let another worker have a view."""
        self._held.pop(name).close()

    def _workers(self) -> int:
        others = (n for n in range(_WORKERS) if n != self._slot)
        return 1 + sum(self._is_taken(f"prep.worker.{number}") for number in others)

    def _is_taken(self, name: str) -> bool:
        # Shared, so that workers who look at the same time do not take each other for its owner.
        with self._home.locked(name, fcntl.LOCK_SH | fcntl.LOCK_NB) as is_free:
            return not is_free

    def _takes(self, stack: ExitStack, name: str) -> bool:
        return stack.enter_context(self._home.locked(name, fcntl.LOCK_EX | fcntl.LOCK_NB))
