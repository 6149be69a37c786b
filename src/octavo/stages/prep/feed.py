"""Rows of new batches, as the second stream brings them: at once, and without a look at the disk.

Which batches there are, and their order, the catalog alone says. The stream saves reading them
again: what it does not have, or has not yet, is in the raw store. It knows nothing of features.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from octavo.definition import Dataset, Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION
from octavo.errors import DataError
from octavo.stores.catalog import Row, now
from octavo.stores.raw import RawStore
from octavo.stores.schemas import from_json
from octavo.streams import Record, Stream
from octavo.streams.topics import accepted

PASSED_ON = 0.3
"""Seconds after their commit for which rows are waited for that have not been passed on yet."""
LOOK = 0.002
"""Seconds between two looks."""
MOST = 64 << 20
"""Bytes that are held of batches that nobody has asked for."""


class Feed:
    """The events of new batches, from now on.

    Parameters
    ----------
    schemas
        What columns the datasets have, as `octavo.stores.schemas` writes them. A feed is made anew
        when these change.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        raw: RawStore,
        stream: Stream,
        schemas: dict[str, dict[str, str]],
    ) -> None:
        self._raw, self._stream = raw, stream
        self._columns = {name: from_json(schema) for name, schema in schemas.items()}
        self._at: dict[str, int] = {}
        """By topic, where to read on."""
        self._held: dict[str, list[Record]] = {}
        """By batch ID, the oldest first."""
        loaded = [dataset for dataset in pipeline.datasets if dataset.name in schemas]
        self._none = {
            dataset.name: raw.events_of(dataset, raw.scan(dataset.name, []).collect())
            for dataset in loaded
        }
        for dataset in pipeline.datasets:
            if dataset.online is not None:
                topic = accepted(dataset)
                stream.create(topic)
                self._at[topic.name] = stream.extents(topic.name)[0].end

    def events(self, dataset: Dataset, batches: Sequence[Row]) -> pl.DataFrame:
        """Return the events of some batches of a dataset in log order, with all columns.

        Batches are asked for once.
        """
        if not batches:
            return self._none[dataset.name]
        found = {batch["batch_id"]: self._passed_on(dataset, batch) for batch in batches}
        lacking = [batch for batch in batches if found[batch["batch_id"]] is None]
        frames = [frame for frame in found.values() if frame is not None]
        if lacking:
            frames.append(self._raw.scan(dataset.name, lacking).collect())
        rows = pl.concat(frames, how="diagonal_relaxed")
        return self._raw.events_of(dataset, rows)

    def _passed_on(self, dataset: Dataset, batch: Row) -> pl.DataFrame | None:
        """Return the rows of a batch if the stream has all of them."""
        if batch["topic"] is None or not batch["rows"]:
            return None
        topic, waited = accepted(dataset).name, 0.0
        age = max(0.0, (now() - batch["committed_at"]) / 1e6)  # clocks jump
        while True:
            records = self._held.get(batch["batch_id"], [])
            if sum(record.rows for record in records) >= batch["rows"]:
                break
            if not self._read(topic):
                if age + waited > PASSED_ON:
                    return None
                time.sleep(LOOK)
                waited += LOOK
        del self._held[batch["batch_id"]]
        rows = pl.concat([pl.read_ipc_stream(record.data) for record in records])
        return (
            _as_stored(rows, self._columns[dataset.name]) if rows.height == batch["rows"] else None
        )

    def _read(self, topic: str) -> bool:
        """Take in what has been passed on; return whether that was anything."""
        try:
            records = self._stream.read(topic, {0: self._at[topic]})
        except DataError:  # removed meanwhile: then it is in the raw store
            self._at[topic] = self._stream.extents(topic)[0].begin
            return True
        for record in records:
            self._held.setdefault(record.metadata["batch_id"], []).append(record)
            self._at[topic] = record.end
        size = sum(len(record.data) for held in self._held.values() for record in held)
        while size > MOST and len(self._held) > 1:
            oldest = self._held.pop(next(iter(self._held)))
            size -= sum(len(record.data) for record in oldest)
        return bool(records)


def _as_stored(rows: pl.DataFrame, columns: Mapping[str, Any]) -> pl.DataFrame:
    """Return rows of one batch with the columns and types that the raw store gives."""
    stored = [
        pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in columns.items()
    ]
    stamps = (EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, "_batch_id")
    return rows.select(*stored, *(name for name in stamps if name not in columns))
