import numpy as np
import pytest

from octavo.errors import DefinitionError
from octavo.windows import Aggregate, LanePlan, Span
from octavo.windows.plan import UNBOUNDED


@pytest.mark.parametrize(
    ("over", "delay", "where"),
    [(0, 0, "over"), (-5, 0, "over"), (2**62, 0, "over"), (5, -1, "delay")],
)
def test_a_span_that_means_nothing_is_refused(over, delay, where):
    with pytest.raises(DefinitionError) as caught:
        Span(over, delay)
    assert caught.value.where == where


def test_a_plan_needs_columns_and_known_aggregates():
    with pytest.raises(DefinitionError, match="computes nothing"):
        LanePlan(())
    with pytest.raises(DefinitionError, match="99 is not a valid Aggregate"):
        LanePlan(((Span(5), 99),))  # type: ignore[arg-type]


def test_a_plan_becomes_integer_arrays():
    day, all_time = Span(100, 7), Span(None)
    plan = LanePlan(
        ((day, Aggregate.SUM), (all_time, Aggregate.LAST), (day, Aggregate.COUNT), (day, 5))
    )
    arrays = plan.arrays
    assert all(each.dtype == np.int64 for each in arrays)
    assert arrays.spans.tolist() == [[100, 7], [UNBOUNDED, 0]]
    assert arrays.starts.tolist() == [0, 3, 4]
    assert arrays.columns.tolist() == [
        [0, Aggregate.SUM],
        [2, Aggregate.COUNT],
        [3, Aggregate.VAR],
        [1, Aggregate.LAST],
    ]
    assert arrays.needs.tolist() == [1 << 1 | 1 << 0 | 1 << 5, 1 << 8]


def test_plans_are_values():
    columns = ((Span(5), Aggregate.SUM),)
    assert LanePlan(columns) == LanePlan(columns)
    assert hash(LanePlan(columns)) == hash(LanePlan(columns))
    assert LanePlan(columns) != LanePlan(columns, include_current=False)


def test_horizon_is_the_farthest_look_back():
    columns = ((Span(5, 20), Aggregate.SUM), (Span(12), Aggregate.SUM))
    assert LanePlan(columns).horizon == 25
    assert LanePlan((*columns, (Span(None), Aggregate.SUM))).horizon is None
