import subprocess
import sys

import numpy as np
import pytest

import octavo.windows
from octavo.errors import DataError, DefinitionError
from octavo.windows import (
    HEAVY,
    NEVER,
    Aggregate,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    category_bits,
    category_hashes,
    fold,
    hash_key,
)
from octavo.windows.plan import DECAYED

SUM = LanePlan(((Span(100), Aggregate.SUM),))
PARAMETERS = {Aggregate.LAG: 1, Aggregate.QUANTILE: 500} | dict.fromkeys(DECAYED, 1)


def every_aggregate(over: int) -> LanePlan:
    """All aggregates in order, with one parameter each."""
    return LanePlan(
        PlanColumn(Span(over), each, PARAMETERS.get(each, 0) * (over if each in DECAYED else 1))
        for each in Aggregate
    )


EVERYTHING = every_aggregate(100)
HOUR = 3_600_000_000


def test_exports_exist_once():
    assert len(octavo.windows.__all__) == len(set(octavo.windows.__all__))
    assert all(hasattr(octavo.windows, name) for name in octavo.windows.__all__)


def test_importing_the_package_loads_no_numba():
    code = "import sys, octavo.windows; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entries_have_one_signature_whatever_the_plan():
    from octavo.windows import grouping, heavy, sweep

    frozen = np.zeros(1, np.int64)
    frozen.flags.writeable = False
    queries = Queries(frozen.view(np.uint64), frozen, frozen, frozen)
    for plan in (SUM, EVERYTHING):
        fold(Observations.empty(), queries, plan)
    assert len(sweep.fold_entities.signatures) == len(grouping.arrange.signatures) == 1
    assert len(heavy.fold_entities.signatures) == 1


def test_only_a_plan_with_heavy_aggregates_compiles_them():
    code = """if True:
        import sys
        from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span, fold
        for aggregate in Aggregate.SUM, Aggregate.TOP:
            fold(Observations([], [], [], [], []), Queries([1], [1], [1], [1]),
                 LanePlan([(Span(5), aggregate)]))
            if ("octavo.windows.heavy" in sys.modules) != (aggregate == Aggregate.TOP):
                sys.exit(1)
    """
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_example():
    """Three payments; the last two hours, asked at the third and long after."""
    times = np.array([0, HOUR, 3 * HOUR])
    payments = Observations([9, 9, 9], times, times, [0, 1, 2], [10.0, 20.0, 40.0])
    queries = Queries([9, 9, 5], [3 * HOUR, 9 * HOUR, HOUR], [9 * HOUR] * 3, [3, 4, 5])
    last = Span(2 * HOUR)
    plan = LanePlan(
        (
            (last, Aggregate.COUNT),
            (last, Aggregate.MAX),
            (Span(None), Aggregate.SUM),
            (Span(None), Aggregate.SINCE_LAST),
        )
    )
    expected = [[1, 40, 70, 0], [0, np.nan, 70, 6 * 3600], [0, np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(fold(payments, queries, plan), expected)


def test_the_current_observation_is_seen_or_not():
    row = Observations([1], [5], [5], [0], [3.0])
    query = Queries([1], [5], [5], [0])
    assert fold(row, query, SUM)[0, 0] == 3.0
    without = LanePlan(SUM.columns, include_current=False)
    assert np.isnan(fold(row, query, without)[0, 0])


def test_a_query_at_the_last_position_sees_everything_known_then():
    row = Observations([1], [5], [5], [2**63 - 1], [3.0])
    assert fold(row, Queries([1], [5], [5], [2**63 - 1]), SUM)[0, 0] == 3.0


def test_no_rows():
    none = fold(Observations.empty(), Queries.empty(), EVERYTHING)
    assert none.shape == (0, len(Aggregate))
    only = fold(Observations.empty(), Queries([1], [1], [1], [1]), EVERYTHING)
    counts = [Aggregate.COUNT, Aggregate.N_UNIQUE, Aggregate.DECAYED_COUNT]
    assert only[0, counts].tolist() == [0, 0, 0]
    assert np.isnan(np.delete(only[0], counts)).all()


def test_the_sign_of_zero_does_not_depend_on_order():
    for values in ([0.0, -0.0], [-0.0, 0.0]):
        rows = Observations([1, 1], [1, 1], [1, 1], [0, 1], values)
        answer = fold(rows, Queries([1], [1], [1], [2]), EVERYTHING)[0]
        kept = [Aggregate.FIRST, Aggregate.LAST, Aggregate.LAG]
        assert not np.signbit(np.delete(answer, kept)).any()
        assert answer[Aggregate.N_UNIQUE] == 1


def test_a_mean_is_finite_where_the_sum_is_not():
    rows = Observations([1, 1], [1, 1], [1, 1], [0, 1], [1.5e308, 1.7e308])
    answer = fold(rows, Queries([1], [1], [1], [2]), EVERYTHING)[0]
    assert answer[Aggregate.SUM] == np.inf
    assert answer[Aggregate.MEAN] == 1.6e308
    assert answer[Aggregate.VAR] == np.inf
    assert answer[Aggregate.STD] == pytest.approx(0.2e308 / 2**0.5)


def test_infinities_leave_with_their_window():
    rows = Observations([1] * 3, [0, 50, 149], [0, 50, 149], [0, 1, 2], [-np.inf, np.inf, 2.0])
    queries = Queries([1] * 4, [0, 60, 120, 160], [200] * 4, [0, 1, 2, 3])
    sums = fold(rows, queries, EVERYTHING)[:, Aggregate.SUM]
    np.testing.assert_array_equal(sums, [-np.inf, np.nan, np.inf, 2.0])


def test_values_at_the_edges_of_time():
    far = 2**61
    rows = Observations([1, 1], [-far, far], [0, 0], [0, 1], [1.0, 2.0])
    plan = LanePlan(((Span(far, far), Aggregate.COUNT), (Span(None), Aggregate.COUNT)))
    answer = fold(rows, Queries([1, 1], [-far, far], [far, -far], [0, 0]), plan, late=far)
    np.testing.assert_array_equal(answer, [[0, 1], [0, 0]])
    answer = fold(rows, Queries([1, 1], [-far, far], [far, far], [0, 0]), plan)
    np.testing.assert_array_equal(answer, [[0, 1], [0, 2]])


def test_bad_rows_are_refused():
    with pytest.raises(DataError, match="2 values are NaN") as caught:
        Observations([1] * 3, [1] * 3, [1] * 3, [1] * 3, [1.0, np.nan, np.nan])
    assert "row 1" in caught.value.where
    with pytest.raises(DataError, match="float64 where int64") as caught:
        Queries([1], np.array([0.5]), [1], [1])
    assert caught.value.where == "event_time"
    with pytest.raises(DataError, match="int64 where uint64"):
        Queries(np.array([-1]), [1], [1], [1])
    with pytest.raises(DataError, match="one length"):
        Queries([1, 2], [1, 2], [1], [1, 2])
    with pytest.raises(DataError, match="73,000 years") as caught:
        Queries([1], [1], [2**62], [1])
    assert caught.value.where == "known_at"
    with pytest.raises(DefinitionError, match="cannot come late"):
        fold(Observations.empty(), Queries.empty(), SUM, late=-1)


@pytest.mark.parametrize("moving", ["queries back and forth", "growing", "falling"])
def test_no_question_costs_its_window(moving):
    """Each would take minutes if a query read its whole window."""
    size = 150_000
    times = np.arange(size)
    values = {"growing": times, "falling": -times}.get(moving, times % 97).astype(float)
    zeros = np.zeros(size, np.int64)
    entity = zeros.view(np.uint64)
    rows = Observations(entity, times, zeros, times, values)
    asked = np.tile([0, size], size // 2) if moving == "queries back and forth" else times
    known = zeros + 1 if moving == "queries back and forth" else zeros
    queries = Queries(entity, asked, known, times)
    plan = every_aggregate(size // 2)
    if moving == "queries back and forth":  # heavy windows cost what they pass, docs/windows.md
        plan = LanePlan([each for each in plan.columns if each.aggregate not in HEAVY])
    answer = fold(rows, queries, plan)
    if moving == "growing":
        assert (answer[:, Aggregate.MIN] == np.maximum(times - size // 2 + 1, 0)).all()
        assert (answer[:, Aggregate.N_UNIQUE] == answer[:, Aggregate.COUNT]).all()
        assert (answer[:, Aggregate.QUANTILE] == answer[:, Aggregate.MEAN]).all()
    if moving == "falling":
        assert (answer[:, Aggregate.TOP] == -times).all()
        assert (answer[:, Aggregate.MAX] == -np.maximum(times - size // 2 + 1, 0)).all()
    if moving == "queries back and forth":
        assert (answer[1::2, Aggregate.COUNT] == size // 2 - 1).all()


def asked_at_the_end(values, columns, category=False, times=None) -> list[float]:
    """Answers over observations one microsecond apart, asked at the last one."""
    size = len(values)
    times = np.arange(size) if times is None else np.array(times)
    rows = Observations([1] * size, times, times, np.arange(size), np.array(values, float))
    last = Queries([1], times[-1:], times[-1:], [size])
    return fold(rows, last, LanePlan(columns, category=category))[0].tolist()


def test_lag_counts_back_from_the_latest_in_the_window():
    columns = [PlanColumn(Span(3), Aggregate.LAG, back) for back in (1, 2, 3)]
    assert asked_at_the_end([10, 20, 30, 40], columns[:2]) == [30, 20]
    assert np.isnan(asked_at_the_end([10, 20, 30, 40], columns)[2])


def test_the_most_frequent_value_is_the_smallest_of_several():
    everything = Span(None)
    columns = [(everything, Aggregate.TOP), (everything, Aggregate.N_UNIQUE)]
    assert asked_at_the_end([5, 3, 3, 5, 9], columns) == [3, 3]
    assert asked_at_the_end([5, -3, -3, 5, -9, -9], columns) == [-9, 3]
    assert asked_at_the_end([0.0, -0.0, 1], columns) == [0, 2]


def test_quantiles_are_numpys():
    random = np.random.default_rng(0)
    for size in (1, 2, 7, 1000):
        values = random.normal(size=size)
        columns = [PlanColumn(Span(None), Aggregate.QUANTILE, part) for part in (1, 250, 500, 990)]
        expected = np.quantile(values, [0.001, 0.25, 0.5, 0.99])
        np.testing.assert_allclose(asked_at_the_end(values, columns), expected, rtol=1e-12)


def test_decay_halves_with_every_half_life():
    columns = [
        PlanColumn(Span(64), aggregate, 1)
        for aggregate in (Aggregate.DECAYED_COUNT, Aggregate.DECAYED_SUM, Aggregate.DECAYED_MEAN)
    ]
    assert asked_at_the_end([8, 4, 1], columns) == [1.75, 5, 5 / 1.75]
    assert asked_at_the_end([-5e-324], columns) == [1, -5e-324, -5e-324]
    assert asked_at_the_end([1.5e308, 1.5e308], columns) == [1.5, np.inf, 1.5e308]
    assert asked_at_the_end([np.inf, 1], columns) == [1.5, np.inf, np.inf]


def test_delayed_observations_weigh_by_their_age_at_the_end_of_the_window():
    columns = [PlanColumn(Span(5, 3), Aggregate.DECAYED_SUM, 1)]
    assert asked_at_the_end([8, 4, 1, 7, 7, 7], columns) == [8 / 4 + 4 / 2 + 1]


@pytest.mark.parametrize(("time", "seen"), [(-10, 1), (-1, 2), (9, 2), (10, 1), (19, 2)])
def test_resolution_floors_the_start_of_a_window(time, seen):
    """One observation in the middle of every tile of 10, before the epoch too."""
    times = np.arange(-25, 30, 10)
    rows = Observations([1] * 6, times, times, np.arange(6), np.ones(6))
    query = Queries([1], [time], [100], [0])
    exact = LanePlan([(Span(10), Aggregate.COUNT)])
    floored = LanePlan([(Span(10, 0, 10), Aggregate.COUNT), (Span(10, 10, 10), Aggregate.COUNT)])
    assert fold(rows, query, exact)[0, 0] == 1
    assert fold(rows, query, floored)[0].tolist() == [seen, 1]


def test_categories_keep_their_bits():
    hashes = np.array([0, 2**63, 1, 2**62, 2**64 - 1], np.uint64)
    values = category_bits(hashes)
    assert np.isfinite(values).all()
    assert category_hashes(values).tolist() == [0, 2**63, 1, 0, 2**64 - 1 - 2**62]
    everything = Span(None)
    columns = [(everything, Aggregate.N_UNIQUE), (everything, Aggregate.TOP)]
    count, top = asked_at_the_end([*values, values[1]], columns, category=True)
    assert count == 4
    assert category_hashes(np.array([top])).tolist() == [0]

    cities = hash_key([["Ulm", "Rom", "Ulm", "Ulm", "Rom"]])
    top = asked_at_the_end(category_bits(cities), [(everything, Aggregate.TOP)], category=True)
    assert category_hashes(np.array(top)) == category_hashes(category_bits(cities[:1]))


def test_a_retraction_is_seen_from_its_place_on():
    rows = Observations([1] * 3, [0] * 3, [0] * 3, [0, 1, 2], [1.0, 2, 4], [5, NEVER, 0], [3, 0, 1])
    asked = Queries([1] * 4, [1] * 4, [0, 5, 5, 5], [9, 2, 3, 4])
    assert fold(rows, asked, SUM)[:, 0].tolist() == [3, 3, 2, 2]
    without = LanePlan(SUM.columns, include_current=False)
    assert fold(rows, asked, without)[:, 0].tolist() == [3, 3, 3, 2]
    with pytest.raises(DataError, match="time and a position"):
        Observations([1], [1], [1], [1], [1.0], [1])
