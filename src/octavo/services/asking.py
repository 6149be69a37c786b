"""Rows that are replayed are predicted first: each is asked for right before it is sent.

What a server has been sent by then was known before, so it answers as it would have. It knows
nothing of timelines.
"""

from typing import Any

import polars as pl

from octavo.services.targets import Server, Target, as_arrow
from octavo.streams import Place


class Asking:
    """A target that has a server predict rows before they are sent to it; see `Target`.

    Parameters
    ----------
    target
        Where rows go.
    server
        Of whom it is asked.
    rows
        The dataset whose rows are predicted.
    wait
        Have each answer wait until its features have seen all that was sent before. Rows are sent
        one by one then: nothing comes between the question and its row.
    """

    def __init__(self, target: Target, server: Server, rows: str, *, wait: bool) -> None:
        self._target, self._server, self._rows, self._wait = target, server, rows, wait
        self._sent: dict[tuple[str, int], dict[str, Any]] = {}
        """The newest of what was sent, by dataset and partition: rows before are seen with it."""
        self._asked: set[str] = set()
        """The parts of the block under way that were asked for: it may be offered again."""
        self.predicted = 0
        """Rows that were answered."""

    def __call__(self, dataset: str, data: bytes, key: str) -> Place:
        """Ask for the rows of a block if they are predicted, and hand it on; see `Target`."""
        rows = pl.read_ipc_stream(data)
        if dataset != self._rows:
            return self._handed_on(dataset, rows, data, key)
        if not self._wait:
            self._ask(rows, key)
            place = self._handed_on(dataset, rows, data, key)
        else:
            places = []
            for number, row in enumerate(rows.iter_slices(1)):
                self._ask(row, part := f"{key}#{number}")
                places.append(self._handed_on(dataset, row, as_arrow(row), part))
            repeated = all(each.repeated for each in places)
            place = places[-1]._replace(repeated=repeated)
        self._asked.clear()
        return place

    def _ask(self, rows: pl.DataFrame, key: str) -> None:
        if key in self._asked:
            return
        self._server.predict(rows.to_dicts(), list(self._sent.values()) if self._wait else [])
        self._asked.add(key)
        self.predicted += rows.height

    def _handed_on(self, dataset: str, rows: pl.DataFrame, data: bytes, key: str) -> Place:
        place = self._target(dataset, data, key)
        self._sent[dataset, place.partition] = {
            "dataset": dataset,
            "partition": place.partition,
            "offset": place.offset,
            "rows": rows.height,
        }
        return place
