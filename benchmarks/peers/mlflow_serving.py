"""MLflow's share of `serving.py`: run in an environment of its own.

``python mlflow_serving.py MODEL.txt PORT`` serves a LightGBM model as its users would who want it
fast: its own flavour, which hands ``inputs`` to `Booster.predict` as an array, without a signature
(that makes a frame of each request), and the application of ``mlflow models serve`` in one process,
uvicorn with httptools and uvloop, no access log.
"""

import sys
from pathlib import Path

import lightgbm
import mlflow.lightgbm
import uvicorn
from mlflow.pyfunc import load_model, scoring_server

model, port = Path(sys.argv[1]), int(sys.argv[2])
folder = str(model.parent / "mlflow")
booster = lightgbm.Booster(model_file=model)
mlflow.lightgbm.save_model(booster, folder, pip_requirements=["lightgbm"])
app = scoring_server.init(load_model(folder))
uvicorn.run(app, port=port, log_level="warning", access_log=False)
