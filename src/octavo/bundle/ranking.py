"""Which of several candidates is the best: one rule, wherever candidates are put in order.

A figure that counts right and wrong answers moves in steps, and of hundreds of candidates on few
rows the highest is the luckiest. So those that lie within one standard error of the best figure
count as equal, and of them the log loss decides. Knows nothing of models, catalogs or files.
Source: the rule of one standard error of Breiman et al., Classification and Regression Trees
(1984), section 3.4.3, with a proper score in the place of the size of a tree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from octavo.bundle.bootstrap import resampled
from octavo.bundle.metrics import log_losses, prepared
from octavo.definition import Problem

R = TypeVar("R", bound=Mapping[str, Any])

DRAWS = 25
"""Bootstrap samples of each validation part, which tell a standard error to about a seventh: Efron
and Tibshirani, An Introduction to the Bootstrap (1993), section 6.4."""
_ROUNDING = 1e-9
"""By how much a difference of one row may come out larger than one row's share."""


@dataclass(frozen=True)
class Closeness:
    """What decides between figures that are nearly equal; nothing where the metric is fine."""

    log_loss: float | None = None
    """Mean over the folds, of the probabilities before they are calibrated."""
    standard_error: float | None = None
    """Of the figure, in its units."""

    @classmethod
    def of(
        cls, problem: Problem, truths: Sequence[np.ndarray], predicted: Sequence[np.ndarray]
    ) -> "Closeness":
        """Measure predictions for the validation parts of all folds.

        The standard error is the bootstrap's over the rows of each part, put together as that of a
        mean: folds are too few to tell it, and those in time differ for other reasons. It is no
        less than the share of one row of the smallest part: a figure of 1 has no spread in any
        sample, and is no surer for that.

        Parameters
        ----------
        truths, predicted
            For each fold; see `octavo.bundle.metrics.figure`.
        """
        if not problem.is_coarse:
            return cls()
        errors = [_error(problem, *each) for each in zip(truths, predicted, strict=True)]
        one_row = 1 / min(truth.size for truth in truths)
        error = max(float(np.sqrt(np.sum(np.square(errors)))), one_row) / len(truths)
        losses = [log_losses(*each).mean() for each in zip(truths, predicted, strict=True)]
        return cls(float(np.mean(losses)), error)


def _error(problem: Problem, truth: np.ndarray, predicted: np.ndarray) -> float:
    weighed = prepared(problem.metric, truth, predicted, k=problem.k, costs=problem.costs)
    draws = resampled([weighed], truth.size, draws=DRAWS)
    known = draws[~np.isnan(draws)]
    return float(known.std()) if known.size else 0.0


def finely(problem: Problem) -> Problem:
    """Return the problem by whose metric candidates are put together; of a coarse one, log loss."""
    if not problem.is_coarse:
        return problem
    return replace(problem, metric="log_loss", k=None, at_least=None, at_most=1.0)


def ranked(rows: Iterable[R], *, more_is_better: bool) -> list[R]:
    """Return candidates, best first.

    Those whose figure lies within one standard error of the best figure come first, by their log
    loss; the others by their figures. Of equal ones what was trained once more on all rows is the
    first, since it has the measures of what it repeats, then whichever was given first.

    Parameters
    ----------
    rows
        With the catalog's ``figure``, ``log_loss``, ``standard_error`` and ``role``.
    """
    sign = -1 if more_is_better else 1
    by_figure = sorted(rows, key=lambda row: (sign * row["figure"], row["role"] != "refit"))
    among = _equal(by_figure)
    equal = sorted(by_figure[:among], key=lambda row: (_loss(row), row["role"] != "refit"))
    return equal + by_figure[among:]


def _equal(by_figure: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of the first ones count as equal."""
    if not by_figure or by_figure[0]["standard_error"] is None:
        return 0
    best = by_figure[0]
    reach = best["standard_error"] * (1 + _ROUNDING)
    return sum(abs(row["figure"] - best["figure"]) <= reach for row in by_figure)


def _loss(row: Mapping[str, Any]) -> float:
    return float("inf") if row["log_loss"] is None else row["log_loss"]


def decided(
    rows: Sequence[Mapping[str, Any]], *, more_is_better: bool
) -> dict[str, float | int] | None:
    """Say how the log loss has decided; None if the figure alone did.

    Parameters
    ----------
    rows
        As for `ranked`.

    Returns
    -------
    dict or None
        ``among``: how many candidates count as equal, ``best``: the best figure of these,
        ``standard_error``: that figure's, ``log_loss``: of the candidate that is taken.
    """
    own = [row for row in rows if row["role"] != "refit"]
    sign = -1 if more_is_better else 1
    by_figure = sorted(own, key=lambda row: sign * row["figure"])
    among = _equal(by_figure)
    if among < 2:
        return None
    return {
        "among": among,
        "best": by_figure[0]["figure"],
        "standard_error": by_figure[0]["standard_error"],
        "log_loss": min(_loss(row) for row in by_figure[:among]),
    }
