"""Following what is deployed: a new deployment, or new feature groups, are served within seconds.

What answers is replaced as a whole, when its successor is loaded and warm; a request that has begun
is answered by what it began with. It knows nothing of wires.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from octavo.services.serving import Scorer
from octavo.stores.catalog import Catalog

EVERY = 0.2
"""Seconds between two looks: two queries of the catalog, about a millisecond."""

State = tuple[Any, Sequence[str]]
"""The deployment, None if there is none, and the groups of features."""


def deployed(catalog: Catalog) -> State:
    """Return what there is to answer with now."""
    live = catalog.live_deployment()
    groups = sorted(group["group_id"] for group in catalog.live_groups())
    return live and live["deployment_id"], groups


class Refreshing:
    """Looks, in a thread of its own, whether something else is to answer.

    Parameters
    ----------
    seen
        What was `deployed` before that was loaded which answers now.
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
        seen: State,
        load: Callable[[], Scorer],
        use: Callable[[Scorer], None],
        tell: Callable[[str], None],
    ) -> None:
        self._catalog, self._load, self._use, self._tell = catalog, load, use, tell
        self._seen = seen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="refreshing", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  whatever it is, the next look may succeed
                self._tell(str(error))

    def look(self) -> None:
        """Look once."""
        state = deployed(self._catalog)
        if state != self._seen and state[0] is not None:
            self._use(self._load())
            self._seen = state

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
