"""Rows that are sent: each block to the stream of its dataset, durable before it is acknowledged.

What is in a row is read later, by the ingestion service; here rows are counted and nothing else. It
knows nothing of HTTP.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
import xxhash

from octavo.definition import Pipeline
from octavo.errors import DataError, DefinitionError
from octavo.stages.ingestion.received import rows_in
from octavo.streams import MOST_ROWS, Block, Place, Stream
from octavo.streams.topics import incoming


class ReusedKeyError(DataError):
    """An idempotency key names other content already."""


class TooManyRowsError(DataError):
    """More rows at once than a block has."""


class Received(NamedTuple):
    """A block that is about to be appended."""

    topic: str
    block: Block


class Receiver:
    """Takes what is sent to the datasets of a pipeline that come by a stream. Thread-safe."""

    def __init__(self, pipeline: Pipeline, stream: Stream) -> None:
        self._known = [dataset.name for dataset in pipeline.datasets]
        self._topics = {d.name: incoming(d) for d in pipeline.datasets if d.online is not None}
        self._stream = stream
        for topic in self._topics.values():
            stream.create(topic)

    @property
    def datasets(self) -> list[str]:
        """The datasets that take rows."""
        return list(self._topics)

    def check(self, dataset: str) -> None:
        """Refuse a dataset that takes no rows.

        Raises
        ------
        DefinitionError
            If there is none of that name, or it comes by no stream.
        """
        if dataset in self._topics:
            return
        if dataset not in self._known:
            raise DefinitionError.unknown("dataset", dataset, self._topics)
        raise DefinitionError(
            f"dataset {dataset!r} comes by no stream.",
            fix="Declare online=ov.Stream() for it, and start `octavo up` again.",
        )

    def block(self, dataset: str, form: str, data: bytes, key: str | None) -> Received:
        """Return what was sent as a block, with its rows counted.

        Raises
        ------
        DataError
            If it cannot be told where its rows begin, or it has no row.
        TooManyRowsError
            If it has more than `MOST_ROWS`.
        """
        topic, metadata = self._topics[dataset], {"format": form}
        found = rows_in(form, data)
        if isinstance(found, pl.DataFrame):
            metadata["schema"] = xxhash.xxh3_64_hexdigest(repr(found.schema).encode())
        partition = xxhash.xxh3_64_intdigest(key.encode() if key else data) % topic.partitions
        rows = len(found)
        if not rows:
            raise DataError("there is no row in it.", fix="Send one or more.")
        if rows > MOST_ROWS:
            fix = f"Send at most {MOST_ROWS:,} at once."
            raise TooManyRowsError(f"there are {rows:,} rows in it.", fix=fix)
        return Received(
            topic.name,
            Block(partition=partition, rows=rows, data=data, key=key, metadata=metadata),
        )

    def append(self, topic: str, blocks: Sequence[Block]) -> list[Place]:
        """Append blocks together; they are durable then."""
        return self._stream.append(topic, blocks)

    def check_key(self, received: Received, place: Place) -> None:
        """Refuse a key that was used for other content.

        Raises
        ------
        ReusedKeyError
            If what is there is not what was sent.
        """
        at = {place.partition: place.offset}
        there = self._stream.read(received.topic, at, max_rows=1)[0]
        if (there.data, _form(there.metadata)) != (
            received.block.data,
            _form(received.block.metadata),
        ):
            raise ReusedKeyError(
                f"the idempotency key {received.block.key!r} was used for other content.",
                fix="Send new content under a new key.",
            )


def _form(metadata: Mapping[str, Any]) -> Any:
    return metadata.get("format")
