"""Models as plain arrays: trees, forests, linear models and tails, and what they predict.

Knows nothing of the libraries that train them, of columns or of files.
"""

import abc
import dataclasses
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from octavo.definition.problem import Kind
from octavo.errors import DataError

if TYPE_CHECKING:
    from octavo.bundle.quick import Questions

MANY = 16
"""Rows from which trees are asked node by node; see `octavo.bundle.quick`."""

MOST_SURPRISE = 100.0
"""The most that anything surprises a `TailModel`: one row in 10⁴³. No tail is known that far."""


@dataclass(frozen=True, eq=False)
class Model(abc.ABC):
    """A model in array form. Immutable; its arrays are read-only; safe to use from many threads.

    A row's result has the same bits alone and in a batch, on one thread and on many.
    """

    kind: Kind
    n_features: int
    """Width of the encoded matrix."""

    form: ClassVar[str]
    """The word for this form in a bundle."""
    dtypes: ClassVar[dict[str, type[np.generic]]]
    """The arrays and their types."""

    def __post_init__(self) -> None:
        for name, dtype in self.dtypes.items():
            array = np.array(getattr(self, name), dtype, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check()
        if not self.n_outputs or (self.kind == "multiclass") != (self.n_outputs > 1):
            raise broken(f"{self.n_outputs} outputs do not make a {self.kind} model")

    @property
    @abc.abstractmethod
    def n_outputs(self) -> int:
        """Scores per row: the number of classes if there are more than two, else 1."""

    @abc.abstractmethod
    def _check(self) -> None:
        """Refuse arrays that the evaluator could not walk safely."""

    @abc.abstractmethod
    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        """Write the raw scores of the rows of ``X`` to ``out``."""

    def raw(self, X: npt.ArrayLike) -> np.ndarray:
        """Compute raw scores: log-odds, one score per class, the value itself, or the surprise.

        A forest adds up no scores: its raw scores are what it predicts.

        Parameters
        ----------
        X
            Encoded rows, shape (n, n_features); NaN is a missing value.

        Returns
        -------
        numpy.ndarray
            float64, shape (n,), or (n, n_outputs) for several classes.

        Raises
        ------
        DataError
            If the width is not ``n_features``.
        """
        scores = self._scores(X)
        return scores if self.n_outputs > 1 else scores[:, 0]

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Predict: the probability of the positive class, of each class, the value, or a share.

        For anomalies it is the share of training rows that were less unusual.

        Parameters
        ----------
        X
            Encoded rows, shape (n, n_features); NaN is a missing value.

        Returns
        -------
        numpy.ndarray
            float64, shape (n,), or (n, n_outputs) for several classes.
        """
        scores = self._scores(X)
        self._link(scores)
        return scores if self.n_outputs > 1 else scores[:, 0]

    def _link(self, scores: np.ndarray) -> None:
        """Turn raw scores into predictions, in place."""
        link(self.kind, scores)

    def _scores(self, X: npt.ArrayLike) -> np.ndarray:
        from octavo.bundle import evaluator

        X = np.ascontiguousarray(X, np.float64)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise DataError(
                f"rows of shape {X.shape} do not fit a model of {self.n_features} features.",
                where="model",
                fix="Encode them with the encoder of the same bundle.",
            )
        out = np.empty((len(X), self.n_outputs))
        if len(X) < evaluator.LONG:
            self._fill(X, out)
            return out
        parts = os.cpu_count() or 1
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(self._fill, np.array_split(X, parts), np.array_split(out, parts)))
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in self.dtypes}

    def meta(self) -> dict[str, Any]:
        """Return what is not an array, as plain values."""
        return {"form": self.form, "kind": self.kind, "n_features": self.n_features}

    @staticmethod
    def of(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> "Model":
        """Build the model that `meta` and `arrays` came from.

        Raises
        ------
        DataError
            If they do not make a model.
        """
        parts = {**meta, **arrays}
        form = FORMS.get(parts.pop("form", ""))
        if form is None:
            raise broken(f"there is no form {meta.get('form')!r}")
        return form.of_parts(parts)

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any]) -> Self:
        """Build one of this form; see `of`."""
        if {field.name for field in dataclasses.fields(cls)} != parts.keys():
            raise broken(f"{sorted(parts)} are not its parts")
        return cls(**parts)


@dataclass(frozen=True, eq=False)
class Trees(Model):
    """Decision trees.

    Inner nodes of all trees lie in one set of arrays, shape (nodes,), leaves in another. A child
    (and a root) ``c >= 0`` is an inner node, ``c < 0`` the leaf ``~c``; an inner node's children
    come after it. A row goes left where ``x <= threshold``; NaN goes where ``default_left`` says.

    This is the only comparison and the only rule for missing values. What the libraries do
    otherwise (``<``, float32 inputs, NaN taken for 0) is folded into thresholds and directions,
    exactly, where a trained model is taken over.
    """

    feature: np.ndarray
    """Column of the encoded matrix."""
    threshold: np.ndarray
    """Highest value that goes left; infinite: every value does; NaN: none does."""
    left: np.ndarray
    right: np.ndarray
    default_left: np.ndarray
    """1 where a missing value goes left, else 0."""
    leaf_value: np.ndarray
    roots: np.ndarray
    """Shape (trees,)."""

    dtypes: ClassVar = {
        "feature": np.int32,
        "threshold": np.float64,
        "left": np.int32,
        "right": np.int32,
        "default_left": np.uint8,
        "leaf_value": np.float64,
        "roots": np.int32,
    }

    def _check(self) -> None:
        nodes, leaves = len(self.feature), len(self.leaf_value)
        of_nodes = (self.feature, self.threshold, self.left, self.right, self.default_left)
        if any(array.ndim != 1 for array in (*of_nodes, self.roots)):
            raise broken("an array has more than one dimension")
        if any(len(array) != nodes for array in of_nodes):
            raise broken("the arrays of the nodes differ in length")
        for children in (self.left, self.right, self.roots):
            if children.size and not (-leaves <= children.min() and children.max() < nodes):
                raise broken("a child is outside the trees")
        for children in (self.left, self.right):
            if ((children >= 0) & (children <= np.arange(nodes))).any():
                raise broken("a node comes after its child")
        if nodes and not set(np.unique(self.feature)) <= set(range(self.n_features)):
            raise broken("a node asks for a feature that does not exist")

    @property
    def _walk(self) -> tuple[Any, Any, Any, Any, Any, Any, Any]:
        """The arrays in the order that the evaluator takes them."""
        nodes = (self.feature, self.threshold, self.left, self.right, self.default_left)
        return (*nodes, self.leaf_value, self.roots)


@dataclass(frozen=True, eq=False)
class TreeModel(Trees):
    """A sum of decision trees, of which each has one number in a leaf.

    ``leaf_value`` has the shape (leaves,). Trees take turns over the outputs: tree t adds to output
    ``t % n_outputs``.
    """

    base_score: np.ndarray
    """Shape (n_outputs,): the score before the first tree."""

    form = "trees"
    dtypes: ClassVar = {**Trees.dtypes, "base_score": np.float64}

    @property
    def n_outputs(self) -> int:
        """Scores per row."""
        return len(self.base_score)

    def _check(self) -> None:
        super()._check()
        if self.leaf_value.ndim != 1 or self.base_score.ndim != 1:
            raise broken("an array has more than one dimension")

    @cached_property
    def _questions(self) -> "Questions | None":
        """The trees laid out for many rows; None if they are too large for that."""
        from octavo.bundle import quick

        return quick.questions(self.n_features, *self._walk)

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        from octavo.bundle import evaluator

        if len(X) < MANY or self._questions is None:
            evaluator.trees(X, *self._walk, self.base_score, out)
            return
        from octavo.bundle import quick

        quick.trees(X, *self._questions, self.base_score, out)


@dataclass(frozen=True, eq=False)
class ForestModel(Trees):
    """A mean of decision trees, of which each tells all outputs.

    ``leaf_value`` has the shape (leaves, n_outputs): the share of the positive class, of each
    class, or the value. Their mean is what is predicted.
    """

    form = "forest"

    @property
    def n_outputs(self) -> int:
        """Numbers in a leaf."""
        return self.leaf_value.shape[-1]

    def _check(self) -> None:
        super()._check()
        if self.leaf_value.ndim != 2 or not self.roots.size:
            raise broken("there is no tree, or a leaf has no row of its own")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        from octavo.bundle import evaluator

        evaluator.forest(X, *self._walk, out)

    def _link(self, scores: np.ndarray) -> None:
        """Leave them as they are: they are shares, or values, already."""


@dataclass(frozen=True, eq=False)
class LinearModel(Model):
    """A weighted sum of the features for each output."""

    coef: np.ndarray
    """Shape (n_outputs, n_features)."""
    intercept: np.ndarray
    """Shape (n_outputs,)."""

    form = "linear"
    dtypes: ClassVar = {"coef": np.float64, "intercept": np.float64}

    @property
    def n_outputs(self) -> int:
        """Scores per row."""
        return len(self.intercept)

    def _check(self) -> None:
        if self.intercept.ndim != 1 or self.coef.shape != (self.n_outputs, self.n_features):
            raise broken(f"coefficients of shape {self.coef.shape} do not fit")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        from octavo.bundle import evaluator

        evaluator.linear(X, self.coef, self.intercept, out)


@dataclass(frozen=True, eq=False)
class TailModel(Model):
    """How surprising each feature is, upwards, and how surprising they are together.

    The surprise of a value is −ln of the share of training rows that reach it. It is given at
    knots, linear in asinh of the value between them, and goes on in a straight line beyond the
    last: an exponential tail of asinh, so a power tail of the value. NaN surprises nobody. The sum
    over the features, to 9 digits, so that equal rows are equal whoever adds up, is itself measured
    in this way, without asinh, by the last row of each array; that is the raw score.
    """

    knots: np.ndarray
    """Shape (n_features + 1, knots), ascending: values of the features; in the last row sums."""
    surprise: np.ndarray
    """Shape (knots,), ascending from 0: surprise at the knots, the same for all rows."""
    slope: np.ndarray
    """Shape (n_features + 1,), positive: surprise per unit of asinh (of the sum) beyond the last
    knot."""

    form = "tails"
    dtypes: ClassVar = {"knots": np.float64, "surprise": np.float64, "slope": np.float64}

    @property
    def n_outputs(self) -> int:
        """Scores per row: one."""
        return 1

    def _check(self) -> None:
        rows = self.n_features + 1
        if self.knots.shape != (rows, self.surprise.size) or self.slope.shape != (rows,):
            raise broken(f"knots of shape {self.knots.shape} do not fit")
        rising = (self.knots[:, 1:] >= self.knots[:, :-1]).all() and (self.slope > 0).all()
        if not self.surprise.size or self.surprise[0] or not (np.diff(self.surprise) >= 0).all():
            raise broken("surprise does not rise from 0")
        if not rising:
            raise broken("knots or tails do not rise")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        from octavo.bundle import surprise

        surprise.tails(X, self.knots, self.surprise, self.slope, out)


FORMS: dict[str, type[Model]] = {
    form.form: form for form in (ForestModel, LinearModel, TailModel, TreeModel)
}
"""The forms of models a bundle can hold."""


_LINKS = {"multiclass": "softmax", "binary": "logistic", "anomaly": "share_below"}


def link(kind: str, scores: np.ndarray) -> None:
    """Turn log-odds, scores of classes or surprise into what is told, in place; values stay.

    Parameters
    ----------
    scores
        float64, shape (n, outputs), C order.
    """
    from octavo.bundle import evaluator

    if kind in _LINKS:
        getattr(evaluator, _LINKS[kind])(scores)


def broken(what: str) -> DataError:
    """Make the error for arrays that make no model."""
    return DataError(
        f"the model's arrays are not consistent: {what}.",
        where="model",
        fix="Take the bundle from the candidate store again, or train anew.",
    )
