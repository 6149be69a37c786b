"""Which topics there are: of a dataset that comes by a stream, and of predictions.

A dataset has two, of rows as they were received and as they were accepted.
Who sends rows, who ingests them and who reads on must agree on these, and on nothing else.
"""

from octavo.definition import Dataset, Stream
from octavo.streams.contract import Retention, Topic

GROUP = "ingestion"
"""The consumer group that takes rows of ``incoming.NAME`` into the raw store."""

COLLECTORS = "collectors"
"""The consumer group that takes predictions into their table."""
_KEPT = 60.0  # seconds: whoever sends what a killed process has left has looked by then
_BACKLOG = 1 << 30


def incoming(dataset: Dataset) -> Topic:
    """Return the topic of rows as they were received; each has a place in the raw store."""
    stream = _stream(dataset)
    return Topic(
        f"incoming.{_name(dataset)}",
        stream.partitions,
        Retention(stream.kept),
        bound=stream.backlog,
        groups=(GROUP,),
    )


def accepted(dataset: Dataset) -> Topic:
    """Return the topic of accepted rows: Arrow IPC, source columns and stamps, a batch a block."""
    return Topic(f"accepted.{_name(dataset)}", retention=Retention(_stream(dataset).kept))


def predictions() -> Topic:
    """Return the topic of predictions that were answered; a block is a segment of a journal."""
    return Topic("predictions", retention=Retention(_KEPT), bound=_BACKLOG, groups=(COLLECTORS,))


def _name(dataset: Dataset) -> str:
    return _stream(dataset).name or dataset.name


def _stream(dataset: Dataset) -> Stream:
    assert dataset.online is not None, "only a dataset that comes by a stream has topics"
    return dataset.online
