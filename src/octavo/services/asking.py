"""Rows that are replayed are predicted first: each is asked for right before it is sent.

What a server has been sent by then was known before, so it answers as it would have. It knows
nothing of timelines.
"""

from typing import Any

import polars as pl

from octavo.services.targets import Server, Target
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
        Have each answer wait until its features have seen all that was sent before.
    """

    def __init__(self, target: Target, server: Server, rows: str, *, wait: bool) -> None:
        self._target, self._server, self._rows, self._wait = target, server, rows, wait
        self._sent: dict[tuple[str, int], dict[str, Any]] = {}
        """The newest of what was sent, by dataset and partition: rows before are seen with it."""
        self._asked = ""
        """The key of the block that was asked for last: it may be offered again."""
        self.predicted = 0
        """Rows that were answered."""

    def __call__(self, dataset: str, data: bytes, key: str) -> Place:
        """Ask for the rows of a block if they are predicted, and hand it on; see `Target`."""
        rows = pl.read_ipc_stream(data)
        if dataset == self._rows and key != self._asked:
            self._server.predict(rows.to_dicts(), list(self._sent.values()) if self._wait else [])
            self._asked = key
            self.predicted += rows.height
        place = self._target(dataset, data, key)
        self._sent[dataset, place.partition] = {
            "dataset": dataset,
            "partition": place.partition,
            "offset": place.offset,
            "rows": rows.height,
        }
        return place
