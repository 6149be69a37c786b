"""The fold against the plainest model, bit for bit."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from window_oracle import exact_variance, model, same_bits
from window_strategies import (
    CATEGORIES,
    EVERYTHING,
    HARSH,
    LATE,
    OF_TEXTS,
    PLANS,
    TIMES,
    VALUES,
    Log,
    categories,
    logs,
    one_of_each,
    tiled_plans,
)

from octavo.windows import (
    NEVER,
    OF_CATEGORIES,
    Aggregate,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    Tiles,
    fold,
    tiles,
)

RELAXED = settings(deadline=None, max_examples=300)
RANDOM = st.randoms(use_true_random=False)
NOTHING = np.empty(0, np.int64)


@RELAXED
@given(logs(), st.one_of(PLANS, EVERYTHING), LATE, RANDOM)
def test_fold_equals_the_model_whatever_the_order_of_rows(log, plan, late, random):
    check_against_model(log, plan, late, random)


@RELAXED
@given(logs(values=CATEGORIES), OF_TEXTS, LATE, RANDOM)
def test_categories_are_told_apart_by_their_bits(log, plan, late, random):
    check_against_model(log, plan, late, random)


@RELAXED
@given(logs(retracted=True), st.one_of(PLANS, EVERYTHING), LATE, RANDOM)
def test_what_was_retracted_is_seen_only_before(log, plan, late, random):
    check_against_model(log, plan, late, random)


def check_against_model(log, plan, late, random):
    observations, queries = log.observations(), log.queries()
    expected = model(observations, queries, plan, late)

    assert same_bits(fold(observations, queries, plan, late), expected)

    rows, asked = list(range(len(observations))), list(range(len(queries)))
    random.shuffle(rows)
    random.shuffle(asked)
    shuffled = fold(
        observations.take(np.array(rows, int)), queries.take(np.array(asked, int)), plan, late
    )
    assert same_bits(shuffled, expected[asked])


@RELAXED
@given(logs(retracted=True), tiled_plans(Aggregate), st.integers(0, 20), st.data())
def test_tiles_stand_for_the_observations_in_them(log, plan, late, data):
    check_tiles(log, plan, late, data)


@RELAXED
@given(logs(values=CATEGORIES), tiled_plans(OF_CATEGORIES, category=True), LATE, st.data())
def test_tiles_of_categories(log, plan, late, data):
    check_tiles(log, plan, late or 0, data)


def check_tiles(log, plan, late, data):
    """Fold some of what is old when a part of the log has been read; answer the rest."""
    cut = data.draw(st.integers(0, len(log)), label="cut")
    clock = log.known[cut - 1] if cut else -100
    edge = (clock - late) // plan.tiles.width * plan.tiles.width
    observations, queries = log.observations(), log.queries(slice(cut, None))
    place = list(zip(observations.known_at, observations.position, strict=True))
    read = set(zip(log.known[:cut], log.position[:cut], strict=True))
    early = np.array([each in read for each in place], bool)
    old = early & (observations.event_time <= edge)
    if observations.gone_known_at is not None:
        old &= observations.gone_position == NEVER
    older = tiles_of(observations.take(old), plan, data.draw(st.integers(1, 3), label="parts"))
    rest = observations.take(~old)
    answer = fold(rest, queries, plan, late, tiles=older)
    assert same_bits(answer, model(observations, queries, plan, late))


def tiles_of(observations: Observations, plan: LanePlan, parts: int) -> Tiles:
    """All observations of each entity as tiles, folded in several steps."""
    entities = np.unique(observations.entity)[::-1]
    starts, ends, at, words = [0], [], [], []
    for entity in entities:
        mine = observations.take(observations.entity == entity)
        found = tiles.Folded(NOTHING, np.zeros(1, np.int64), NOTHING, np.empty(0, bool))
        for rows in np.array_split(np.arange(len(mine)), parts):
            rows = rows[np.argsort(mine.event_time[rows], kind="stable")]
            fresh = np.ones(len(rows), bool)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tiles, "SPARE", 10**6)
                found = tiles.fold_into(
                    plan.tiles, *found[:3], mine.event_time[rows], mine.value[rows], fresh
                )
            assert not found.loose.any()
        starts.append(starts[-1] + len(found.ends))
        at.append(found.at[:-1] + sum(map(len, words)))
        ends.append(found.ends)
        words.append(found.words)
    if not ends:
        return Tiles.none()
    return Tiles(entities, np.array(starts), *map(np.concatenate, (ends, at, words)))


def whole(values: list[float]) -> np.ndarray:
    """Every aggregate of one window over all the values."""
    size = len(values)
    zeros = np.zeros(size, np.int64)
    return fold(
        Observations(zeros.view(np.uint64), zeros, zeros, np.arange(size), np.array(values)),
        Queries([0], [0], [0], [size]),
        one_of_each(Span(64)),
    )[0]


@RELAXED
@given(st.lists(st.one_of(VALUES, st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
@example([1e308, 1e308, -1e308])
@example([1.7976931348623157e308, 1.7976931348623157e308])
@example([5e-324, 1e308, 5e-324])
@example([1.0, 2.0**-53, 2.0**-200])
@example([1.0, 2.0**-53])
@example(HARSH)
def test_one_window_of_any_values(values):
    log = Log(*[[0] * len(values)] * 3, list(range(len(values))), values, [True] * len(values), [])
    log.query = [False] * len(values)
    asked = Queries([0], [0], [0], [len(values)])
    expected = model(log.observations(), asked, one_of_each(Span(64)), None)[0]
    assert same_bits(whole(values), expected)


@RELAXED
@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=30))
def test_variance_is_within_two_units_of_the_exact_one(values):
    variance = whole(values)[Aggregate.VAR]
    expected = float(exact_variance(values))
    assert abs(variance - expected) <= 2 * math.ulp(expected)
    assert (whole(values)[Aggregate.STD] == 0) == (len(set(values)) == 1)


@RELAXED
@given(logs(retracted=True), st.data())
def test_what_comes_later_in_the_log_never_shows(log, data):
    plan, late = data.draw(EVERYTHING), data.draw(LATE)
    cut = data.draw(st.integers(0, len(log)))
    places = list(zip(log.known, log.position, strict=True))
    before = fold(log.observations(), log.queries(), plan, late)
    for row in range(cut, len(log)):
        log.value[row] = data.draw(VALUES)
        log.time[row] = data.draw(TIMES)
        log.entity[row] = data.draw(st.sampled_from([1, 2, 3]))
        log.update[row] = data.draw(st.booleans())
    for row, place in enumerate(log.gone):
        if place is None or place in places[cut:]:
            log.gone[row] = data.draw(st.sampled_from([None, *places[cut:]]))
    after = fold(log.observations(), log.queries(), plan, late)
    early = np.flatnonzero(log.query) < cut
    assert same_bits(after[early], before[early])


@pytest.mark.parametrize(
    ("disorder", "late"),
    [("none", None), ("late rows", None), ("late rows", 40_000), ("random", 40_000),
     ("retracted", None)],
)  # fmt: skip
def test_long_windows_use_the_tree_and_still_agree(disorder, late):
    """Thousands of observations per entity: several levels of blocks, sums in them."""
    random = np.random.default_rng(7)
    size = 9_000
    time = np.sort(random.integers(0, 100_000, size))
    if disorder == "late rows":
        tardy = random.random(size) < 0.05
        time[tardy] -= random.integers(0, 50_000, tardy.sum())
    elif disorder == "random":
        random.shuffle(time)
    known = np.arange(size) * 11
    value = np.round(random.normal(0, 1e3, size), 2) * 10.0 ** random.integers(-3, 3, size)
    value[random.random(size) < 0.001] = np.inf
    entity = np.zeros(size, np.uint64)
    gone = []
    if disorder == "retracted":
        later = known + random.integers(-100, 20_000, size)
        gone = [np.where(random.random(size) < 0.9, later, NEVER), random.integers(0, size, size)]
    observations = Observations(entity, time, known, np.arange(size), value, *gone)
    asked = np.sort(random.choice(size, 40, replace=False))
    queries = Queries(entity[asked], time[asked], known[asked], asked)
    plan = one_of_each(Span(None), Span(60_000, 500), Span(300), Span(8_000, 70, 1_000))
    expected = model(observations, queries, plan, late)
    # The kernel is driven by every row's query, and only a sample of the answers is modelled.
    every = Queries(entity, time, known, np.arange(size))
    assert same_bits(fold(observations, every, plan, late)[asked], expected)


def test_threads_do_not_show():
    random = np.random.default_rng(3)
    size = 30_000
    entity = random.zipf(1.3, size).astype(np.uint64)
    time = np.sort(random.integers(0, 10**6, size))
    rows = Observations(entity, time, time, np.arange(size), random.normal(size=size))
    queries = Queries(entity, time, time, np.arange(size))
    plan = one_of_each(Span(50_000))
    one = fold(rows, queries, plan, threads=1)
    assert same_bits(fold(rows, queries, plan, threads=4), one)


@pytest.mark.parametrize("category", [False, True])
def test_many_distinct_values_are_estimated_from_their_hashes(category):
    """As the model does, in windows that grow and shrink over the number kept; tiles or none."""
    random = np.random.default_rng(5)
    size = 20_000
    time = np.sort(random.integers(0, 10_000, size))
    value = random.integers(0, 9_000, size).astype(float)
    if category:
        value = np.array(categories(random.integers(0, 2**64, 9_000, np.uint64)))[value.astype(int)]
    rows = Observations(np.zeros(size, np.uint64), time, time, np.arange(size), value)
    asked = np.sort(random.choice(size, 60, replace=False))
    queries = Queries(rows.entity[asked], time[asked], time[asked], asked)
    spans = [Span(over, 0, 50) for over in (100, 700, 2_500)]
    columns = [PlanColumn(span, Aggregate.N_UNIQUE) for span in spans]
    plan = LanePlan(columns, category=category)
    expected = model(rows, queries, plan, 0)
    assert (expected < 1024).any()
    assert (expected > 1024).any()
    assert same_bits(fold(rows, queries, plan, 0), expected)

    later = queries.take(queries.event_time >= 5_000)
    old = tiles_of(rows.take(time <= 5_000), plan, 3)
    assert np.diff(old.at).max() < 1_100, "no tile keeps more than the smallest hashes"
    answer = fold(rows.take(time > 5_000), later, plan, 0, tiles=old)
    assert same_bits(answer, expected[queries.event_time >= 5_000])


def test_estimates_are_within_their_stated_error():
    """Standard error 1 / sqrt(1022), without bias: over 300 sets of random numbers."""
    random = np.random.default_rng(11)
    errors = []
    for size in (1_100, 5_000, 20_000):
        entity = np.repeat(np.arange(100, dtype=np.uint64), size)
        place = np.arange(len(entity))
        rows = Observations(entity, place * 0, place * 0, place, random.normal(size=len(entity)))
        queries = Queries(entity[::size], *np.zeros((2, 100), int), np.full(100, len(entity)))
        answer = fold(rows, queries, LanePlan([(Span(5, 0, 5), Aggregate.N_UNIQUE)]))[:, 0]
        assert (answer == np.round(answer)).all()
        errors += (answer / size - 1).tolist()
    assert abs(np.mean(errors)) < 3 * 0.0313 / math.sqrt(300)
    assert 0.02 < np.std(errors) < 0.036
    assert max(map(abs, errors)) < 5 * 0.0313


@RELAXED
@given(st.lists(st.one_of(VALUES, st.floats(allow_nan=False)), min_size=1, max_size=50))
def test_rounded_quantiles_are_within_their_stated_error(values):
    """Half a unit of 8 significant bits of the observations between which they lie."""
    size = len(values)
    zeros = np.zeros(size, np.int64)
    rows = Observations(zeros.view(np.uint64), zeros, zeros, np.arange(size), np.array(values))
    parts = (10, 250, 500, 990)
    columns = [PlanColumn(Span(6, 0, 3), Aggregate.QUANTILE, part) for part in parts]
    answers = fold(rows, Queries([0], [0], [0], [size]), LanePlan(columns))[0]
    ordered = sorted(values)
    for part, answer in zip(parts, answers, strict=True):
        low = ordered[(size - 1) * part // 1000]
        high = ordered[min((size - 1) * part // 1000 + 1, size - 1)]
        exact = (size - 1) * part % 1000 == 0
        if math.isinf(low) or (math.isinf(high) and not exact):
            continue
        most = abs(low) if exact else max(abs(low), abs(high))
        room = most * 2.0**-8 * (2 if most > 1.79e308 else 1) + 2.0**-1030
        least, greatest = (low, low) if exact else (low, high)
        assert least - room <= answer <= greatest + room
