"""Which trials are given up."""

import time

import pytest

from octavo.stages.training.algorithms import Pruned
from octavo.stages.training.pruning import Pruner

RIVALS = [{50: level, 100: level - 0.1} for level in (0.1, 0.2, 0.3, 0.4, 0.5)]


def test_it_is_given_up_if_three_quarters_were_better_by_then():
    steps: dict[int, float] = {}
    pruner = Pruner(RIVALS, steps)
    pruner.report(25, 9.0)  # too early to say
    pruner.report(50, 0.4)
    with pytest.raises(Pruned, match="after step 100"):
        pruner.report(100, 0.35)
    assert steps == {25: 9.0, 50: 0.4, 100: 0.35}


def test_its_best_so_far_counts():
    pruner = Pruner(RIVALS, {})
    pruner.report(50, 0.15)
    pruner.report(100, 9.0)


def test_few_rivals_or_rivals_that_have_not_come_as_far_say_nothing():
    Pruner(RIVALS[:4], {}).report(100, 9.0)
    Pruner(RIVALS, {}).report(75, 9.0)


def test_folds_are_compared_with_the_same_fold_and_by_their_figures():
    def steps(shift):
        rival: dict[int, float] = {}
        pruner = Pruner([], rival)
        pruner.report(100, 0.1)
        pruner.next_fold(-0.9 + shift)
        pruner.report(100, 0.7 + shift)
        return rival

    rivals = [steps(shift) for shift in (0.0, 0.01, 0.02, 0.03, 0.04)]
    good = Pruner(rivals, {})
    good.report(100, 0.05)
    good.next_fold(-0.9)
    good.report(100, 0.72)
    worse = Pruner(rivals, {})
    worse.report(100, 0.05)
    with pytest.raises(Pruned):
        worse.next_fold(-0.8)
    late = Pruner(rivals, {})
    late.report(100, 0.05)
    late.next_fold(-0.9)
    with pytest.raises(Pruned):
        late.report(100, 0.8)


def test_a_fit_whose_time_is_up_is_told_to_end_and_every_fold_has_its_own_time():
    pruner = Pruner([], {}, seconds=0.05)
    assert pruner.report(10, 0.5) is False
    time.sleep(0.06)
    assert pruner.report(20, 0.4) is True
    pruner.next_fold(0.4)
    assert pruner.report(10, 0.5) is False
