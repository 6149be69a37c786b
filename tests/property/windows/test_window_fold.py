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
    logs,
    one_of_each,
)

from octavo.windows import NEVER, Aggregate, Observations, Queries, Span, fold

RELAXED = settings(deadline=None, max_examples=300)
RANDOM = st.randoms(use_true_random=False)


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
