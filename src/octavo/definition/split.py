"""Stage 4: how rows are divided into train, validation and test: rules, not copies."""

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.definition.arguments import columns, instance, whole_number
from octavo.definition.durations import Duration, written
from octavo.definition.fingerprint import Declaration
from octavo.errors import DefinitionError

PARTS = ("train", "validation", "test")


def _check_folds(split: "Split") -> None:
    where = type(split).__name__
    whole_number(split.folds, least=1, where=f"{where}.folds")
    if split.train - (split.folds - 1) * split.validation <= 1e-9:
        raise DefinitionError(
            f"{split.folds} folds begin before there is anything to train on: each takes "
            f"{split.validation:g} off train, which is {split.train:g}.",
            where=f"{where}.folds",
            fix="Use fewer folds, or a smaller share for validation.",
        )


def _check_shares(split: "Split") -> None:
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

    ``gap`` and ``purge`` keep training from what validation and test are about. Source: López de
    Prado, Advances in Financial Machine Learning (2018), chapter 7, of purging and embargo.
    """

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    gap: Duration = "0s"
    """Time left unused before each cut, so that no outcome of the newer part was under way while
    the older one was still being observed."""
    purge: bool = True
    """Whether labeled rows are left out whose label was not settled in time: for train at the cut,
    since nobody could have learned from it then; for validation and test at the data version's
    clock. A label is settled when it is known and, with ``Label.mature_after``, the row is mature:
    of immature rows only those with an early outcome are labeled, which are no fair sample."""
    folds: int = 1
    """How many times the search validates, with a rolling origin: the last fold is train and
    validation; each earlier one ends ``validation`` earlier."""
    sliding: Duration | None = None
    """How far back training reaches; None: to the beginning."""

    def __post_init__(self) -> None:
        _check_shares(self)
        object.__setattr__(self, "gap", written(self.gap, where="SplitByTime.gap"))
        instance(self.purge, bool, where="SplitByTime.purge")
        _check_folds(self)
        if self.sliding is not None:
            sliding = written(self.sliding, where="SplitByTime.sliding")
            object.__setattr__(self, "sliding", sliding)
            if sliding == "0s":
                raise DefinitionError(
                    "nothing is left to train on.",
                    where="SplitByTime.sliding",
                    fix='sliding="90d".',
                )


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
    folds: int = 1
    """How many times the search validates: the last fold is train and validation; in each earlier
    one as many of the entities of train, others each time, change places with validation."""

    def __post_init__(self) -> None:
        _check_shares(self)
        _check_folds(self)
        entity = columns(self.entity, where="SplitByHash.entity")
        if not entity:
            raise DefinitionError("no entity is named.", where="SplitByHash", fix="Name a column.")
        object.__setattr__(self, "entity", entity)


@dataclass(frozen=True, eq=False)
class SplitStratified(Declaration):
    """Each class is divided in the same shares, for rows that have neither time nor entity.

    Rows of a class are ordered by a stable hash of their event ID, and the order is cut. When rows
    are added the order stays and the cuts move a little: of n rows of a class a few, in the order
    of √n, change their part.
    """

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    bins: int = 10
    """For regression: the classes are that many quantiles of the target."""
    entity: str | Sequence[str] = ()
    """Columns of the predicted rows that identify an entity, whose rows are to stay together. Then
    entities are divided, each as one of the rarest class among its rows (for regression: of the
    bin of its mean), and the shares of rows are as equal as entities allow."""
    salt: str = ""
    """Another salt gives another division."""
    folds: int = 1
    """How many times the search validates: the last fold is train and validation; in each earlier
    one as many rows of train, others each time, change places with validation."""

    def __post_init__(self) -> None:
        _check_shares(self)
        _check_folds(self)
        whole_number(self.bins, least=2, where="SplitStratified.bins")
        entity = columns(self.entity, where="SplitStratified.entity")
        object.__setattr__(self, "entity", entity)


Split = SplitByTime | SplitByHash | SplitStratified


def split_entity(split: Split) -> tuple[str, ...]:
    """Return the columns whose rows a split keeps together; none for a split by time."""
    return () if isinstance(split, SplitByTime) else tuple(split.entity)
