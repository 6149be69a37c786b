"""Claim: on one thread 100,000 rows × 40 features take a fifth of LightGBM's own time to predict.

Raw scores of the default models of three libraries, which must agree; a third of XGBoost's own time
(`inplace_predict`, which copies nothing), an eighth of that of scikit-learn's histogram gradient
boosting (which checks its rows), and 15 µs for a single row, checked as in a request. For that
there is no peer: the goal stands in its place. Beside each stands ONNX Runtime with the same trees
in float64, as `octavo export` writes them, from encoded rows to probabilities.
``python benchmarks/evaluator.py [--rows 100000] [--repeats 5] [--json]``
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from harness import Claim, medians
from octavo.bundle import Model
from octavo.bundle.onnx_graph import _DOUBLE, _OPSETS, _Graph, _linked
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task

SHORT = 10_000
"""Rows for ONNX Runtime: fewer than are shared out over threads."""
GOALS = {"lightgbm": 5, "xgboost": 3, "hist_gradient_boosting": 8}


def rows(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features with missing values, and a target that some of them tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(size, 40))
    X[rng.random(X.shape) < 0.05] = np.nan
    known = np.nan_to_num(X)
    score = known[:, 0] + known[:, 1] * known[:, 2] + rng.normal(size=size)
    return X, (score > 0).astype(float)


def own_predict(name: str, fitted: Any, X: np.ndarray) -> Callable[[], np.ndarray]:
    """Return what asks a library for raw scores in the way that costs it least."""
    if name == "xgboost":
        return lambda: fitted.booster.inplace_predict(X, predict_type="margin")
    return lambda: fitted.native_raw(X)


def by_onnx(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return what asks ONNX Runtime for probabilities, on one thread."""
    import onnxruntime
    from onnx import helper

    graph = _Graph()
    found = _linked(graph, model, "X")
    ends = [helper.make_tensor_value_info(n, _DOUBLE, [None, None]) for n in ("X", found)]
    made = helper.make_graph(graph.nodes, "trees", ends[:1], ends[1:], graph.constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    content = helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options)
    return lambda X: session.run(None, {"X": X})[0]


def one_row(model: Model, row: np.ndarray) -> float:
    """Return the median microseconds of a row, shaped and checked as a request's is."""
    taken = []
    for _ in range(2_000):
        began = time.perf_counter()
        model.raw(row)
        taken.append(time.perf_counter() - began)
    return 1e6 * statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    X, y = rows(options.rows)
    out = np.empty((options.rows, 1))
    for name, goal in GOALS.items():
        algorithm, some = algorithms.get(name), slice(30_000)
        fitted = algorithm.fit(X[some], y[some], {}, Task("binary", 1, 1))
        model = fitted.model()
        model.raw(X[:100])  # compile, and lay out
        peer = own_predict(name, fitted, X)
        mine, native = medians(
            lambda model=model: model._fill(X, out),  # what `raw` gives each of its threads
            peer,
            repeats=options.repeats,
        )
        tolerance = 1e-5 if name == "xgboost" else 0
        np.testing.assert_allclose(out[:, 0], peer(), rtol=tolerance, atol=tolerance)
        Claim(f"{options.rows:,} rows × 40, {name}", mine, native, goal=goal).show(
            as_json=options.json
        )
        runtime = by_onnx(model)
        mine, theirs = medians(
            lambda model=model: model.predict(X[:SHORT]),
            lambda runtime=runtime: runtime(X[:SHORT]),
            repeats=options.repeats,
        )
        np.testing.assert_allclose(model.predict(X[:SHORT]), runtime(X[:SHORT])[:, 0], rtol=1e-9)
        Claim(f"{SHORT:,} rows × 40, {name}, ONNX Runtime", mine, theirs, goal=1).show(
            as_json=options.json
        )
        single = one_row(model, X[:1])
        claim = Claim(f"one row × 40, {name}", single, 15, goal=1, unit="µs")
        claim.show(as_json=options.json)


if __name__ == "__main__":
    main()
