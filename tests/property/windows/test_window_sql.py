"""The fold against an inequality join in DuckDB, on thousands of rows."""

import math

import duckdb
import numpy as np
import pytest
from window_oracle import same_bits, shortened

from octavo.windows import (
    NEVER,
    Aggregate,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    category_bits,
    fold,
)

SPANS = (Span(None), Span(40_000), Span(7_000, 900), Span(6_000, 1_100, 1_500))
HALFLIFE = 2_000
EXACT = (
    (Aggregate.COUNT, 0),
    (Aggregate.MIN, 0),
    (Aggregate.MAX, 0),
    (Aggregate.FIRST, 0),
    (Aggregate.LAST, 0),
    (Aggregate.LAG, 2),
    (Aggregate.N_UNIQUE, 0),
    (Aggregate.TOP, 0),
    (Aggregate.SINCE_LAST, 0),
)
QUANTILES = (50, 500, 990)
DECAYED = (Aggregate.DECAYED_COUNT, Aggregate.DECAYED_SUM, Aggregate.DECAYED_MEAN)


def random_log(seed: int, retracted: bool, size: int = 4_000) -> tuple[Observations, Queries]:
    """Updates and queries of a few dozen entities, late and early, with many equal times."""
    random = np.random.default_rng(seed)
    entity = (random.zipf(1.4, size) % 40).astype(np.uint64) + np.uint64(2**63)
    known = np.sort(random.integers(0, 50_000, size))
    time = known - random.integers(0, 3_000, size) * (random.random(size) < 0.5)
    time -= random.integers(0, 40_000, size) * (random.random(size) < 0.03)
    time = time // 50 * 50
    position = np.arange(size)
    value = np.round(random.lognormal(3, 2, size)) * random.choice([1, -1], size) + 0.0
    update = random.random(size) < 0.8
    query = ~update | (random.random(size) < 0.4)
    columns = (entity, time, known, position)
    gone = []
    if retracted:
        after = known + random.integers(0, 5_000, size)
        gone = [np.where(random.random(size) < 0.2, after, NEVER), random.integers(0, size, size)]
    return (
        Observations(*(each[update] for each in (*columns, value, *gone))),
        Queries(*(each[query] for each in columns)),
    )


class Join:
    """What every query sees through every span, joined and aggregated by DuckDB."""

    def __init__(self, observations, queries, late, include_current):
        self.database = duckdb.connect()
        self.before = "<=" if include_current else "<"
        self.late, self.kept = late, ""
        if observations.gone_known_at is not None:
            self.kept += (
                f" AND NOT (o.gone_known_at, o.gone_position) {self.before}"
                " (q.known_at, q.position)"
            )
        asked = {**queries.arrays(), "id": np.arange(len(queries))}
        short = np.array([shortened(value) for value in observations.value.tolist()])
        seen = {**observations.arrays(), "short": short}
        for name, arrays in (("seen", seen), ("asked", asked)):
            self.database.register(f"{name}_arrays", arrays)
            self.database.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_arrays")

    def window(self, span: Span) -> None:
        """Make the table of what is seen through a span."""
        end = f"q.event_time - {span.delay}"
        oldest = "q.event_time"
        if self.late is not None:
            oldest = f"greatest(q.event_time, q.known_at - {self.late})"
        start = "-9e18" if span.over is None else f"{oldest} - {span.delay} - {span.over}"
        if span.resolution is not None:
            step = f"{span.resolution}.0"
            start = f"floor(({start}) / {step}) * {step}"
            end = f"floor(({end}) / {step}) * {step}"
        self.database.execute(
            f"""CREATE OR REPLACE TABLE visible AS
            SELECT q.id, o.*, q.event_time - {span.delay} - o.event_time AS age
            FROM asked q JOIN seen o ON o.entity = q.entity
             AND (o.known_at, o.position) {self.before} (q.known_at, q.position)
             AND o.event_time > {start} AND o.event_time <= {end} {self.kept}"""
        )

    def answers(self, select: str) -> dict[int, tuple]:
        rows = self.database.execute(f"SELECT id, {select} FROM visible GROUP BY id").fetchall()
        return {row[0]: row[1:] for row in rows}

    def tops(self) -> dict[int, float]:
        """The most frequent value of each query, of several the smallest."""
        return dict(
            self.database.execute(
                """SELECT id, value FROM (SELECT id, value, count(*) n FROM visible GROUP BY ALL)
                QUALIFY row_number() OVER (PARTITION BY id ORDER BY n DESC, value) = 1"""
            ).fetchall()
        )


def expected_of(join: Join, span: Span, queries: Queries) -> np.ndarray:
    """Exact aggregates, exact sum, then quantiles and decayed ones as DuckDB has them."""
    join.window(span)
    log_order = "ORDER BY event_time, known_at, position"
    parts = ", ".join(str(each / 1000) for each in QUANTILES)
    ordered = "value" if span.is_exact else "short"
    taken = join.answers(
        f"""count(*), min(value), max(value), first(value {log_order}), last(value {log_order}),
        list(value {log_order}), count(DISTINCT value), max(event_time),
        quantile_cont({ordered}, [{parts}]), sum(power(2.0, -age / {HALFLIFE})),
        sum(value * power(2.0, -age / {HALFLIFE}))"""
    )
    tops = join.tops()
    rows = []
    for query, time in enumerate(queries.event_time.tolist()):
        if query not in taken:
            rows.append([0, *[math.nan] * 5, 0, *[math.nan] * 6, 0, math.nan, math.nan])
            continue
        n, least, most, first, last, values, distinct, latest, quantiles, weight, sum_ = taken[
            query
        ]
        lag = values[-3] if n > 2 else math.nan
        since = (time - latest) / 1e6
        exact = [n, least, most, first, last, lag, distinct, tops[query], since, math.fsum(values)]
        rows.append([*exact, *quantiles, weight, sum_, sum_ / weight])
    return np.array(rows)


@pytest.mark.parametrize("include_current", [True, False])
@pytest.mark.parametrize(("seed", "late"), [(1, None), (2, 30_000), (3, None)])
def test_fold_equals_the_inequality_join(seed, late, include_current):
    observations, queries = random_log(seed, retracted=seed == 3)
    join = Join(observations, queries, late, include_current)
    for span in SPANS:
        bounded = span.over is not None
        columns = [PlanColumn(span, *each) for each in (*EXACT, (Aggregate.SUM, 0))]
        columns += [PlanColumn(span, Aggregate.QUANTILE, each) for each in QUANTILES]
        columns += [PlanColumn(span, each, HALFLIFE) for each in DECAYED if bounded]
        taken = [n for n, each in enumerate(columns) if span.is_exact or each[1] != Aggregate.LAG]
        answer = np.full((len(queries), len(columns)), np.nan)
        plan = LanePlan([columns[n] for n in taken], include_current)
        answer[:, taken] = fold(observations, queries, plan, late)
        expected = expected_of(join, span, queries)[:, : len(columns)]
        if not span.is_exact:
            expected[:, EXACT.index((Aggregate.LAG, 2))] = np.nan
        assert (expected[:, 0] > 0).mean() > 0.5

        exact = len(EXACT) + 1
        assert same_bits(answer[:, :exact], expected[:, :exact])
        # DuckDB interpolates and adds in float64; weighted sums of both signs cancel.
        magnitude = np.abs(observations.value).max()
        quantiles = slice(exact, exact + len(QUANTILES))
        np.testing.assert_allclose(answer[:, quantiles], expected[:, quantiles], 1e-12, 1e-12)
        if bounded:
            decayed, wanted = answer[:, -3:], expected[:, -3:]
            np.testing.assert_allclose(decayed[:, 0], wanted[:, 0], rtol=1e-12)
            np.testing.assert_allclose(
                decayed[:, 1:], wanted[:, 1:], rtol=0, atol=1e-10 * magnitude
            )


def test_categories_equal_the_join_on_unsigned_integers():
    observations, queries = random_log(4, retracted=False)
    random = np.random.default_rng(4)
    hashes = random.integers(0, 2**64, 12, dtype=np.uint64)[random.integers(0, 12, 4_000)]
    values = category_bits(hashes[: len(observations)])
    observations = Observations(*list(observations.arrays().values())[:4], values)
    as_hashes = {**observations.arrays(), "value": values.view(np.uint64)}
    asked = {**queries.arrays(), "id": np.arange(len(queries))}
    database = duckdb.connect()
    for name, arrays in (("seen", as_hashes), ("asked", asked)):
        database.register(f"{name}_arrays", arrays)
        database.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_arrays")
    expected = database.execute(
        """WITH counted AS (
            SELECT q.id, o.value, count(*) n FROM asked q JOIN seen o ON o.entity = q.entity
             AND (o.known_at, o.position) <= (q.known_at, q.position)
             AND o.event_time > q.event_time - 9_000 AND o.event_time <= q.event_time GROUP BY ALL)
        SELECT id, value, count(*) OVER (PARTITION BY id) FROM counted
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY n DESC, value) = 1 ORDER BY id"""
    ).fetchnumpy()
    columns = [(Span(9_000), Aggregate.TOP), (Span(9_000), Aggregate.N_UNIQUE)]
    answer = fold(observations, queries, LanePlan(columns, category=True))
    seen = np.zeros(len(queries), bool)
    seen[expected["id"]] = True
    assert (answer[seen, 0].view(np.uint64) == expected["value"]).all()
    assert (answer[seen, 1] == list(expected.values())[2]).all()
    assert np.isnan(answer[~seen, 0]).all()
    assert (answer[~seen, 1] == 0).all()
