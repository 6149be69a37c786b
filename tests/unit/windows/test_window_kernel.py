import subprocess
import sys

import numpy as np
import pytest

import octavo.windows
from octavo.errors import DataError, DefinitionError
from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span, fold

SUM = LanePlan(((Span(100), Aggregate.SUM),))
EVERYTHING = LanePlan(tuple((Span(100), aggregate) for aggregate in Aggregate))
HOUR = 3_600_000_000


def test_exports_are_sorted_and_exist():
    assert octavo.windows.__all__ == sorted(octavo.windows.__all__)
    assert all(hasattr(octavo.windows, name) for name in octavo.windows.__all__)


def test_importing_the_package_loads_no_numba():
    code = "import sys, octavo.windows; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entries_have_one_signature_whatever_the_plan():
    from octavo.windows import grouping, sweep

    frozen = np.zeros(1, np.int64)
    frozen.flags.writeable = False
    queries = Queries(frozen.view(np.uint64), frozen, frozen, frozen)
    for plan in (SUM, EVERYTHING):
        fold(Observations.empty(), queries, plan)
    assert len(sweep.fold_entities.signatures) == len(grouping.arrange.signatures) == 1


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
    assert only[0, Aggregate.COUNT] == 0
    assert np.isnan(only[0, 1:]).all()


def test_the_sign_of_zero_does_not_depend_on_order():
    for values in ([0.0, -0.0], [-0.0, 0.0]):
        rows = Observations([1, 1], [1, 1], [1, 1], [0, 1], values)
        answer = fold(rows, Queries([1], [1], [1], [2]), EVERYTHING)[0]
        taken = answer[[Aggregate.SUM, Aggregate.MIN, Aggregate.MAX]]
        assert not np.signbit(taken).any()


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
    answer = fold(rows, Queries([1, 1], [-far, far], [far, -far], [0, 0]), plan, retain=far)
    np.testing.assert_array_equal(answer, [[0, 0], [0, 0]])
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
    with pytest.raises(DefinitionError, match="retained"):
        fold(Observations.empty(), Queries.empty(), SUM, retain=0)


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
    plan = LanePlan(tuple((Span(size // 2), aggregate) for aggregate in Aggregate))
    answer = fold(rows, queries, plan)
    if moving == "growing":
        assert (answer[:, Aggregate.MIN] == np.maximum(times - size // 2 + 1, 0)).all()
    if moving == "falling":
        assert (answer[:, Aggregate.MAX] == -np.maximum(times - size // 2 + 1, 0)).all()
    if moving == "queries back and forth":
        assert (answer[1::2, Aggregate.COUNT] == size // 2 - 1).all()
