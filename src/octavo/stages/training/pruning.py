"""Which trials are given up early: those that are well behind the others at the same step."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from octavo.stages.training.algorithms import Pruned

_FOLD = 1_000_000
"""Steps of one fold, at the most: rounds count on from the fold's first."""
_ENOUGH = 5
"""Rivals that must have come as far."""
_WARM_UP = 50
"""Rounds after which a fit may be given up: small steps begin slowly."""
_SHARE = 0.75
"""The share of rivals that must have been better by then."""


class Pruner:
    """Takes the losses of one trial on its way.

    A trial is given up if its best loss so far is worse than that of three quarters of its rivals
    by the same step. Source: the median stopping rule of Golovin et al., Google Vizier (2017),
    section 3.2.1, made more patient, since a slow start may end well.

    Parameters
    ----------
    rivals
        For each trial of the same algorithm its losses by step.
    steps
        Where this one's are noted.
    seconds
        For each fold how long it may take, so that a fit whose time is up ends with the rounds it
        has, and is not stopped without any; None: for ever.
    """

    def __init__(
        self,
        rivals: Sequence[Mapping[int, float]],
        steps: dict[int, float],
        seconds: float | None = None,
    ) -> None:
        self._rivals = rivals
        self._steps = steps
        self._seconds = float("inf") if seconds is None else seconds
        self._until = time.monotonic() + self._seconds
        self._begin = 0

    def report(self, rounds: int, loss: float) -> bool:
        """Take the loss after some rounds; see `octavo.stages.training.algorithms.Watch`.

        Raises
        ------
        Pruned
            If the trial is not worth going on.
        """
        rounds = int(rounds)
        self._steps[self._begin + rounds] = float(loss)
        if rounds >= _WARM_UP:
            self._judge(self._begin + rounds, self._begin)
        return time.monotonic() >= self._until

    def next_fold(self, loss: float) -> None:
        """Take the mean loss over the folds so far, in the problem's metric, and go on."""
        self._begin += _FOLD
        self._steps[self._begin - 1] = float(loss)
        self._judge(self._begin - 1, self._begin - 1)
        self._until += self._seconds

    def _judge(self, step: int, begin: int) -> None:
        best = _best(self._steps, begin, step)
        rivals = [_best(each, begin, step) for each in self._rivals if _reaches(each, step)]
        if len(rivals) >= _ENOUGH and best > np.quantile(rivals, _SHARE):
            raise Pruned(f"after step {step} {best:.6g} is worse than three quarters of the others")


def _best(steps: Mapping[int, float], begin: int, step: int) -> float:
    return min(loss for at, loss in steps.items() if begin <= at <= step)


def _reaches(steps: Mapping[int, float], step: int) -> bool:
    return step in steps
