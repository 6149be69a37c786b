"""Tables as users bring them: those of scikit-learn, and twenty that are hard to take."""

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl


class Given(NamedTuple):
    """Data and what is asked of them."""

    frame: pl.DataFrame
    target: str
    options: tuple[str, ...] = ()


def bundled(name: str) -> Given:
    """Return a data set that comes with scikit-learn."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    columns = {str(n): loaded.data[:, i] for i, n in enumerate(loaded.feature_names)}
    target = np.asarray(loaded.target)
    if target.ndim == 2:  # linnerud has three targets: one is chosen
        columns |= {str(n): target[:, i] for i, n in enumerate(loaded.target_names)}
        return Given(pl.DataFrame(columns), "Waist")
    names = getattr(loaded, "target_names", None)
    if names is not None and name != "digits":
        target = np.asarray([str(names[t]) for t in target])
    return Given(pl.DataFrame(columns).with_columns(pl.Series("target", target)), "target")


def _base(rows: int = 400, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=rows), rng.normal(size=rows)
    return pl.DataFrame(
        {
            "x": x,
            "z": z,
            "colour": rng.choice(["red", "green", "blue"], rows),
            "sold": (x + rng.normal(size=rows) * 0.5 > 0.3),
        }
    )


def _times(rows: int, *, every: str = "1h") -> pl.Series:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return pl.datetime_range(
        start, start + dt.timedelta(days=9999), every, eager=True, time_unit="us"
    ).head(rows)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def all_null_and_constant() -> Given:
    frame = _base().with_columns(
        pl.lit(None, pl.String).alias("nothing"),
        pl.lit(7).alias("seven"),
        pl.lit("same").alias("word"),
        pl.lit(0.0).alias("zero"),
    )
    return Given(frame, "sold")


def ten_thousand_categories() -> Given:
    rng = _rng(2)
    rows = 20_000
    frame = _base(rows).with_columns(
        pl.Series("product", [f"p{n:05}" for n in rng.integers(0, 10_000, rows)])
    )
    return Given(frame, "sold")


def mixed_types() -> Given:
    frame = _base()
    odd = [str(i) if i % 3 else ("n/a!" if i % 2 else "12,5 kg") for i in range(frame.height)]
    return Given(frame.with_columns(pl.Series("mixed", odd)), "sold")


def infinities() -> Given:
    frame = _base()
    x = frame["x"].to_numpy().copy()
    x[::17], x[::23], x[::29] = math.inf, -math.inf, math.nan
    y = frame["z"].to_numpy() * 3 + frame["x"].to_numpy()
    y[::31] = math.inf
    return Given(frame.with_columns(pl.Series("x", x), pl.Series("price", y)), "price")


def one_row_per_class() -> Given:
    frame = _base(60)
    return Given(frame.with_columns(pl.Series("kind", [f"k{i}" for i in range(60)])), "kind")


def rare_classes() -> Given:
    rng = _rng(3)
    frame = _base(600)
    kinds = np.where(frame["x"].to_numpy() > 0, "high", "low").astype(object)
    kinds[rng.integers(0, 600, 5)] = [f"odd{i}" for i in range(5)]
    return Given(frame.with_columns(pl.Series("kind", [str(k) for k in kinds])), "kind")


def unicode_names() -> Given:
    frame = _base().rename({"x": "Größe (cm)", "z": "重量", "colour": "couleur préférée"})
    return Given(frame.rename({"sold": "продано?"}), "продано?")


def hard_names() -> Given:
    names = {"x": 'a "quoted" name', "z": "class", "colour": "__dunder__", "sold": "1st"}
    frame = _base().rename(names).with_columns(
        pl.col("class").alias("_hidden"), (pl.col("class") * 2).alias("back\\slash"),
        pl.col("class").alias("{braces}"),
    )  # fmt: skip
    return Given(frame, "1st")


def empty_names() -> Given:
    return Given(_base().rename({"x": "", "z": " "}), "sold")


def two_thousand_columns() -> Given:
    rng = _rng(4)
    rows = 300
    wide = rng.normal(size=(rows, 2000))
    frame = pl.DataFrame({f"f{i}": wide[:, i] for i in range(2000)})
    return Given(frame.with_columns(pl.Series("y", wide[:, 5] + wide[:, 77])), "y")


def missing_targets() -> Given:
    frame = _base()
    some = pl.when(pl.int_range(pl.len()) % 3 != 0).then(pl.col("sold").cast(pl.Int64))
    return Given(frame.with_columns(some.alias("sold")), "sold")


def numbered_classes() -> Given:
    frame = _base(900)
    rank = (frame["x"] > 0).cast(pl.Int64) + (frame["z"] > 0).cast(pl.Int64)
    return Given(frame.with_columns((rank + 1).alias("stars")), "stars")


def events_of_customers() -> Given:
    rng = _rng(5)
    rows = 1500
    who = rng.integers(0, 60, rows)
    habit = rng.random(60)
    frame = pl.DataFrame(
        {
            "order_id": np.arange(rows) + 1000,
            "ordered_at": _times(rows),
            "customer_id": [f"c{n:02}" for n in who],
            "amount": rng.gamma(2.0, 20.0, rows),
            "returned": np.where(rng.random(rows) < habit[who] * 0.5, "yes", "no"),
        }
    )
    return Given(frame, "returned", ("--entity", "customer_id"))


def people_without_time() -> Given:
    rng = _rng(6)
    rows = 1200
    who = rng.integers(0, 200, rows)
    level = rng.normal(size=200)
    frame = pl.DataFrame(
        {
            "patient": who,
            "dose": rng.normal(size=rows),
            "pressure": level[who] + rng.normal(size=rows) * 0.3,
        }
    )
    return Given(frame.with_columns((pl.col("dose") * 2 + pl.col("pressure")).alias("y")), "y")


def dates_and_texts() -> Given:
    rng = _rng(7)
    rows = 500
    start = dt.date(2020, 1, 1)
    words = ["fast", "slow", "broken", "fine", "late", "red", "good", "bad", "large", "small"]
    frame = pl.DataFrame(
        {
            "opened": [start + dt.timedelta(days=int(d)) for d in rng.integers(0, 900, rows)],
            "born": [dt.date(1950, 1, 1) + dt.timedelta(days=int(d)) for d in
                     rng.integers(0, 18_000, rows)],
            "remark": [" ".join(rng.choice(words, 9)) for _ in range(rows)],
            "size": rng.normal(size=rows),
        }
    )  # fmt: skip
    late = frame["remark"].str.contains("broken") | (frame["size"] > 1)
    return Given(frame.with_columns(late.alias("complaint")), "complaint")


def a_date_as_target() -> Given:
    rng = _rng(8)
    rows = 500
    opened = _times(rows, every="5h")
    weight = rng.random(rows)
    frame = pl.DataFrame({"opened": opened, "weight": weight}).with_columns(
        (pl.col("opened") + pl.duration(minutes=pl.col("weight") * 20_000)).alias("closed")
    )
    return Given(frame, "closed", ("--time", "opened"))


def one_series() -> Given:
    rng = _rng(9)
    rows = 1000
    level = np.cumsum(rng.normal(size=rows))
    frame = pl.DataFrame(
        {"timestamp": _times(rows), "level": level, "noise": rng.normal(size=rows)}
    )
    return Given(frame.with_columns((pl.col("level").diff() > 0).alias("up")), "up")


def very_few_rows() -> Given:
    return Given(_base(12), "sold")


def a_rare_outcome() -> Given:
    frame = _base(3000)
    return Given(frame.with_columns((pl.col("x") > 2.0).cast(pl.Int64).alias("fraud")), "fraud")


def a_heavy_tail() -> Given:
    frame = _base(800)
    price = (frame["x"] * 3).exp() * 1e6
    return Given(frame.with_columns(price.alias("price")), "price")


def duplicated_rows() -> Given:
    frame = _base(300)
    return Given(pl.concat([frame, frame, frame.head(10)]), "sold")


HARD: dict[str, Callable[[], Given]] = {
    make.__name__: make
    for make in (
        all_null_and_constant, ten_thousand_categories, mixed_types, infinities,
        one_row_per_class, rare_classes, unicode_names, hard_names, empty_names,
        two_thousand_columns, missing_targets, numbered_classes, events_of_customers,
        people_without_time, dates_and_texts, a_date_as_target, one_series, very_few_rows,
        a_rare_outcome, a_heavy_tail, duplicated_rows,
    )
}  # fmt: skip


def written(given: Given, file: Path) -> Path:
    """Write a table as CSV, infinities and all."""
    given.frame.write_csv(file)
    return file
