"""Invent card payments and the fraud reports that follow them: same seed, same bytes.

In the spirit of the simulated data of the Fraud Detection Handbook, and written from its
description. A square of 100 × 100 holds customers and terminals. A customer pays at the terminals
nearby, some times a day, mostly around noon, amounts around a mean of his own. Three things go
wrong:

1. *large*: an amount above 220 is a fraud. Detectable from the payment itself.
2. *terminal*: a terminal is compromised for 28 days; every payment there is a fraud.
3. *customer*: a customer's card is copied; for 14 days a third of his payments are frauds, five
   times as large as they would be.

A fraud is reported 7 days after the payment, so the last week's are not in the reports.

    python generate.py [--seed 7] [--customers 2000] [--days 120] [--format csv] [--out data]
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

DAY = 86_400
SIDE = 100.0
"""Length of the square's side; other lengths are in its unit."""
REACH = 5.0
"""How far a customer goes to pay."""
LARGE = 220.0
"""Every amount above is a fraud."""
TERMINAL_RATE, TERMINAL_DAYS = 2 / 10_000, 28
"""Share of the terminals compromised anew each day, and for how long."""
CUSTOMER_RATE, CUSTOMER_DAYS = 3 / 5_000, 14
INFLATED = 5.0
"""How much larger a compromised customer's frauds are."""
REPORT_DAYS = 7
SCENARIOS = ("", "large", "terminal", "customer")


@dataclass(frozen=True)
class World:
    """What is invented; equal values give equal payments."""

    seed: int = 7
    customers: int = 2_000
    terminals: int = 4_000
    days: int = 120
    start: datetime = datetime(2025, 1, 1, tzinfo=UTC)


def generate(world: World) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return payments in order of time, and the reports known when they end.

    Returns
    -------
    payments
        ``payment_id, paid_at, customer, terminal, amount``.
    frauds
        ``payment_id, paid_at, customer, terminal, scenario`` of the frauds paid at least 7 days
        before the end. The scenario is part of the answer: never a feature of the payment.
    """
    rng = np.random.default_rng(world.seed)
    customer, second = _visits(rng, world)
    terminal, known = _usual_terminals(rng, world, customer)
    customer, second, terminal = customer[known], second[known], terminal[known]
    order = np.lexsort((terminal, customer, second))
    customer, second, terminal = customer[order], second[order], terminal[order]
    amount = _amounts(rng, world, customer)
    scenario = _scenarios(rng, world, customer, terminal, second // DAY, amount)
    amount = np.where(scenario == 3, amount * INFLATED, amount).round(2)
    start = int(world.start.timestamp())
    payments = pl.DataFrame(
        {
            "payment_id": np.arange(1, len(order) + 1),
            "paid_at": pl.Series((start + second) * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "customer": _names("c", customer),
            "terminal": _names("t", terminal),
            "amount": amount,
        }
    )
    reported = (scenario > 0) & (second < (world.days - REPORT_DAYS) * DAY)
    kind = pl.Series("scenario", [SCENARIOS[s] for s in scenario[reported]], pl.String)
    return payments, payments.filter(reported).drop("amount").with_columns(kind)


def expected_shares(days: int) -> dict[str, float]:
    """Return the share of payments in each scenario, as it follows from the description.

    *large*: amounts are normal around a mean of U(5, 100), with half of it as deviation; 0.058 %
    are above 220. The others: rate × duration, less because nothing was compromised before day 0.
    """

    def compromised(rate: float, duration: int) -> float:
        return rate * duration * (1 - (duration - 1) / 2 / days)

    return {
        "large": 0.00058,
        "terminal": compromised(TERMINAL_RATE, TERMINAL_DAYS),
        "customer": compromised(CUSTOMER_RATE, CUSTOMER_DAYS) / 3,
    }


def _visits(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Return who pays and when, in seconds from the start: 0 to 4 times a day, around noon."""
    per_day = rng.uniform(0, 4, world.customers)
    times = rng.poisson(per_day[:, None], (world.customers, world.days))
    customer = np.repeat(np.arange(world.customers), times.sum(axis=1))
    day = np.repeat(np.tile(np.arange(world.days), world.customers), times.ravel())
    second = rng.normal(DAY / 2, 20_000, len(day)).astype(np.int64)
    within = (second > 0) & (second < DAY)
    return customer[within], (day * DAY + second)[within]


def _usual_terminals(
    rng: np.random.Generator, world: World, customer: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return one of the customer's terminals for each visit, and whether he has any in reach."""
    home = rng.uniform(0, SIDE, (world.customers, 2))
    place = rng.uniform(0, SIDE, (world.terminals, 2))
    near = [
        np.flatnonzero(((place - each) ** 2).sum(axis=1) < REACH**2).astype(np.int64)
        for each in home
    ]
    sizes = np.array([len(each) for each in near])
    starts = np.cumsum(sizes) - sizes
    choice = (rng.random(len(customer)) * sizes[customer]).astype(np.int64)
    known = sizes[customer] > 0
    chosen = np.where(known, starts[customer] + choice, 0)
    return np.concatenate(near)[chosen], known


def _amounts(rng: np.random.Generator, world: World, customer: np.ndarray) -> np.ndarray:
    """Return normal amounts around each customer's mean; a negative one is drawn again, evenly."""
    mean = rng.uniform(5, 100, world.customers)[customer]
    amount = rng.normal(mean, mean / 2)
    again = rng.uniform(0, 2 * mean)
    return np.where(amount < 0, again, amount)


def _scenarios(
    rng: np.random.Generator,
    world: World,
    customer: np.ndarray,
    terminal: np.ndarray,
    day: np.ndarray,
    amount: np.ndarray,
) -> np.ndarray:
    """Return what each payment is: an index of `SCENARIOS`, 0 for honest."""
    bad_terminals = _compromised(rng, world.terminals, world.days, TERMINAL_RATE, TERMINAL_DAYS)
    bad_customers = _compromised(rng, world.customers, world.days, CUSTOMER_RATE, CUSTOMER_DAYS)
    third = rng.random(len(amount)) < 1 / 3
    scenario = np.where(amount > LARGE, 1, 0)
    scenario[bad_terminals[terminal, day]] = 2
    scenario[bad_customers[customer, day] & third] = 3
    return scenario


def _compromised(
    rng: np.random.Generator, size: int, days: int, rate: float, duration: int
) -> np.ndarray:
    """Return on which days each is compromised: bool (size, days)."""
    cases = round(size * days * rate)
    who, since = rng.integers(0, size, cases), rng.integers(0, days, cases)
    change = np.zeros((size, days + 1), np.int64)
    np.add.at(change, (who, since), 1)
    np.add.at(change, (who, np.minimum(since + duration, days)), -1)
    return change.cumsum(axis=1)[:, :days] > 0


def _names(letter: str, numbers: np.ndarray) -> pl.Series:
    return pl.Series(numbers).cast(pl.String).str.zfill(5).str.replace("^", letter)


def _with_text_times(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("paid_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": lambda frame, path: _with_text_times(frame).write_csv(path),
    "ndjson": lambda frame, path: _with_text_times(frame).write_ndjson(path),
    "parquet": lambda frame, path: frame.write_parquet(path, row_group_size=1 << 18),
}


def write(world: World, folder: Path, form: str) -> list[Path]:
    """Write ``payments`` and ``frauds`` in one of the formats of `WRITERS`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, frame in zip(("payments", "frauds"), generate(world), strict=True):
        files.append(folder / f"{name}.{form}")
        WRITERS[form](frame, files[-1])
    return files


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description="Invent card payments and fraud reports.")
    default = World()
    for name in ("seed", "customers", "terminals", "days"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name))
    parser.add_argument("--format", choices=WRITERS, default="csv")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    given = parser.parse_args()
    world = World(given.seed, given.customers, given.terminals, given.days)
    for path in write(world, given.out, given.format):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
