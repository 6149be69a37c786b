"""Every rule divides rows: disjoint, complete, and stable when rows are added."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from octavo.definition import PARTS, SplitByHash, SplitByTime, SplitStratified
from octavo.stages.segregation.parts import SETTLED_AT, cuts_of, divide

CLOCK = 65  # some labels are settled later, where a test wants that
SHARES = [(0.7, 0.15, 0.15), (0.5, 0.25, 0.25), (0.6, 0.1, 0.3)]


def frame(times, label, *, settled=None, entity=None):
    """Rows as the segregation API has them; a null label is unlabeled."""
    rows = pl.DataFrame(
        {
            "_event_id": [f"e{n}" for n in range(len(times))],
            "_event_time": pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "y": label,
            SETTLED_AT: pl.Series(settled if settled is not None else times, dtype=pl.Int64),
            "key:who": [f"c{n}" for n in (entity if entity is not None else range(len(times)))],
        }
    )
    return rows.with_columns(pl.when(pl.col("y").is_not_null()).then(SETTLED_AT).alias(SETTLED_AT))


def parts(split, rows, *, fold=1, regression=False, clock=10**15):
    """Return for each part the numbers of its rows."""
    cuts = cuts_of(split, rows, "y", clock=clock, regression=regression)
    version = {"clock": clock, "cuts": cuts}
    return {
        part: divide(split, version, rows, "y", part, fold).arg_true().to_list() for part in PARTS
    }


def all_of(found):
    """Return the numbers of the rows that are in some part, each as often as it is."""
    return sorted(row for rows in found.values() for row in rows)


times = st.lists(st.integers(0, 60), min_size=12, max_size=120)


@settings(deadline=None)
@given(times=times, shares=st.sampled_from(SHARES), gap=st.sampled_from([0, 3, 10]), data=st.data())
def test_by_time_is_what_a_loop_over_rows_gives(times, shares, gap, data):
    """Gap and purge against brute force: every row on its own, by the words of the definition."""
    size = len(times)
    lags = data.draw(st.lists(st.integers(0, 30), min_size=size, max_size=size), label="lags")
    known = data.draw(st.lists(st.booleans(), min_size=size, max_size=size), label="labeled")
    known[0], lags[0] = True, 0
    settled = [time + lag for time, lag in zip(times, lags, strict=True)]
    rows = frame(times, [1.0 if k else None for k in known], settled=settled)
    train, validation, test = shares
    for purge in (True, False):
        split = SplitByTime(
            train=train, validation=validation, test=test, gap=f"{gap}us", purge=purge
        )
        usable = [k and not (purge and s > CLOCK) for k, s in zip(known, settled, strict=True)]
        labeled = sorted(t for t, k in zip(times, usable, strict=True) if k)
        first, second = (
            labeled[min(round(len(labeled) * share), len(labeled) - 1)]
            for share in (train, train + validation)
        )
        expected = {part: [] for part in PARTS}
        for row in range(size):
            late = known[row] and purge
            if times[row] < first - gap and not (late and settled[row] > first):
                expected["train"].append(row)
            in_validation = first <= times[row] < second - gap
            unsettled = late and settled[row] > CLOCK
            if in_validation and not unsettled:
                expected["validation"].append(row)
            if times[row] >= second and not unsettled:
                expected["test"].append(row)
        assert parts(split, rows, clock=CLOCK) == expected


@settings(deadline=None)
@given(times=times, shares=st.sampled_from(SHARES))
def test_by_time_without_gap_or_late_labels_nothing_is_left_out(times, shares):
    split = SplitByTime(*shares)
    found = parts(split, frame(times, [1.0] * len(times)))
    assert all_of(found) == list(range(len(times)))
    instants = [{times[row] for row in found[part]} for part in PARTS]
    assert not instants[0] & instants[1], "rows of one event time are never divided"
    assert not instants[1] & instants[2]


@settings(deadline=None)
@given(
    size=st.integers(30, 200),
    folds=st.integers(2, 5),
    gap=st.integers(0, 3),
    sliding=st.sampled_from([None, 5, 12]),
)
def test_folds_are_those_of_scikit_learn(size, folds, gap, sliding):
    """One row per microsecond: then positions, which scikit-learn counts in, are times."""
    each = size // 10
    rest = size - each  # before test
    split = SplitByTime(
        train=(size - 2 * each) / size, validation=each / size, test=each / size,
        gap=f"{gap}us", folds=folds, sliding=None if sliding is None else f"{sliding}us",
    )  # fmt: skip
    rows = frame(range(size), [1.0] * size)
    expected = TimeSeriesSplit(
        n_splits=folds, test_size=each, gap=gap, max_train_size=sliding
    ).split(np.arange(rest))
    for fold, (train, validation) in enumerate(expected, start=1):
        found = parts(split, rows, fold=fold)
        assert found["train"] == train.tolist()
        kept = validation[: each - gap] if fold == folds else validation  # a gap before test too
        assert found["validation"] == kept.tolist()
        assert found["test"] == list(range(rest, size))


labels = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=20, max_size=300)


@settings(deadline=None)
@given(label=labels, shares=st.sampled_from(SHARES))
def test_stratified_shares_are_equal_to_a_row_in_every_class(label, shares):
    split = SplitStratified(*shares)
    found = parts(split, frame([0] * len(label), label))
    assert all_of(found) == list(range(len(label)))
    for name in {"a", "b", "c"} & set(label):
        count = {part: sum(label[row] == name for row in found[part]) for part in PARTS}
        total = sum(count.values())
        for part, share in zip(PARTS, shares, strict=True):
            assert abs(count[part] - total * share) <= 1.001, (name, part)


@settings(deadline=None)
@given(
    label=st.lists(st.floats(-1e6, 1e6), min_size=60, max_size=300), bins=st.sampled_from([2, 5])
)
def test_stratified_regression_is_by_quantiles(label, bins):
    split = SplitStratified(bins=bins)
    found = parts(split, frame([0] * len(label), label), regression=True)
    assert all_of(found) == list(range(len(label)))
    for low, high in ((0.0, 0.5), (0.5, 1.0)):  # each half of the target, whatever the bins
        edges = np.quantile(label, [low, high])
        inside = [n for n, y in enumerate(label) if edges[0] < y < edges[1]]
        share = len(set(inside) & set(found["train"])) / max(len(inside), 1)
        assert not inside or abs(share - 0.7) <= 0.05 + 2 * bins / len(inside)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), grown=st.sampled_from([1.1, 2.0]))
def test_stratified_moves_few_rows_when_others_are_added(seed, grown):
    rng = np.random.default_rng(seed)
    label = rng.choice(["rare", "usual"], int(2000 * grown), p=[0.2, 0.8]).tolist()
    split = SplitStratified()
    before = parts(split, frame([0] * 2000, label[:2000]))
    after = parts(split, frame([0] * len(label), label))
    stayed = sum(len(set(before[part]) & set(after[part])) for part in PARTS)
    # A cut's place is an order statistic: its spread is √(q(1 − q) ÷ n), here below 0.03 a class.
    assert stayed >= 2000 * 0.9


ENTITIES = st.lists(st.integers(0, 40), min_size=50, max_size=300)


@settings(deadline=None)
@given(entity=ENTITIES, data=st.data())
def test_no_entity_is_in_two_parts(entity, data):
    size = len(entity)
    label = data.draw(st.lists(st.sampled_from([True, False, None]), min_size=size, max_size=size))
    rows = frame([0] * size, label, entity=entity)
    for split in (SplitByHash("who"), SplitStratified(entity="who")):
        found = parts(split, rows)
        assert all_of(found) == list(range(size))
        who = [{entity[row] for row in found[part]} for part in PARTS]
        assert not who[0] & who[1]
        assert not who[0] & who[2]
        assert not who[1] & who[2]


@settings(deadline=None)
@given(entity=ENTITIES, more=ENTITIES)
def test_by_hash_no_row_moves_when_others_are_added(entity, more):
    before = parts(SplitByHash("who"), frame([0] * len(entity), [1.0] * len(entity), entity=entity))
    both = entity + more
    after = parts(SplitByHash("who"), frame([0] * len(both), [1.0] * len(both), entity=both))
    for part in PARTS:
        assert [row for row in after[part] if row < len(entity)] == before[part]


def test_entities_are_stratified_by_the_rarest_class_among_their_rows():
    rng = np.random.default_rng(7)
    entity = rng.integers(0, 3000, 30_000)
    risky = rng.random(3000) < 0.05
    label = (risky[entity] & (rng.random(30_000) < 0.3)).tolist()
    rows = frame([0] * 30_000, label, entity=entity)
    found = parts(SplitStratified(entity="who"), rows)
    rates = {part: np.mean([label[row] for row in found[part]]) for part in PARTS}
    assert max(rates.values()) / min(rates.values()) < 1.25
    positive = {entity[row] for row in range(30_000) if label[row]}
    for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        count = len(positive & {entity[row] for row in found[part]})
        assert abs(count - len(positive) * share) <= 1.001


@pytest.mark.parametrize("salt", ["", "2"])
def test_a_salt_gives_another_division_and_the_same_again(salt):
    rows = frame([0] * 500, ["a", "b"] * 250)
    first = parts(SplitStratified(salt=salt), rows)
    assert first == parts(SplitStratified(salt=salt), rows)
    assert first != parts(SplitStratified(salt="other"), rows)
