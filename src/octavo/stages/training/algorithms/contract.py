"""The contract of a training algorithm, and what holds for all of them.

An algorithm turns a matrix and a target into a model in array form, or an ONNX graph. It knows
nothing of columns, splits, searches, or files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from octavo.bundle import Model, OnnxModel
from octavo.definition.problem import Kind
from octavo.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

TOLERANCE = 1e-5
"""Largest difference allowed between a model and its native form, relative to the largest score
(at least 1). XGBoost adds up in float32; the others agree to the last bit or nearly so."""
CHECKED = 1_000
"""Rows that a model is compared with its native form on: so many, or nearly twice as many."""
HOLES = 0.2
"""The share of values that are left out to see what a graph makes of missing ones."""


class Pruned(Exception):
    """A fit was given up: others were better by then."""


@dataclass(frozen=True)
class Watch:
    """Rows beside those of the fit, by which it may see how far it should go.

    An algorithm that learns in rounds stops when these rows are predicted no better for a while,
    keeps the best round, and says how many these were in `Fitted.params`.
    """

    X: np.ndarray
    """Encoded rows, as those of the fit."""
    y: np.ndarray
    metric: str
    """The problem's metric; see `octavo.definition.METRICS`."""
    report: Callable[[int, float], bool | None]
    """Takes a number of rounds and the loss (less is better; comparable within one algorithm) after
    them. It raises `Pruned` if the fit is not worth going on; True says that it should end with the
    best round so far."""


@dataclass(frozen=True)
class Task:
    """What is asked of a fit, besides its rows and parameters."""

    kind: Kind
    """One of the algorithm's `kinds`."""
    seed: int
    """For all that is drawn at random."""
    threads: int
    """How many to use, exactly."""
    weights: np.ndarray | None = None
    """Weights of the rows, shape (n,), float64, positive; None: all the same."""
    monotone: np.ndarray | None = None
    """For each encoded column 1 where more of it may not lower the score, −1 where it may not
    raise it, else 0; int8. None: nothing is asked."""
    watch: Watch | None = None
    last: int | None = None
    """The encoded column of the label's last known value, as the encoder writes it; None if there
    is none."""


class Fitted(Protocol):
    """A trained model, still in the hands of its library.

    It may have ``params``: the parameters as they turned out, where the fit chose some itself.
    """

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute the library's own raw scores, shaped as `octavo.bundle.Model.raw` does."""
        ...

    def model(self) -> Model:
        """Take the model over into array form, or into a graph."""
        ...


@runtime_checkable
class Algorithm(Protocol):
    """A way to train. Stateless; a user's own object with these members is as good as ours.

    Promise: the same rows, parameters, seed and threads give the same arrays, bit for bit.
    """

    name: str
    """By which definitions, candidates and messages call it."""
    encoder: str
    """The encoder its matrix comes from: ``ordinal`` (missing is NaN) or ``linear`` (no NaN)."""
    kinds: frozenset[Kind]
    """The kinds of problem it can learn."""

    def defaults(self) -> dict[str, Any]:
        """Return the parameters of the first trial: sensible without any search."""
        ...

    def space(self, trial: "BaseTrial") -> dict[str, Any]:
        """Draw parameters, with the same keys as `defaults`."""
        ...

    def fit(self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task) -> Fitted:
        """Train.

        Parameters
        ----------
        X
            Encoded rows, float64, shape (n, features), C order.
        y
            Shape (n,): 0 or 1 for binary; 0 … classes − 1, each of which occurs, for multiclass;
            finite numbers for regression.
        params
            Parameters by the library's names; what is left out has its value in `defaults`.
        task
            All else. What an algorithm cannot do, such as a monotone answer, it refuses.
        """
        ...


def count_classes(algorithm: Algorithm, y: np.ndarray, kind: Kind) -> int:
    """Check a target and return how many classes it has; 0 for regression.

    Raises
    ------
    DefinitionError
        If the algorithm does not learn this kind.
    DataError
        If the target is not as `Algorithm.fit` asks.
    """
    if kind not in algorithm.kinds:
        raise DefinitionError(
            f"{algorithm.name!r} does not learn a {kind} problem, only {sorted(algorithm.kinds)}.",
            where="Training.algorithms",
            fix="Leave it out, or take another.",
        )
    if not np.isfinite(y).all():
        raise DataError(
            "the target has missing or infinite values.",
            where="training rows",
            fix="Train on labeled rows only.",
        )
    if kind == "regression":
        return 0
    values = np.unique(y)
    if len(values) < 2 or (values != np.arange(len(values))).any():
        raise DataError(
            f"the target has the values {values[:10].tolist()}, not 0, 1, … up to the last class.",
            where="training rows",
            fix="Take more rows for training, or merge classes too rare to occur there.",
        )
    if kind == "binary" and len(values) != 2:
        raise DataError(
            f"a binary target has {len(values)} classes.",
            where="training rows",
            fix='Declare the problem as kind="multiclass".',
        )
    return len(values)


def of_two_classes(score: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return one log-odds score as the scores of both classes, as softmax takes them.

    scikit-learn learns two classes as one score z; softmax of (−z/2, z/2) gives its probabilities.
    """
    return np.stack([-score / 2, score / 2], axis=axis)


MONOTONE = ("catboost", "hist_gradient_boosting", "lightgbm", "xgboost")
"""The algorithms of the library that can keep to `Task.monotone`."""


def unconstrained(algorithm: Algorithm, task: Task) -> None:
    """Refuse a task that asks for a monotone answer.

    Raises
    ------
    DefinitionError
        Naming those that can give one.
    """
    if task.monotone is not None:
        raise DefinitionError(
            f"{algorithm.name!r} cannot promise a monotone answer.",
            where="Training.monotone",
            fix=f"Leave it out of the algorithms, or choose among {', '.join(MONOTONE)}.",
        )


def unweighed(algorithm: Algorithm, task: Task) -> None:
    """Refuse weights of rows where they mean nothing.

    Raises
    ------
    DefinitionError
        If the task has some.
    """
    if task.weights is not None:
        raise DefinitionError(
            f"weights mean nothing to {algorithm.name!r}.",
            where="Training.weights",
            fix="Leave them out, or the algorithm.",
        )


PARTS = 20
"""Into how many leaves a table must at least be able to be divided."""


def least_in_leaf(wanted: int, rows: int) -> int:
    """Return how many rows a leaf needs: no more than leave a small table anything to divide."""
    return max(min(wanted, rows // PARTS), 1)


def settings(
    algorithm: Algorithm, params: Mapping[str, Any], fixed: Mapping[str, Any]
) -> dict[str, Any]:
    """Put a library's parameters together: defaults, then the trial's, then what must be so.

    Raises
    ------
    DefinitionError
        If ``params`` sets what the contract fixes, such as the objective or the seed.
    """
    for key in sorted(params.keys() & fixed.keys()):
        raise DefinitionError(
            f"{key!r} follows from the problem and the training settings.",
            where=f"parameters of {algorithm.name!r}",
            fix="Leave it out.",
        )
    return {**algorithm.defaults(), **params, **fixed}


def take_over(algorithm: Algorithm, fitted: Fitted, X: np.ndarray) -> Model:
    """Take a fitted model over into array form, or a graph, checked against the native one.

    Parameters
    ----------
    algorithm
        By which it was fitted; named in messages.
    fitted
        What `Algorithm.fit` returned.
    X
        Encoded rows to check on, such as those of the validation split; of many some are taken.

    Raises
    ------
    DefinitionError
        If there is neither form, or its scores are not the native ones.
    """
    where = f"algorithm {algorithm.name!r}"
    convert = getattr(fitted, "model", None)
    model = convert() if callable(convert) else None
    if not isinstance(model, Model):
        raise DefinitionError(
            "its fitted model has no array form and is no ONNX graph, so that nothing could load "
            "it without the library that trained it.",
            where=where,
            fix="Let fit return an ov.OnnxFitted (such as ov.OnnxFitted.of(estimator, task.kind)), "
            "or let model() return an octavo.bundle.TreeModel or LinearModel.",
        )
    some = X[:: max(len(X) // CHECKED, 1)]
    if off := _off(fitted, model, some, where):
        raise DefinitionError(
            f"the {_word(model)} is off by {off:.3g} from the native scores.",
            where=where,
            fix="Correct what model() returns.",
        )
    if isinstance(model, OnnxModel):
        _check_graph(algorithm, fitted, model, some)
    return model


def _off(fitted: Fitted, model: Model, X: np.ndarray, where: str) -> float:
    """Return the largest difference from the native scores, or 0 where that is within limits.

    Raises
    ------
    DefinitionError
        If they have another shape.
    """
    native, own = np.asarray(fitted.native_raw(X), np.float64), model.raw(X)
    if native.shape != own.shape:
        raise DefinitionError(
            f"native scores have shape {native.shape}, those of the {_word(model)} {own.shape}.",
            where=where,
            fix="Return one score per row, or one per row and class, from both.",
        )
    difference = float(np.abs(native - own).max(initial=0.0))
    allowed = TOLERANCE * max(1.0, np.abs(native).max(initial=0.0))
    return 0.0 if difference <= allowed else difference


def _word(model: Model) -> str:
    return "ONNX graph" if isinstance(model, OnnxModel) else "array form"


def _check_graph(algorithm: Algorithm, fitted: Fitted, model: OnnxModel, X: np.ndarray) -> None:
    """Refuse a graph that tells no probabilities, or makes something else of missing values.

    Converters leave out what a library does with NaN, and say nothing of it.
    """
    where, told = f"algorithm {algorithm.name!r}", model.raw(X)
    if model.kind != "regression" and not (np.abs(told - 0.5) <= 0.5 + TOLERANCE).all():
        raise DefinitionError(
            f"its ONNX graph tells {told.min():.3g} to {told.max():.3g}: no probabilities.",
            where=where,
            fix="Let the graph end in a sigmoid or a softmax, and what predict calls likewise.",
        )
    if algorithm.encoder != "ordinal":
        return
    fix = 'Let its encoder be "linear", which leaves nothing missing.'
    holed = np.where(np.random.default_rng(0).random(X.shape) < HOLES, np.nan, X)
    try:
        off = _off(fitted, model, holed, where)
    except Exception as error:
        what = f"its library refuses missing values ({type(error).__name__}: {error})."
        raise DefinitionError(what, where=where, fix=fix) from error
    if off:
        what = (
            f"its ONNX graph is off by {off:.3g} from the native scores where values are missing."
        )
        raise DefinitionError(what, where=where, fix=fix)
