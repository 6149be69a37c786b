"""A candidate and rows it did not learn from: what it tells of them, and what came true.

All that evaluation finds is a function of two such: of validation, and of test, which is read once.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.metrics import Weighed, measured, prepared, trivial
from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import Problem
from octavo.stages.contract import Context

LOOKED = 20_000
"""Rows of validation that groups, importance and robustness are looked for in at the most."""


@dataclass(frozen=True)
class Judged:
    """Rows, outcomes and predictions, in one order."""

    problem: Problem
    bundle: Bundle
    rows: pl.DataFrame
    """Stamps and features."""
    truth: np.ndarray
    """Shape (n,): see `octavo.bundle.targets.target_numbers`."""
    predicted: np.ndarray
    """Shape (n,) or (n, classes): what the bundle tells, calibrated."""

    @classmethod
    def of(
        cls,
        problem: Problem,
        bundle: Bundle,
        rows: pl.DataFrame,
        truth: np.ndarray,
    ) -> "Judged":
        """Predict for rows."""
        return cls(problem, bundle, rows, truth, bundle.predict(rows))

    def figure_of(self, predicted: np.ndarray) -> float:
        """Return the problem's figure of other predictions for these rows."""
        return measured(self.problem, self.truth, predicted, threshold=self.bundle.threshold)

    @property
    def figure(self) -> float:
        """The problem's figure of the candidate."""
        return self.figure_of(self.predicted)

    def among(self, chosen: np.ndarray) -> "Judged":
        """Return some of the rows.

        Parameters
        ----------
        chosen
            Bool, shape (n,).
        """
        kept = self.rows.filter(pl.Series(chosen))
        return Judged(self.problem, self.bundle, kept, self.truth[chosen], self.predicted[chosen])

    def weighed(self) -> Weighed:
        """Return the figure as a function of the rows' weights."""
        return weighed(self.problem, self.truth, self.predicted, self.bundle.threshold)


def weighed(
    problem: Problem, truth: np.ndarray, predicted: np.ndarray, threshold: float | None
) -> Weighed:
    """Return the problem's figure as a function of the rows' weights."""
    return prepared(
        problem.metric, truth, predicted, threshold=threshold, k=problem.k, costs=problem.costs
    )


def truths(
    context: Context, parts: tuple[str, str], fold: int | None = None
) -> tuple[np.ndarray, ...]:
    """Return the labels of some parts as numbers, by the classes of the first of them."""
    pipeline, segregation = context.pipeline, context.segregation()
    rows = pipeline.problem.learns_from
    labels = [segregation.outcomes(p, rows, fold=fold) for p in parts]
    classes = classes_of(labels[0], pipeline)
    return tuple(target_numbers(label, pipeline, classes) for label in labels)


def baseline(problem: Problem, trained_on: np.ndarray, truth: np.ndarray) -> float:
    """Return the figure of the trivial baseline; where it must decide, of its best decision."""
    return measured(problem, truth, trivial(problem.kind, trained_on, truth.size))


def validation_baseline(context: Context) -> float:
    """Return the mean over the folds, as a candidate's figure on validation is one."""
    folds = range(1, context.segregation().folds + 1)
    each = [truths(context, ("train", "validation"), fold) for fold in folds]
    return float(np.mean([baseline(context.pipeline.problem, *pair) for pair in each]))


def validation(context: Context, bundle: Bundle) -> Judged:
    """Judge validation, or of more than `LOOKED` rows so many drawn from it."""
    pipeline = context.pipeline
    rows = context.segregation().data("validation", pipeline.problem.learns_from, most=LOOKED)
    truth = target_numbers(rows[pipeline.label.name], pipeline, list(bundle.classes))
    return Judged.of(pipeline.problem, bundle, rows, truth)
