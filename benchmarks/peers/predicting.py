"""A library's share of `evaluator.py`: run in that library's own environment, on one thread.

``python predicting.py LIBRARY MODEL ROWS.npy FOUND.npy`` predicts once, writes what it found, says
so, and predicts again for each line it reads, in the way that costs the library least. It answers
with the seconds.
"""

import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def lightgbm(model: str, X: np.ndarray) -> Callable[[], np.ndarray]:
    from lightgbm import Booster

    booster = Booster(model_file=model)
    return lambda: booster.predict(X, raw_score=True, num_threads=1)


def xgboost(model: str, X: np.ndarray) -> Callable[[], np.ndarray]:
    from xgboost import Booster

    booster = Booster({"nthread": 1})
    booster.load_model(bytearray(Path(model).read_bytes()))
    return lambda: booster.inplace_predict(X, predict_type="margin")


def hist_gradient_boosting(model: str, X: np.ndarray) -> Callable[[], np.ndarray]:
    estimator = pickle.loads(Path(model).read_bytes())
    return lambda: estimator.decision_function(X)


def onnxruntime(model: str, X: np.ndarray) -> Callable[[], np.ndarray]:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession(model, options)
    return lambda: session.run(None, {"X": X})[0]


LIBRARIES = {f.__name__: f for f in (lightgbm, xgboost, hist_gradient_boosting, onnxruntime)}


def main() -> None:
    library, model, rows, found = sys.argv[1:]
    predict = LIBRARIES[library](model, np.load(rows))
    np.save(found, predict())
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        predict()
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
