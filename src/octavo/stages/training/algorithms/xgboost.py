"""XGBoost: gradient-boosted trees over histograms, grown level by level.

XGBoost rounds inputs to float32 and goes left where ``x < threshold`` (``src/predictor``); its
trees are taken over so that ``x <= threshold`` in float64 decides the same for every x. It adds
leaves up in float32, so raw scores differ in their last float32 digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import TreeModel
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError
from octavo.stages.training.algorithms.contract import Task, count_classes, settings
from octavo.stages.training.algorithms.rounds import MOST, Rounds
from octavo.stages.training.algorithms.singles import highest_below, within
from octavo.stages.training.algorithms.trees import Tree, join

if TYPE_CHECKING:
    from optuna.trial import BaseTrial
    from xgboost import Booster, DMatrix
    from xgboost.callback import TrainingCallback

_OBJECTIVES = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
_METRICS = {
    "average_precision": "aucpr",
    "roc_auc": "auc",
    "brier": "rmse",
    "rmse": "rmse",
    "mae": "mae",
}


class XGBoost:
    """``xgboost.train``; parameters by XGBoost's names, and ``num_boost_round``."""

    name = "xgboost"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return parameters that do well on 10³ to 10⁷ rows with few positives."""
        return {
            "num_boost_round": 200,
            "learning_rate": 0.08,
            "max_depth": 6,
            "min_child_weight": 5.0,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "reg_alpha": 1e-3,
            "reg_lambda": 1.0,
        }

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters; the number of rounds is left to watched rows."""
        return {
            "num_boost_round": 200,
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 10),
            "min_child_weight": trial.suggest_float("min_child_weight", 1e-2, 100.0, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 10.0, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 100.0, log=True),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedXGBoost:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        import xgboost

        kind, threads = task.kind, task.threads
        classes = count_classes(self, y, kind)
        fixed = {
            "objective": _OBJECTIVES[kind],
            "seed": task.seed,
            "nthread": threads,
            "tree_method": "hist",
            "verbosity": 0,
        }
        if kind == "multiclass":
            fixed["num_class"] = classes
        if task.monotone is not None:
            fixed["monotone_constraints"] = tuple(task.monotone.tolist())
        chosen = settings(self, params, fixed)
        rounds = chosen.pop("num_boost_round")
        data = _matrix(X, threads, label=y, weight=task.weights)
        if task.watch is None:
            booster = xgboost.train(chosen, data, rounds)
            return FittedXGBoost(booster, kind, threads, dict(params))
        watched = Rounds(kind, task.watch, chosen["learning_rate"])
        logarithmic = "mlogloss" if kind == "multiclass" else "logloss"
        chosen["eval_metric"] = _METRICS.get(watched.metric, logarithmic)
        beside = _matrix(task.watch.X, threads, label=task.watch.y)
        booster = xgboost.train(
            chosen,
            data,
            MOST,
            evals=[(beside, "watched")],
            callbacks=[_following(watched)],
            verbose_eval=False,
        )
        return FittedXGBoost(
            booster[: watched.best], kind, threads, {**params, "num_boost_round": watched.best}
        )


def _following(watched: Rounds) -> TrainingCallback:
    """Make the callback that shows each round's figure to a watch."""
    from xgboost.callback import TrainingCallback

    class Following(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            ((values,),) = (figures.values() for figures in evals_log.values())
            return watched.after(epoch + 1, values[-1])

    return Following()


def _matrix(X: np.ndarray, threads: int, **more: np.ndarray | None) -> DMatrix:
    """Hand rows over, values beyond float32 as its largest: XGBoost refuses infinite ones."""
    import xgboost

    return xgboost.DMatrix(within(X), missing=np.nan, nthread=threads, **more)


@dataclass(frozen=True)
class FittedXGBoost:
    """A trained Booster."""

    booster: Booster
    kind: Kind
    threads: int
    params: dict[str, Any]
    """As they turned out: with the number of rounds that watched rows asked for."""

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute margins with XGBoost."""
        return self.booster.predict(_matrix(X, self.threads), output_margin=True)

    def model(self) -> TreeModel:
        """Read the trees from the JSON model, which holds every float32 exactly."""
        learner = json.loads(self.booster.save_raw("json"))["learner"]
        gradient = learner["gradient_booster"]
        if gradient["name"] != "gbtree":
            raise _unsupported(f"booster={gradient['name']}")
        base_score = _margins(learner["learner_model_param"]["base_score"], self.kind)
        order = gradient["model"]["tree_info"]
        if order != [t % len(base_score) for t in range(len(order))]:
            raise _unsupported("several trees per round and class")
        trees = [_tree(tree) for tree in gradient["model"]["trees"]]
        return join(trees, base_score, kind=self.kind, n_features=self.booster.num_features())


def _margins(base_score: str, kind: Kind) -> np.ndarray:
    """Read the base score, "[5E-1]" or "[1E0,2E0]"; for binary it is a probability."""
    scores = np.array(json.loads(base_score), np.float32, ndmin=1)
    if kind == "binary":
        scores = -np.log(np.float32(1) / scores - np.float32(1))
    return scores.astype(np.float64)


def _tree(tree: Mapping[str, Any]) -> Tree:
    if tree["tree_param"]["size_leaf_vector"] != "1":
        raise _unsupported("multi_strategy=multi_output_tree")
    left = np.array(tree["left_children"])
    condition = np.array(tree["split_conditions"], np.float32)
    return Tree.of_mixed(
        leaf=left < 0,
        feature=np.array(tree["split_indices"]),
        threshold=highest_below(condition),
        left=left,
        right=np.array(tree["right_children"]),
        default_left=np.array(tree["default_left"]),
        value=condition.astype(np.float64),
    )


def _unsupported(what: str) -> DefinitionError:
    return DefinitionError(
        f"a model with {what} has no array form.",
        where="parameters of 'xgboost'",
        fix="Leave that parameter out.",
    )
