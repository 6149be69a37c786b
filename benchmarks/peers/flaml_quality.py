"""FLAML on one table: learn from train.parquet, predict test.parquet, write the predictions."""

import json
import sys

import numpy as np
import pandas as pd
from flaml import AutoML

METRICS = {
    "average_precision": "ap",
    "roc_auc": "roc_auc",
    "log_loss": "log_loss",
    "accuracy": "accuracy",
    "r2": "r2",
    "rmse": "rmse",
    "mae": "mae",
}

asked = json.loads(sys.argv[1])
train, test = pd.read_parquet("train.parquet"), pd.read_parquet("test.parquet")
for frame in (train, test):
    for column in frame.select_dtypes(["object", "string"]).columns:
        frame[column] = frame[column].astype("category")
y = train.pop(asked["target"])
test = test.drop(columns=asked["target"])
automl = AutoML()
automl.fit(
    train,
    y,
    task="regression" if asked["kind"] == "regression" else "classification",
    metric=METRICS[asked["metric"]],
    time_budget=asked["seconds"],
    n_jobs=2,
    seed=1,
    verbose=0,
)
if asked["kind"] == "regression":
    predicted = automl.predict(test)
else:
    order = np.argsort([str(each) for each in automl.classes_])
    predicted = automl.predict_proba(test)[:, order]
    predicted = predicted[:, 1] if asked["kind"] == "binary" else predicted
np.save(asked["out"], np.asarray(predicted, np.float64))
