"""LightGBM: gradient-boosted trees, grown leaf by leaf. The default for tables.

Its model text is read as its own predictor reads it (LightGBM ``include/LightGBM/tree.h``,
``Tree::NumericalDecision``), so that raw scores have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import TreeModel
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError
from octavo.stages.training.algorithms.contract import Task, count_classes, least_in_leaf, settings
from octavo.stages.training.algorithms.rounds import MOST, Rounds
from octavo.stages.training.algorithms.trees import Tree, join

if TYPE_CHECKING:
    from lightgbm import Booster
    from lightgbm.callback import CallbackEnv
    from optuna.trial import BaseTrial

_DEFAULT_LEFT = 2  # bits of decision_type; the two above them are the missing type
_MISSING_NONE, _MISSING_NAN = 0, 2
_METRICS = {
    "average_precision": "average_precision",
    "roc_auc": "auc",
    "brier": "l2",
    "rmse": "rmse",
    "mae": "l1",
}
_ZERO = float(np.float32(1e-35))  # kZeroThreshold: values this near to 0 are read as 0


class LightGBM:
    """``lightgbm.train``; parameters by LightGBM's names, the number of rounds among them."""

    name = "lightgbm"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return parameters that do well on 10³ to 10⁷ rows with few positives."""
        return {
            "num_iterations": 300,
            "learning_rate": 0.05,
            "num_leaves": 31,
            "min_data_in_leaf": 20,
            "feature_fraction": 0.8,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l1": 1e-3,
            "lambda_l2": 1.0,
            "max_bin": 255,
            "extra_trees": False,
        }

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters; the number of rounds is left to watched rows."""
        return {
            "num_iterations": 300,
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 512, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 2, 256, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
            "bagging_freq": 1,
            "lambda_l1": trial.suggest_float("lambda_l1", 1e-3, 10.0, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
            "max_bin": trial.suggest_int("max_bin", 31, 511, log=True),
            "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedLightGBM:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        import lightgbm

        kind, threads = task.kind, task.threads
        classes = count_classes(self, y, kind)
        fixed = {
            "objective": kind,  # our words are LightGBM's
            "num_class": classes if kind == "multiclass" else 1,
            "seed": task.seed,
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        if task.monotone is not None:
            fixed["monotone_constraints"] = task.monotone.tolist()
        chosen = settings(self, params, fixed)
        chosen["min_data_in_leaf"] = least_in_leaf(chosen["min_data_in_leaf"], len(y))
        rounds = chosen.pop("num_iterations")
        data = lightgbm.Dataset(X, y, weight=task.weights, params=chosen)
        if task.watch is None:
            booster = lightgbm.train(chosen, data, rounds)
            return FittedLightGBM(booster, kind, threads, dict(params))
        watched = Rounds(kind, task.watch, chosen["learning_rate"])
        logarithmic = "multi_logloss" if kind == "multiclass" else "binary_logloss"
        chosen["metric"] = _METRICS.get(watched.metric, logarithmic)
        beside = data.create_valid(task.watch.X, task.watch.y)
        booster = lightgbm.train(
            chosen, data, MOST, valid_sets=[beside], callbacks=[_following(watched)]
        )
        booster.best_iteration = watched.best
        return FittedLightGBM(booster, kind, threads, {**params, "num_iterations": watched.best})


def _following(watched: Rounds) -> Callable[[CallbackEnv], None]:
    """Make the callback that shows each round's figure to a watch."""
    from lightgbm.callback import EarlyStopException

    def follow(env: CallbackEnv) -> None:
        figures: Any = env.evaluation_result_list
        if watched.after(env.iteration + 1, figures[0][2]):
            raise EarlyStopException(watched.best - 1, figures)

    return follow


@dataclass(frozen=True)
class FittedLightGBM:
    """A trained Booster."""

    booster: Booster
    kind: Kind
    threads: int
    params: dict[str, Any]
    """As they turned out: with the number of rounds that watched rows asked for."""

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute raw scores with LightGBM."""
        return np.asarray(self.booster.predict(X, raw_score=True, num_threads=self.threads))

    def model(self) -> TreeModel:
        """Read the trees from the model text, which holds every number exactly."""
        text = self.booster.model_to_string()  # up to the best round
        head, *trees = text.split("\nTree=")
        if "\naverage_output" in head:
            raise _unsupported("boosting=rf (averaged trees)")
        outputs = self.booster.num_model_per_iteration()
        return join(
            [_tree(_fields(text)) for text in trees],
            np.zeros(outputs),
            kind=self.kind,
            n_features=self.booster.num_feature(),
        )


def _fields(text: str) -> dict[str, str]:
    block = text.split("\n\n")[0]
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _tree(fields: Mapping[str, str]) -> Tree:
    if fields["is_linear"] != "0":
        raise _unsupported("linear_tree")

    def numbers(name: str, dtype: type) -> np.ndarray:
        return np.array(fields[name].split(), dtype)

    decision = numbers("decision_type", np.int64)
    missing = decision >> 2
    if not np.isin(missing, (_MISSING_NONE, _MISSING_NAN)).all():
        raise _unsupported("zero_as_missing")
    threshold = _as_if_rounded_to_zero(numbers("threshold", np.float64))
    # A feature without missing values in training has no direction for them: NaN is read as 0.
    as_zero = threshold >= 0.0
    return Tree(
        feature=numbers("split_feature", np.int32),
        threshold=threshold,
        left=numbers("left_child", np.int32),
        right=numbers("right_child", np.int32),
        default_left=np.where(missing == _MISSING_NONE, as_zero, decision & _DEFAULT_LEFT > 0),
        leaf_value=numbers("leaf_value", np.float64),
    )


def _as_if_rounded_to_zero(threshold: np.ndarray) -> np.ndarray:
    """Return thresholds that decide as LightGBM's do after it has read values near 0 as 0."""
    near = np.abs(threshold) <= _ZERO
    moved = np.where(threshold >= 0.0, _ZERO, np.nextafter(-_ZERO, -np.inf))
    return np.where(near, moved, threshold)


def _unsupported(what: str) -> DefinitionError:
    return DefinitionError(
        f"a model with {what} has no array form.",
        where="parameters of 'lightgbm'",
        fix="Leave that parameter out.",
    )
