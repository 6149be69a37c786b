"""When a part of the pipeline is due. Kept with the definition; nothing acts on it yet."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from octavo.definition.durations import MICROSECONDS, Duration, microseconds, written
from octavo.definition.fingerprint import Declaration
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Schedule(Declaration):
    """When a dataset is ingested, a model trained, or the deployment watched.

    It is stored with the definition and changes no data, so it changes no fingerprint. **Nothing
    acts on it yet**: there is no scheduling service, and stages run when ``octavo run`` is called.

    Examples
    --------
    >>> Schedule(cron="0 * * * *")
    Schedule(cron='0 * * * *', every=None)
    >>> Schedule(every="90m")
    Schedule(cron=None, every='1h30m')

    Raises
    ------
    DefinitionError
        If not exactly one of the two is given, or it cannot be read.
    """

    cron: str | None = None
    """Minute, hour, day of the month, month, day of the week, in UTC, as Debian's cron reads
    them."""
    every: Duration | None = None
    """How much later the next time is, at least a second."""

    def __post_init__(self) -> None:
        if (self.cron is None) == (self.every is None):
            raise DefinitionError(
                "when it is due is not said exactly once.",
                where="Schedule",
                fix='Give either cron="0 * * * *" or every="1h".',
            )
        if self.every is not None:
            object.__setattr__(self, "every", _interval(self.every))
        else:
            object.__setattr__(self, "cron", _expression(self.cron))


def _interval(every: Duration) -> str:
    text = written(every, where="Schedule.every")
    if microseconds(text, where="Schedule.every") < MICROSECONDS["s"]:
        raise DefinitionError(
            f"{text} is less than a second.", where="Schedule.every", fix='Write "1m", "1h", "1d".'
        )
    return text


def _expression(cron: object) -> str:
    """Return a cron expression with single spaces between its fields."""
    fields = cron.split() if isinstance(cron, str) else []
    try:
        if len(fields) != 5:
            raise CronSimError("Wrong number of fields")
        CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        why = str(error).replace("Bad", "bad").replace("Wrong", "wrong")
        raise DefinitionError(
            f"{cron!r} is not a cron expression: {why}.",
            where="Schedule.cron",
            fix="Write minute, hour, day of the month, month, day of the week: "
            '"0 * * * *" is every hour, "30 6 * * MON" Mondays at 6:30 UTC.',
        ) from error
    return " ".join(fields)


def check_schedule(value: object, *, where: str) -> None:
    """Refuse what is neither a schedule nor None."""
    if value is not None and not isinstance(value, Schedule):
        raise DefinitionError(
            f"{value!r} is not a schedule.", where=where, fix='Write ov.Schedule(every="1h").'
        )
