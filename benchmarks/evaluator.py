"""Claim: on one thread 100,000 rows × 40 features take a fifth of LightGBM's own time to predict.

Raw scores of the default models of three libraries, which must agree; a third of XGBoost's own time
(`inplace_predict`, which copies nothing), an eighth of that of scikit-learn's histogram gradient
boosting (which checks its rows), and 15 µs for a single row, checked as in a request. For that
there is no peer: the goal stands in its place. Beside each stands ONNX Runtime with the same trees
in float64, as `octavo export` writes them, from encoded rows to probabilities. Every library
predicts in an environment of its own, with the version that trained the model here.
``python benchmarks/evaluator.py [--rows 100000] [--repeats 5] [--json]``
"""

import argparse
import pickle
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from harness import Beside, Claim, environment, in_turn
from octavo.bundle import Model
from octavo.bundle.onnx_graph import _DOUBLE, _OPSETS, _Graph, _linked
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task

SHORT = 10_000
"""Rows for ONNX Runtime: fewer than are shared out over threads."""
GOALS = {
    "lightgbm": ("lightgbm", 5),
    "xgboost": ("xgboost-cpu", 3),
    "hist_gradient_boosting": ("scikit-learn", 8),
}
"""For each algorithm the package that has it, and how many times faster we are to be."""
PREDICTING = Path(__file__).parent / "peers" / "predicting.py"


def rows(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features with missing values, and a target that some of them tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(size, 40))
    X[rng.random(X.shape) < 0.05] = np.nan
    known = np.nan_to_num(X)
    score = known[:, 0] + known[:, 1] * known[:, 2] + rng.normal(size=size)
    return X, (score > 0).astype(float)


def peer(library: str, package: str, content: bytes, X: np.ndarray, folder: Path) -> Beside:
    """Start a library on a model's file and rows; what it predicts is then in `found`."""
    model, rows = folder / f"{library}.model", folder / f"{library}.npy"
    model.write_bytes(content)
    np.save(rows, X)
    python = environment(library, f"{package}=={version(package)}")
    return Beside(python, PREDICTING, library, model, rows, folder / f"{library}-found.npy")


def found(library: str, folder: Path) -> np.ndarray:
    """Return what a library has predicted."""
    return np.load(folder / f"{library}-found.npy")


def native(name: str, fitted: Any) -> bytes:
    """Return a model as its library keeps it."""
    if name == "lightgbm":
        return fitted.booster.model_to_string().encode()
    return fitted.booster.save_raw("ubj") if name == "xgboost" else pickle.dumps(fitted.estimator)


def as_onnx(model: Model) -> bytes:
    """Return the trees as a graph from encoded rows to probabilities."""
    from onnx import helper

    graph = _Graph()
    found = _linked(graph, model, "X")
    ends = [helper.make_tensor_value_info(n, _DOUBLE, [None, None]) for n in ("X", found)]
    made = helper.make_graph(graph.nodes, "trees", ends[:1], ends[1:], graph.constants)
    opsets = [helper.make_opsetid(domain, opset) for domain, opset in _OPSETS.items()]
    return helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()


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
    with tempfile.TemporaryDirectory() as folder:
        for name in GOALS:
            compare(name, X, y, Path(folder), options)


def compare(
    name: str, X: np.ndarray, y: np.ndarray, folder: Path, options: argparse.Namespace
) -> None:
    """Show the claims about one library's model."""
    package, goal = GOALS[name]
    out, some = np.empty((len(X), 1)), slice(30_000)
    fitted = algorithms.get(name).fit(X[some], y[some], {}, Task("binary", 1, 1))
    model = fitted.model()
    model.raw(X[:100])  # compile, and lay out
    with peer(name, package, native(name, fitted), X, folder) as library:
        # What `raw` gives each of its threads.
        mine, theirs = in_turn(lambda: model._fill(X, out), library, repeats=options.repeats)
    tolerance = 1e-5 if name == "xgboost" else 0
    np.testing.assert_allclose(out[:, 0], found(name, folder), rtol=tolerance, atol=tolerance)
    claim = Claim(f"{len(X):,} rows × 40, {name}", mine, theirs, goal=goal)
    claim.show(as_json=options.json)
    short = X[:SHORT]
    with peer("onnxruntime", "onnxruntime", as_onnx(model), short, folder) as runtime:
        mine, theirs = in_turn(lambda: model.predict(short), runtime, repeats=options.repeats)
    told = found("onnxruntime", folder)[:, 0]
    np.testing.assert_allclose(model.predict(short), told, rtol=1e-9)
    claim = Claim(f"{len(short):,} rows × 40, {name}, ONNX Runtime", mine, theirs, goal=1)
    claim.show(as_json=options.json)
    claim = Claim(f"one row × 40, {name}", one_row(model, X[:1]), 15, goal=1, unit="µs")
    claim.show(as_json=options.json)


if __name__ == "__main__":
    main()
