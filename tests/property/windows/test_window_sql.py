"""The fold against an inequality join in DuckDB, on thousands of rows."""

import math

import duckdb
import numpy as np
import pytest
from window_oracle import same_bits

from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span, fold

SPANS = (Span(None), Span(40_000), Span(7_000, 900))
TAKEN = (Aggregate.COUNT, Aggregate.MIN, Aggregate.MAX, Aggregate.FIRST, Aggregate.LAST,
         Aggregate.SUM)  # fmt: skip


def random_log(seed: int, size: int = 4_000) -> tuple[Observations, Queries]:
    """Updates and queries of a few dozen entities, late and early, with many equal times."""
    random = np.random.default_rng(seed)
    entity = (random.zipf(1.4, size) % 40).astype(np.uint64) + np.uint64(2**63)
    known = np.sort(random.integers(0, 50_000, size))
    time = known - random.integers(0, 3_000, size) * (random.random(size) < 0.5)
    time -= random.integers(0, 40_000, size) * (random.random(size) < 0.03)
    time = time // 50 * 50
    position = np.arange(size)
    value = np.round(random.lognormal(3, 2, size), 2) * random.choice([1, -1], size)
    update = random.random(size) < 0.8
    query = ~update | (random.random(size) < 0.4)
    columns = (entity, time, known, position)
    return (
        Observations(*(each[update] for each in columns), value[update]),
        Queries(*(each[query] for each in columns)),
    )


def joined(observations, queries, plan, late) -> list[dict[int, list]]:
    """For every span, the values each query sees, by event time and then log order."""
    database = duckdb.connect()
    asked = {**queries.arrays(), "id": np.arange(len(queries))}
    for name, arrays in (("seen", observations.arrays()), ("asked", asked)):
        database.register(f"{name}_arrays", arrays)
        database.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_arrays")
    before = "<=" if plan.include_current else "<"
    answers = []
    for span in SPANS:
        over = (
            ""
            if span.over is None
            else f"AND o.event_time > q.event_time - {span.delay + span.over}"
        )
        bounded = late is not None and span.reach is not None
        kept = f"AND o.event_time > q.known_at - {late + span.reach}" if bounded else ""
        rows = database.execute(
            f"""SELECT q.id, list(o.value ORDER BY o.event_time, o.known_at, o.position)
            FROM asked q JOIN seen o ON o.entity = q.entity
             AND (o.known_at, o.position) {before} (q.known_at, q.position)
             AND o.event_time <= q.event_time - {span.delay} {over} {kept}
            GROUP BY q.id"""
        ).fetchall()
        answers.append(dict(rows))
    return answers


@pytest.mark.parametrize("include_current", [True, False])
@pytest.mark.parametrize(("seed", "late"), [(1, None), (2, 30_000)])
def test_fold_equals_the_inequality_join(seed, late, include_current):
    observations, queries = random_log(seed)
    plan = LanePlan(tuple((span, each) for span in SPANS for each in TAKEN), include_current)
    expected = []
    for windows in joined(observations, queries, plan, late):
        for query in range(len(queries)):
            values = windows.get(query, [])
            expected.append(
                [len(values), min(values), max(values), values[0], values[-1], math.fsum(values)]
                if values
                else [0.0, *[math.nan] * 5]
            )
    expected = np.array(expected).reshape(len(SPANS), len(queries), len(TAKEN))
    expected = expected.transpose(1, 0, 2).reshape(len(queries), -1)
    assert (expected[:, 0] > 0).mean() > 0.5

    assert same_bits(fold(observations, queries, plan, late), expected)
