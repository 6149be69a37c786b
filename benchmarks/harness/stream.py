"""The events and the plan of several claims: skewed entities, 3 windows × 6 aggregates."""

import numpy as np
import polars as pl

from octavo.windows import Aggregate, LanePlan, Span

HOUR = 3_600_000_000
DAY = 24 * HOUR
SPANS = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY}
TAKE = [Aggregate[name] for name in ("COUNT", "SUM", "MEAN", "MIN", "MAX", "STD")]
PLAN = LanePlan(tuple((Span(span), take) for span in SPANS.values() for take in TAKE))


def events(rows: int, entities: int = 50_000, days: float = 30, seed: int = 0) -> pl.DataFrame:
    """Return events in order of time: entity (the first has a quarter of them), µs, and value."""
    rng = np.random.default_rng(seed)
    entity = np.minimum(rng.zipf(1.3, rows), entities).astype(np.uint64)
    at = np.sort(rng.integers(0, int(days * DAY), rows))
    value = rng.integers(1, 50_000, rows) / 100
    return pl.DataFrame({"entity": entity, "at": at, "value": value})
