"""Bundles predict the same bits where no training library can be imported."""

import subprocess
import sys

import numpy as np
import polars as pl
from small_fits import CASES, SMALL

from octavo.bundle import ENCODERS, Bundle, blended, stacked
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task

BLOCKED = ("sklearn", "lightgbm", "xgboost", "catboost", "optuna", "scipy", "pandas", "onnx",
           "onnxruntime", "joblib", "threadpoolctl", "matplotlib")  # fmt: skip
SCRIPT = f"""
import sys
for name in {BLOCKED!r}:
    sys.modules[name] = None
from pathlib import Path
import polars as pl
from octavo.bundle import Bundle
folder = Path(sys.argv[1])
rows = pl.read_parquet(folder / "rows.parquet")
for path in sorted(folder.glob("bundle-*")):
    print(path.name, Bundle.load(path).predict(rows).tobytes().hex())
"""
RNG = np.random.default_rng(0)
ROWS = pl.DataFrame(
    {
        "x": [None if RNG.random() < 0.2 else RNG.normal() for _ in range(400)],
        "count": RNG.integers(0, 9, 400),
        "night": RNG.random(400) < 0.5,
    }
)
NAMED = ROWS.with_columns(
    pl.Series("channel", [None if i % 7 == 0 else f"c{i % 5}" for i in range(400)]),
    pl.Series("shop", [f"s{i * i % 83}" for i in range(400)]),
)
SCORE = ROWS["x"].fill_null(0).to_numpy() + ROWS["count"].to_numpy() / 4
TARGETS = {
    "binary": (SCORE > 1).astype(float),
    "multiclass": np.digitize(SCORE, [0.5, 1.5]).astype(float),
    "regression": SCORE,
    "anomaly": np.full(400, np.nan),
}


def trained(name, kind):
    algorithm, y = algorithms.get(name), TARGETS[kind]
    frame = ROWS if kind == "anomaly" else NAMED
    targets = np.eye(3)[y.astype(int)] if kind == "multiclass" else y[:, None]
    targets = None if kind == "anomaly" else targets
    encoder, X = ENCODERS[algorithm.encoder].fit_transform(frame, y=targets)
    model = algorithm.fit(
        X, y, SMALL[name], Task(kind, 1, 1, last=encoder.names.index("count"))
    ).model()
    return Bundle(model, encoder, "y", name)


def test_every_algorithm_without_its_library(tmp_path):
    bundles = {f"{name}-{kind}": trained(name, kind) for name, kind in CASES}
    two = [bundles["lightgbm-binary"], bundles["logistic-binary"]]
    encoder, model = blended([(each.encoder, each.model) for each in two], np.array([0.6, 0.4]))
    bundles["blend-binary"] = Bundle(model, encoder, "y", "blend")
    for kind in ("binary", "multiclass", "regression"):
        parts = [(bundles[f"{name}-{kind}"].encoder, bundles[f"{name}-{kind}"].model)
                 for name in ("random_forest", "elastic_net")]  # fmt: skip
        outputs = parts[0][1].n_outputs
        fold = stacked(parts, np.array([0.9, 0.3]), np.linspace(0.1, 0.3, outputs))
        encoder, model = blended([fold, fold], np.ones(2))
        bundles[f"bag-{kind}"] = Bundle(model, encoder, "y", "stack")
    NAMED.write_parquet(tmp_path / "rows.parquet")
    for name, bundle in bundles.items():
        bundle.save(tmp_path / f"bundle-{name}")
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found.keys() == {f"bundle-{name}" for name in bundles}
    for name, bundle in bundles.items():
        assert found[f"bundle-{name}"] == bundle.predict(NAMED).tobytes().hex(), name
