"""Small training rows that hold what models trip over, and one fit of each algorithm and kind."""

import functools

import numpy as np

from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task

SMALL = {
    "catboost": {"iterations": 12, "depth": 3},
    "last_value": {},
    "lightgbm": {"num_iterations": 12, "num_leaves": 8, "min_data_in_leaf": 5},
    "xgboost": {"num_boost_round": 12, "max_depth": 3, "min_child_weight": 1.0},
    "hist_gradient_boosting": {"max_iter": 12, "max_leaf_nodes": 8, "min_samples_leaf": 5},
    "random_forest": {"n_estimators": 12, "min_samples_leaf": 5},
    "extra_trees": {"n_estimators": 12, "min_samples_leaf": 5},
    "logistic": {},
    "linear": {},
    "elastic_net": {},
    "isolation_forest": {"n_estimators": 20, "max_samples": 100},
    "naive": {},
    "nearest_neighbours": {"n_neighbors": 9},
    "tails": {"tail": 0.05},
}
LAST = 1
"""Of encoded rows the column that stands for the label's last value; its values are few."""
CASES = [(name, kind) for name in algorithms.names() for kind in sorted(algorithms.get(name).kinds)]


@functools.cache
def rows(encoder):
    """Features: with missing values, few values, near zero, infinite, beyond float32, plain."""
    rng = np.random.default_rng(0)
    n = 500
    X = rng.normal(size=(n, 6))
    X[rng.random(n) < 0.2, 0] = np.nan
    X[:, 1] = rng.integers(0, 3, n)
    X[:, 2] = np.where(rng.random(n) < 0.4, 0.0, X[:, 2] * 1e-35)
    X[:, 3] = np.where(rng.random(n) < 0.2, np.copysign(np.inf, X[:, 3]), X[:, 3])
    X[:, 4] *= 1e38
    if encoder == "linear":
        return np.nan_to_num(np.clip(X, -3, 3))
    return X


def rarity(X):
    """Count, for each value, how few rows reach it; add up the logarithms."""
    reach = [(X[:, None, j] <= X[None, :, j]).mean(axis=1) for j in range(X.shape[1])]
    return sum(
        np.where(np.isnan(X[:, j]), 0, -np.log(share))
        for j, share in enumerate(np.maximum(each, 1 / len(X)) for each in reach)
    )


@functools.cache
def target(kind):
    X = rows("ordinal")
    signal = np.nan_to_num(X[:, 0]) + X[:, 1] + (X[:, 2] > 0) + (X[:, 3] > 1) + (X[:, 4] > 0)
    score = signal + np.random.default_rng(1).normal(size=len(X))
    return {
        "binary": (score > 2).astype(np.int8),
        "multiclass": np.digitize(score, [1, 3]),
        "regression": score,
        "anomaly": rarity(X),
    }[kind]


@functools.cache
def fitted(name, kind, seed=1, threads=1):
    algorithm = algorithms.get(name)
    return algorithm.fit(
        rows(algorithm.encoder), target(kind), SMALL[name], Task(kind, seed, threads, last=LAST)
    )
