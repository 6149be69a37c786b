"""Stage 4: how rows are divided into train, validation and test: rules, not copies."""

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.definition.arguments import columns, instance
from octavo.definition.durations import Duration, written
from octavo.definition.fingerprint import Declaration
from octavo.errors import DefinitionError

PARTS = ("train", "validation", "test")


def _check_shares(split: "SplitByTime | SplitByHash") -> None:
    where = type(split).__name__
    shares = (split.train, split.validation, split.test)
    for share in shares:
        instance(share, (int, float), where=where)
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise DefinitionError(
            f"train, validation and test are {shares}: not three shares of one whole.",
            where=where,
            fix="Give three fractions above 0 that sum to 1, such as 0.7, 0.15, 0.15.",
        )


@dataclass(frozen=True, eq=False)
class SplitByTime(Declaration):
    """Oldest rows train, newer ones validate, the newest test; shares are of the labeled rows.

    ``gap`` is left unused before each cut, so that no outcome of the newer part was under way
    while the older one was still being observed.
    """

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    gap: Duration = "0s"

    def __post_init__(self) -> None:
        _check_shares(self)
        object.__setattr__(self, "gap", written(self.gap, where="SplitByTime.gap"))


@dataclass(frozen=True, eq=False)
class SplitByHash(Declaration):
    """Entities are divided by a stable hash.

    All rows of one entity fall into one part, and stay there when rows are added.
    """

    entity: str | Sequence[str]
    """Columns of the predicted rows that identify the entity."""
    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    salt: str = ""
    """Another salt gives another division."""

    def __post_init__(self) -> None:
        _check_shares(self)
        entity = columns(self.entity, where="SplitByHash.entity")
        if not entity:
            raise DefinitionError("no entity is named.", where="SplitByHash", fix="Name a column.")
        object.__setattr__(self, "entity", entity)
