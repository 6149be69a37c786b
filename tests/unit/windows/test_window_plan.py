import numpy as np
import pytest

from octavo.errors import DefinitionError
from octavo.windows import OF_CATEGORIES, Aggregate, LanePlan, PlanColumn, Span, TilePlan
from octavo.windows.plan import UNBOUNDED


@pytest.mark.parametrize(
    ("span", "where"),
    [
        ((0, 0), "over"),
        ((-5, 0), "over"),
        ((2**62, 0), "over"),
        ((5, -1), "delay"),
        ((5, 0, 0), "resolution"),
        ((5, 0, 2**62), "resolution"),
    ],
)
def test_a_span_that_means_nothing_is_refused(span, where):
    with pytest.raises(DefinitionError) as caught:
        Span(*span)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ((Span(5), Aggregate.LAG), "0 is no parameter of LAG"),
        ((Span(5), Aggregate.QUANTILE, 1000), "1000 is no parameter of QUANTILE"),
        ((Span(5), Aggregate.SUM, 7), "7 is no parameter of SUM"),
        ((Span(5), Aggregate.DECAYED_SUM), "0 is no parameter of DECAYED_SUM"),
        ((Span(None), Aggregate.DECAYED_SUM, 5), "over everything"),
        ((Span(65), Aggregate.DECAYED_MEAN, 1), "over 65 µs"),
        ((Span(64, 0, 1), Aggregate.DECAYED_COUNT, 1), "over 65 µs"),
        ((Span(64, 0, 8), Aggregate.LAG, 1), "LAG needs observations one by one"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(column, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        LanePlan([column])
    assert caught.value.where == "columns"


def test_categories_know_no_arithmetic():
    for aggregate in OF_CATEGORIES:
        LanePlan([(Span(5), aggregate, int(aggregate == Aggregate.LAG))], category=True)
    with pytest.raises(DefinitionError, match="SUM of categories") as caught:
        LanePlan([(Span(5), Aggregate.SUM)], category=True)
    assert "N_UNIQUE" in caught.value.fix


def test_heavy_columns_are_grouped_by_what_their_windows_keep():
    day = Span(100)
    given = [
        (day, Aggregate.TOP),
        (day, Aggregate.QUANTILE, 500),
        (day, Aggregate.COUNT),
        (day, Aggregate.DECAYED_SUM, 20),
        (day, Aggregate.N_UNIQUE),
        (day, Aggregate.QUANTILE, 990),
        (day, Aggregate.DECAYED_MEAN, 50),
        (day, Aggregate.DECAYED_COUNT, 20),
    ]
    plan = LanePlan(given)
    assert plan.columns == tuple(PlanColumn(*each) for each in given)
    assert plan.arrays.columns.tolist() == [[2, Aggregate.COUNT, 0]]
    heavy = plan.heavy
    assert heavy.spans[:, 3].tolist() == [0, 0, 20, 50]
    assert heavy.starts.tolist() == [0, 2, 4, 6, 7]
    assert heavy.columns[:, 0].tolist() == [0, 4, 1, 5, 3, 7, 6]


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
    assert arrays.spans.tolist() == [[100, 7, 1, 0], [UNBOUNDED, 0, 1, 0]]
    assert arrays.starts.tolist() == [0, 3, 4]
    assert arrays.columns.tolist() == [
        [0, Aggregate.SUM, 0],
        [2, Aggregate.COUNT, 0],
        [3, Aggregate.VAR, 0],
        [1, Aggregate.LAST, 0],
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
    assert LanePlan((*columns, (Span(12, 8, 10), Aggregate.SUM))).horizon == 29
    assert LanePlan((*columns, (Span(None), Aggregate.SUM))).horizon is None


def test_windows_of_one_resolution_have_tiles():
    hourly, longer = Span(50, 0, 10), Span(90, 5, 10)
    plan = LanePlan([(hourly, Aggregate.MEAN), (longer, Aggregate.DECAYED_SUM, 7)])
    assert plan.tiles == TilePlan(10, 1, 0, False, (7,), False)
    every = [(hourly, Aggregate.STD), (hourly, Aggregate.TOP), (longer, Aggregate.QUANTILE, 50)]
    more = LanePlan([*plan.columns, *every, (longer, Aggregate.DECAYED_COUNT, 3)]).tiles
    assert more == TilePlan(10, 2, 2, True, (3, 7), False)
    assert more.covers(plan.tiles)
    assert not plan.tiles.covers(more)
    for other in (Span(50), Span(50, 0, 20), Span(None), Span(50, 0, 1)):
        assert LanePlan([(hourly, Aggregate.SUM), (other, Aggregate.SUM)]).tiles is None
    assert LanePlan([(Span(50, 0, 1), Aggregate.SUM)]).tiles is None
