"""Answering only when the features have seen certain rows: those that their sender has just sent.

It knows nothing of wires.
"""

import time
from collections.abc import Sequence

import sqlalchemy as sa

from octavo.definition import Pipeline
from octavo.errors import DataError, ResourceError
from octavo.services.requests import Mark
from octavo.stages.prep.request_time import OnlineFeatures
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.streams.topics import incoming

LONGEST = 10.0
"""Seconds to wait."""
LOOK = 0.002
"""Seconds between two looks."""


class BehindError(ResourceError):
    """Features have not seen in time what they were to see."""


def wait_for(
    marks: Sequence[Mark], pipeline: Pipeline, catalog: Catalog, features: OnlineFeatures
) -> None:
    """Return when features have seen some rows.

    Raises
    ------
    DataError
        If a mark names no dataset that comes by a stream, or rows that cannot have been sent.
    BehindError
        If that takes longer than `LONGEST`.
    """
    until = time.monotonic() + LONGEST
    queries = [_batch_of(mark, pipeline) for mark in marks]
    for query in queries:
        while (batch := catalog.one(query)) is None:
            _pause(until, "is not ingested")
        # No state: all that is asked comes with the request.
        while features.offset is not None and features.offset < batch["sequence"]:
            _pause(until, "is not in the features")


def _batch_of(mark: Mark, pipeline: Pipeline) -> sa.Select[tuple[int]]:
    """Return the query for the batch that the last of some rows is in, once it is committed."""
    online = {each.name: each for each in pipeline.datasets if each.online is not None}
    if mark.dataset not in online or mark.offset < 0 or mark.rows < 1:
        raise DataError(
            f"it names no rows that were sent: {mark.dataset!r}, offset {mark.offset}.",
            where="wait_for",
            fix="Give what POST /v1/datasets/{name}/events has answered.",
        )
    table = tables.batches
    here = (table.c.topic == incoming(online[mark.dataset]).name) & (
        table.c.partition == mark.partition
    )
    holds = here & (table.c.end_offset >= mark.offset + mark.rows) & (table.c.state != "planned")
    return sa.select(table.c.sequence).where(holds).order_by(table.c.end_offset)


def _pause(until: float, what: str) -> None:
    if time.monotonic() > until:
        raise BehindError(
            f"what is waited for {what} after {LONGEST:g} s.",
            where="wait_for",
            fix="Ask again; `octavo status` shows how far behind the services are, "
            "and whether they run.",
        )
    time.sleep(LOOK)
