"""Stage 6: what is looked at in the chosen candidate, and what it must do to pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.definition.arguments import columns, instance
from octavo.definition.durations import Duration, written
from octavo.definition.fingerprint import Declaration, beside
from octavo.definition.names import unique
from octavo.definition.schedule import Schedule, check_schedule
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Evaluation(Declaration):
    """Groups of rows that the verdict tells of, besides those that evaluation finds itself.

    A group is the rows of one value of a feature; of numbers with many values, of a quarter.
    """

    slices: Sequence[str] = ()
    """Features whose groups are measured one by one."""
    fairness: Sequence[str] = ()
    """Features whose groups should be treated alike, for binary problems: the verdict tells how far
    they are apart in positive answers, errors and calibration. They need not be inputs."""
    schedule: Schedule | None = beside(None)
    """When the newest candidates are judged; None: whenever training has run."""

    def __post_init__(self) -> None:
        check_schedule(self.schedule, where="Evaluation.schedule")
        for name in ("slices", "fairness"):
            where = f"Evaluation.{name}"
            object.__setattr__(self, name, columns(getattr(self, name), where=where))
            unique(getattr(self, name), kind="feature", where=where)


@dataclass(frozen=True, eq=False)
class Gate(Declaration):
    """What the chosen candidate must do on test besides answering the problem."""

    beat_champion_by: float = 0.0
    """By how much its figure must be better than the deployed champion's, on test rows later
    than both trainings; in units of the problem's metric."""
    significant: bool = False
    """Whether being better than the champion (where there is none, than the trivial baseline) must
    be more than chance: p < 0.05 in a paired bootstrap."""
    refuse_leaks: bool = False
    """Whether a suspected leak in its data version keeps it from being deployed."""
    slowest_load: Duration | None = None
    """Time from the start of a clean process to its first prediction, at the most."""
    slowest_answer: Duration | None = None
    """Time for one row that 99 of 100 keep to, at the most; features given."""
    most_memory: float | None = None
    """Megabytes (10⁶ bytes) of a clean process that predicts, at the most."""

    approval: bool = False
    """Whether a person must approve of it before it is deployed: `octavo approve`."""

    def __post_init__(self) -> None:
        instance(self.beat_champion_by, (int, float), where="Gate.beat_champion_by")
        instance(self.significant, bool, where="Gate.significant")
        instance(self.refuse_leaks, bool, where="Gate.refuse_leaks")
        instance(self.approval, bool, where="Gate.approval")
        for name in ("slowest_load", "slowest_answer"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, written(value, where=f"Gate.{name}"))
        if self.most_memory is not None:
            instance(self.most_memory, (int, float), where="Gate.most_memory")
            if not self.most_memory > 0:
                raise DefinitionError(
                    "nothing runs in no memory.",
                    where="Gate.most_memory",
                    fix="Give megabytes, such as 500.",
                )
