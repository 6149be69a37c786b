"""CatBoost: gradient-boosted oblivious trees, which ask one question on each level.

CatBoost rounds inputs to float32 and goes right where ``x > border``; missing values are below all
borders. Categories come as the encoder's numbers, not as CatBoost's own. A tree is taken over as
the full binary tree that it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import TreeModel
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError
from octavo.stages.training.algorithms.contract import Pruned, Task, count_classes, settings
from octavo.stages.training.algorithms.rounds import MOST, Rounds
from octavo.stages.training.algorithms.singles import highest_up_to, within
from octavo.stages.training.algorithms.trees import Tree, join

if TYPE_CHECKING:
    from catboost import CatBoost as Booster
    from optuna.trial import BaseTrial

_OBJECTIVES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
_METRICS = {
    "average_precision": "PRAUC",
    "roc_auc": "AUC",
    "brier": "BrierScore",
    "rmse": "RMSE",
    "mae": "MAE",
}


class CatBoost:
    """``catboost.CatBoost`` over symmetric trees; parameters by CatBoost's names."""

    name = "catboost"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return parameters that do well on 10³ to 10⁶ rows."""
        return {
            "iterations": 300,
            "learning_rate": 0.08,
            "depth": 6,
            "l2_leaf_reg": 3.0,
            "random_strength": 1.0,
            "rsm": 1.0,
        }

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters; the number of rounds is left to watched rows."""
        return {
            "iterations": 300,
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "depth": trial.suggest_int("depth", 3, 8),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.3, 30.0, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.1, 10.0, log=True),
            "rsm": trial.suggest_float("rsm", 0.3, 1.0),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedCatBoost:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        import catboost

        kind = task.kind
        count_classes(self, y, kind)
        fixed = {
            "loss_function": _OBJECTIVES[kind],
            "random_seed": task.seed,
            "thread_count": task.threads,
            "grow_policy": "SymmetricTree",
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
        if task.monotone is not None:
            fixed["monotone_constraints"] = task.monotone.tolist()
        # CatBoost would choose by the number of rounds, which a watch changes.
        steps = 10 if kind == "binary" else 1
        chosen = {"leaf_estimation_iterations": steps, **settings(self, params, fixed)}
        data = catboost.Pool(within(X), y, weight=task.weights)
        if task.watch is None:
            booster = catboost.CatBoost(chosen).fit(data)
            return FittedCatBoost(booster, kind, task.threads, dict(params))
        watched = Rounds(kind, task.watch, chosen["learning_rate"])
        metric = _METRICS.get(watched.metric, _OBJECTIVES[kind])
        booster = catboost.CatBoost({**chosen, "iterations": MOST, "eval_metric": metric})
        following = _Following(watched, metric)
        beside = catboost.Pool(within(task.watch.X), task.watch.y)
        booster.fit(data, eval_set=beside, use_best_model=False, callbacks=[following])
        if following.pruned is not None:
            raise following.pruned
        booster.shrink(watched.best)
        return FittedCatBoost(booster, kind, task.threads, {**params, "iterations": watched.best})


class _Following:
    """Shows each round's figure to a watch. CatBoost would wrap what is raised within it."""

    def __init__(self, watched: Rounds, metric: str) -> None:
        self.watched, self.metric = watched, metric
        self.pruned: Pruned | None = None

    def after_iteration(self, info: Any) -> bool:
        """Return whether to go on."""
        try:
            return not self.watched.after(
                info.iteration, info.metrics["validation"][self.metric][-1]
            )
        except Pruned as pruned:
            self.pruned = pruned
            return False


@dataclass(frozen=True)
class FittedCatBoost:
    """A trained model."""

    booster: Booster
    kind: Kind
    threads: int
    params: dict[str, Any]
    """As they turned out: with the number of rounds that watched rows asked for."""

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute raw scores with CatBoost."""
        return np.asarray(
            self.booster.predict(
                within(X), prediction_type="RawFormulaVal", thread_count=self.threads
            )
        )

    def model(self) -> TreeModel:
        """Read the trees from the JSON model."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.json")
            self.booster.save_model(str(path), format="json")
            document = json.loads(path.read_text())
        scale, bias = document["scale_and_bias"]
        if "oblivious_trees" not in document or scale != 1:
            raise DefinitionError(
                "a model without symmetric trees has no array form.",
                where="parameters of 'catboost'",
                fix="Leave out what makes it one.",
            )
        features = len(document["features_info"]["float_features"])
        trees = [each for tree in document["oblivious_trees"] for each in _trees(tree, len(bias))]
        return join(trees, np.array(bias), kind=self.kind, n_features=features)


def _trees(tree: Mapping[str, Any], outputs: int) -> list[Tree]:
    """Write an oblivious tree out, once for each output.

    A leaf's number has a bit for each question, 1 for the right; the last one is the highest, and
    is asked at the root. Nodes are numbered level by level.
    """
    questions = (tree["splits"] or [])[::-1]
    inner = 2 ** len(questions) - 1
    node = np.arange(inner)
    level = np.log2(node + 1).astype(int)
    feature = np.array([each["float_feature_index"] for each in questions], int)
    border = np.array([each["border"] for each in questions], float)
    children = [
        np.where(2 * node + c < inner, 2 * node + c, ~(2 * node + c - inner)) for c in (1, 2)
    ]
    values = np.reshape(tree["leaf_values"], (-1, outputs))
    return [
        Tree(
            feature=feature[level],
            threshold=highest_up_to(border)[level],
            left=children[0],
            right=children[1],
            default_left=np.ones(inner),
            leaf_value=value,
        )
        for value in values.T
    ]
