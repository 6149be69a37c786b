"""Following what is deployed: a new deployment, or new feature groups, are served within seconds.

What answers is replaced as a whole, when its successor is loaded and warm; a request that has begun
is answered by what it began with. It knows nothing of wires.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from octavo.errors import OctavoError
from octavo.services.serving import Scorer
from octavo.stores.catalog import Catalog

EVERY = 1.0
"""Seconds between two looks."""


class Refreshing:
    """Looks, in a thread of its own, whether something else is to answer.

    Parameters
    ----------
    load
        Gives the scorer of what is deployed, warm.
    use
        Takes a new one.
    tell
        Is told why what is new cannot be served; what was there goes on to answer.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[], Scorer],
        use: Callable[[Scorer], None],
        tell: Callable[[str], None],
    ) -> None:
        self._catalog, self._load, self._use, self._tell = catalog, load, use, tell
        self._seen = self._state()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="refreshing", daemon=True)
        self._thread.start()

    def _state(self) -> tuple[Any, Sequence[str]]:
        live = self._catalog.live_deployment()
        groups = sorted(group["group_id"] for group in self._catalog.live_groups())
        return live and live["deployment_id"], groups

    def _work(self) -> None:
        told = ""
        while not self._stop.wait(EVERY):
            try:
                self.look()
            except OctavoError as error:
                if str(error) != told:
                    told = str(error)
                    self._tell(told)

    def look(self) -> None:
        """Look once."""
        state = self._state()
        if state != self._seen and state[0] is not None:
            self._use(self._load())
            self._seen = state

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
