"""FastAPI's share of `serving.py`: run in an environment of its own.

``python fastapi_serving.py MODEL.txt PORT`` serves a LightGBM model as its users would who want it
fast: a pydantic model of the row, `Booster.predict` on one thread, uvicorn with httptools and
uvloop, one worker, no access log.
"""

import sys

import lightgbm
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

booster = lightgbm.Booster(model_file=sys.argv[1])
names = booster.feature_name()
Row = create_model("Row", **dict.fromkeys(names, (float | None, None)))
app = FastAPI()


@app.post("/predict")
async def predict(row: Row) -> dict[str, float]:  # type: ignore[valid-type]
    values = np.array([[getattr(row, name) for name in names]], np.float64)
    return {"prediction": float(booster.predict(values, num_threads=1)[0])}


uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
