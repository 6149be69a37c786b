"""AutoGluon on one table: learn from train.parquet, predict test.parquet, write the predictions."""

import json
import sys

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor

METRICS = {"rmse": "root_mean_squared_error", "mae": "mean_absolute_error"}

asked = json.loads(sys.argv[1])
train, test = pd.read_parquet("train.parquet"), pd.read_parquet("test.parquet")
predictor = TabularPredictor(
    asked["target"],
    problem_type=asked["kind"],
    eval_metric=METRICS.get(asked["metric"], asked["metric"]),
    path="autogluon",
    verbosity=0,
)
predictor.fit(train, time_limit=asked["seconds"], presets="best_quality", num_cpus=2)
test = test.drop(columns=asked["target"])
if asked["kind"] == "regression":
    predicted = predictor.predict(test)
else:
    shares = predictor.predict_proba(test)
    shares = shares[sorted(shares.columns, key=str)]
    predicted = shares.iloc[:, 1] if asked["kind"] == "binary" else shares
np.save(asked["out"], np.asarray(predicted, np.float64))
