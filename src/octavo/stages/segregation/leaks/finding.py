"""What is examined for leaks, and what is found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

KINDS = (
    "target copy",
    "encoding fitted on all rows",
    "post-event column",
    "future-dated join",
    "order proxy",
    "noisy proxy",
    "duplicate rows",
    "entity overlap",
    "scaling fitted on all rows",
)
"""The surest first."""


@dataclass(frozen=True)
class Leak:
    """One finding."""

    kind: str
    """One of `KINDS`."""
    columns: tuple[str, ...]
    what: str
    """What was seen, a sentence."""
    fix: str
    """The next step."""

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.kind}: {self.what} {self.fix}"


@dataclass(frozen=True)
class Whole:
    """All rows of a table, for what holds over all of them alone; read a column at a time."""

    label: pl.Series
    """Of each row; null where it is not known."""
    parts: pl.Series | None
    """As `Examined.parts`."""
    columns: Sequence[str]
    """Those that can be read, features among them; all are in ``frame`` too."""
    column: Callable[[str], pl.Series]
    """Reads one of them, of all rows."""


@dataclass(frozen=True)
class Examined:
    """A table to look for leaks in."""

    frame: pl.DataFrame
    """Labeled and unlabeled rows, in the order in which they came or happened; of a large table
    some that were drawn."""
    label: str
    features: Sequence[str]
    """Columns that a model would see."""
    is_number: bool = False
    """Whether the label is a number to be predicted, not a class."""
    parts: pl.Series | None = None
    """``train``, ``validation``, ``test`` or null for each row; None: not divided yet."""
    time: str | None = None
    """The column with the moment from which each row's features must be known."""
    entity: Sequence[str] = ()
    """The columns that identify what a row is about, where rows of one should stay together."""
    grouped: bool = False
    """Whether the split promises that they do."""
    dated: Mapping[str, str] = field(default_factory=dict)
    """For features joined from elsewhere: the column with the time of what was joined."""
    whole: Whole | None = None
    """All rows; None: those of ``frame``."""

    @property
    def all_rows(self) -> Whole:
        """All rows, wherever they are."""
        frame = self.frame
        return self.whole or Whole(frame[self.label], self.parts, frame.columns, frame.get_column)
