"""When a part of the pipeline is due: declared here, acted on by the scheduler of ``octavo up``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from octavo.definition.arguments import whole_number
from octavo.definition.durations import MICROSECONDS, Duration, microseconds, written
from octavo.definition.fingerprint import Declaration
from octavo.definition.names import one_of
from octavo.errors import DefinitionError

DATA, UPSTREAM, DRIFT, MANUAL = "data", "upstream", "drift", "manual"
SKIP, ONCE, ALL = "skip", "once", "all"
Moment = str | date | datetime
"""A day, or a time of a day, on the clocks of the schedule's zone."""

_TWICE = 'Give one of cron="0 * * * *", every="1h" and on="data".'
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, eq=False)
class Schedule(Declaration):
    """When a dataset is ingested, a view prepped, or a later stage run.

    It changes no data, so it changes no fingerprint. What has no schedule follows what comes before
    it; see ``docs/schedules.md``. The scheduler of ``octavo up`` acts on it.

    Examples
    --------
    >>> Schedule(cron="30 2 * * *", zone="Europe/Zurich").cron
    '30 2 * * *'
    >>> Schedule(every="90m").every
    '1h30m'
    >>> Schedule(on="upstream", hours=("22:00", "06:00"), blackouts=["2026-12-24"]).blackouts
    (('2026-12-24', '2026-12-24'),)

    Raises
    ------
    DefinitionError
        If not exactly one of ``cron``, ``every`` and ``on`` is given, or something cannot be read.
    """

    cron: str | None = None
    """Minute, hour, day of the month, month, day of the week, as Debian's cron reads them. A time
    that clocks leave out in spring is due right after the change, one that they show twice in
    autumn is due once; expressions with a ``*`` for minute or hour go by the clock as it is."""
    every: Duration | None = None
    """How much later the next time is, at least a second; the first is when a scheduler begins."""
    on: str | None = None
    """``data``: files are offered that are not ingested; ``upstream``: what the stage reads was
    renewed; ``drift``: the same, and nothing is live yet, or monitoring found that what is live
    sees other data than it learned from; ``manual``: somebody asks (`octavo schedule run-now`)."""
    zone: str = "UTC"
    """The time zone of all that is said here, such as ``"Europe/Zurich"``."""
    from_: Moment | None = None
    """The first day, or time, at which it is due."""
    until: Moment | None = None
    """The last day, or the time from which it is due no more."""
    hours: Sequence[str | time] | None = None
    """The hours of a day in which it is due, ``("22:00", "06:00")``: from, to before."""
    blackouts: Sequence[Moment | Sequence[Moment]] = ()
    """Days, or pairs of a first and a last day or time, in which nothing begins; what is due then
    is missed."""
    missed: str = ONCE
    """What becomes of times at which it could not begin, since nothing ran, or something else did:
    ``skip`` them, run ``once`` for all of them, or run for ``all``, one after the other."""
    retries: int = 0
    """How often a run that failed is tried again."""
    backoff: Duration = "1m"
    """How long it waits for that; twice as long each time, a day at the most."""

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.cron, self.every, self.on)) != 1:
            raise DefinitionError(
                "when it is due is not said exactly once.", where="Schedule", fix=_TWICE
            )
        if self.every is not None:
            self._set("every", _interval(self.every))
        if self.cron is not None:
            self._set("cron", _expression(self.cron))
        if self.on is not None:
            one_of(self.on, (DATA, UPSTREAM, DRIFT, MANUAL), where="Schedule.on")
        _check_zone(self.zone)
        for name in ("from_", "until"):
            value = getattr(self, name)
            self._set(name, None if value is None else _moment(value, f"Schedule.{name}"))
        self._set("hours", None if self.hours is None else _hours(self.hours))
        self._set("blackouts", tuple(map(_blackout, _listed(self.blackouts))))
        one_of(self.missed, (SKIP, ONCE, ALL), where="Schedule.missed")
        whole_number(self.retries, least=0, where="Schedule.retries")
        self._set("backoff", written(self.backoff, where="Schedule.backoff"))
        begins, ends = self.begins, self.ends
        if begins and ends and begins >= ends:
            raise DefinitionError(
                "it ends before it begins.", where="Schedule.until", fix="Give a later day."
            )

    @property
    def begins(self) -> datetime | None:
        """The clock time of ``from_``."""
        return None if self.from_ is None else _begin(self.from_)

    @property
    def ends(self) -> datetime | None:
        """The last clock time of ``until``."""
        return None if self.until is None else _end(self.until)

    @property
    def opens(self) -> tuple[time, time] | None:
        """The two clock times of ``hours``."""
        if self.hours is None:
            return None
        first, last = (time.fromisoformat(str(each)) for each in self.hours)
        return first, last

    @property
    def dark(self) -> list[tuple[datetime, datetime]]:
        """The first and the last clock time of each of the ``blackouts``."""
        return [(_begin(first), _end(last)) for first, last in self.blackouts]  # type: ignore[misc]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _begin(moment: object) -> datetime:
    """Return the clock time at which a day, or a time, begins; it is written as `_moment` does."""
    return datetime.fromisoformat(str(moment))


def _end(moment: object) -> datetime:
    """Return the last clock time of a day; of a time, itself."""
    found = _begin(moment)
    return found if "T" in str(moment) else datetime.combine(found.date(), time.max)


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
            '"0 * * * *" is every hour, "30 6 * * MON" Mondays at 6:30.',
        ) from error
    return " ".join(fields)


def _check_zone(zone: object) -> None:
    try:
        ZoneInfo(zone)  # type: ignore[arg-type]
    except (LookupError, ValueError, TypeError, OSError) as error:
        raise DefinitionError(
            f"there is no time zone {zone!r}.",
            where="Schedule.zone",
            fix='Name one: zone="Europe/Zurich".',
        ) from error


def _moment(value: object, where: str) -> str:
    """Return a day as ``2026-12-24``, a time as ``2026-12-24T18:00:00``."""
    try:
        if isinstance(value, str):
            has_time = "T" in value or " " in value
            value = datetime.fromisoformat(value) if has_time else date.fromisoformat(value)
        if isinstance(value, datetime) and value.tzinfo is not None:
            raise ValueError("it has a zone of its own")
        assert isinstance(value, date)
        return value.isoformat()
    except (ValueError, AssertionError) as error:
        raise DefinitionError(
            f"{value!r} is neither a day nor a time on the clocks of the zone.",
            where=where,
            fix='Write "2026-12-24", or "2026-12-24T18:00".',
        ) from error


def _hours(hours: object) -> tuple[str, str]:
    given = [*hours] if isinstance(hours, list | tuple) else []
    told = [f"{each:%H:%M}" if isinstance(each, time) else each for each in given]
    right = all(isinstance(each, str) and _CLOCK.fullmatch(each) for each in told)
    if not right or len(told) != 2 or told[0] == told[1]:
        raise DefinitionError(
            f"{hours!r} are no hours of a day.",
            where="Schedule.hours",
            fix='Write from and to: hours=("22:00", "06:00").',
        )
    return told[0], told[1]


def _listed(blackouts: object) -> Sequence[object]:
    if not isinstance(blackouts, list | tuple):
        raise DefinitionError(
            f"{blackouts!r} is not a list.",
            where="Schedule.blackouts",
            fix='Write blackouts=["2026-12-25", ("2026-12-31", "2027-01-02")].',
        )
    return blackouts


def _blackout(given: object) -> tuple[str, str]:
    pair = given if isinstance(given, list | tuple) else (given, given)
    where = "Schedule.blackouts"
    if len(pair) != 2:
        raise DefinitionError(
            f"{given!r} is no pair.", where=where, fix="Give a first and a last day."
        )
    first, last = (_moment(each, where) for each in pair)
    if _begin(first) >= _end(last):
        raise DefinitionError(
            f"{last} is not after {first}.", where=where, fix="Give the first, then the last."
        )
    return first, last


def check_schedule(value: object, *, where: str, on: Sequence[str] = (UPSTREAM,)) -> None:
    """Refuse what is neither a schedule nor None, or is due on what there cannot be.

    Parameters
    ----------
    on
        What can set it off: `DATA` for a dataset, `UPSTREAM` for what reads what others leave.
    """
    if value is not None and not isinstance(value, Schedule):
        raise DefinitionError(
            f"{value!r} is not a schedule.", where=where, fix='Write ov.Schedule(every="1h").'
        )
    if value is None or value.on in (None, MANUAL, *on):
        return
    what = "nothing comes before a dataset" if DATA in on else "only datasets wait for data"
    if value.on == DRIFT:
        what = "training alone follows drift"
    raise DefinitionError(
        f"on={value.on!r} cannot be: {what}.", where=where, fix=f'Write ov.Schedule(on="{on[0]}").'
    )
