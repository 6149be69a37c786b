"""The label: what came true, and when that could be known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from octavo.definition.arguments import columns, instance
from octavo.definition.dataset import Dataset
from octavo.definition.durations import Duration, written
from octavo.definition.expressions import check_row_expression
from octavo.definition.fingerprint import BY_NAME, Declaration
from octavo.definition.names import check_name
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Label(Declaration):
    """The outcome of a row, found in a dataset by event ID.

    A row is labeled if its label was known at the data version's clock.
    """

    name: str
    of: Dataset = field(metadata=BY_NAME)
    """The dataset that tells the outcome."""
    value: pl.Expr
    """The outcome, from one row of ``of``; null means not known."""
    on: str | Sequence[str] | None = None
    """The columns, in both datasets, by which an outcome meets its row: the rows' event ID. None:
    ``of`` are the predicted rows themselves, each of which tells its own outcome."""
    mature_after: Duration | None = None
    """How long after the row's event time a missing outcome counts as ``absent``."""
    absent: Any = "unknown"
    """What a mature row without an outcome is: unlabeled (``"unknown"``) or this value."""

    def __post_init__(self) -> None:
        check_name(self.name, where="Label.name")
        where = f"Label {self.name!r}"
        instance(self.of, Dataset, where=f"{where}.of")
        object.__setattr__(self, "on", columns(self.on or (), where=f"{where}.on"))
        check_row_expression(self.value, where=f"{where}.value")
        if self.absent is None or isinstance(self.absent, pl.Expr):
            raise DefinitionError(
                "absent= is no plain value.", where=where, fix="Write absent=False, or a number."
            )
        if (self.absent == "unknown") != (self.mature_after is None):
            raise DefinitionError(
                "absent= and mature_after= are of use only together.",
                where=where,
                fix='Give both, e.g. absent=False, mature_after="30d", or neither.',
            )
        if self.mature_after is not None:
            after = written(self.mature_after, where=f"{where}.mature_after")
            object.__setattr__(self, "mature_after", after)
