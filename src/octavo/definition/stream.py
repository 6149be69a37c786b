"""Rows that are sent while they happen as the source of a dataset.

It knows nothing of how they travel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from octavo.definition.arguments import columns, instance, whole_number
from octavo.definition.durations import Duration, microseconds, written
from octavo.definition.names import check_name
from octavo.definition.nested import Nested
from octavo.definition.source import Source
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Stream(Source):
    """Rows that are sent while they happen, over HTTP: JSON, NDJSON or Arrow.

    What is sent waits in the topic ``incoming.NAME`` until the ingestion service has taken it into
    the raw store; what it accepted is in ``accepted.NAME``. A micro-batch is one batch.
    """

    name: str | None = None
    """What the two topics are called after; None: the dataset."""
    partitions: int = 1
    """Of ``incoming.NAME``; fixed as long as the topic is there."""
    rows: int = 50_000
    """So many rows make a micro-batch, more or less."""
    age: Duration = "1s"
    """How long rows wait for others to come."""
    keep: Duration = "7d"
    """How long the topics keep what was read of them, and with it idempotency keys."""
    backlog: int = 1 << 30
    """Bytes that may wait to be ingested; from there on senders are told to wait."""
    columns: Sequence[str] | None = None
    """The columns to take, None for all of them."""
    nested: Nested = field(default_factory=Nested)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.columns is not None:
            object.__setattr__(self, "columns", columns(self.columns, where="Stream.columns"))
        instance(self.nested, Nested, where="Stream.nested")
        if self.name is not None:
            check_name(self.name, where="Stream.name")
        for name in ("partitions", "rows", "backlog"):
            whole_number(getattr(self, name), least=1, where=f"Stream.{name}")
        for name in ("age", "keep"):
            text = written(getattr(self, name), where=f"Stream.{name}")
            object.__setattr__(self, name, text)
        if self.nested.rows is not None:
            raise DefinitionError(
                "a row that is sent has one place in the stream, and would become several.",
                where="Stream.nested",
                fix="Send each element of the list as a row; Nested(rows=…) is for files.",
            )

    @property
    def oldest(self) -> float:
        """`age` in seconds."""
        return microseconds(self.age, where="Stream.age") / 1e6

    @property
    def kept(self) -> float:
        """`keep` in seconds."""
        return microseconds(self.keep, where="Stream.keep") / 1e6
