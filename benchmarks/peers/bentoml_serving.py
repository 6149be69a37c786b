"""BentoML's share of `serving.py`: run in an environment of its own.

``python bentoml_serving.py MODEL.txt PORT`` serves a LightGBM model as its users would who want it
fast: an async API that takes the row as the body itself, `Booster.predict` on one thread, without
metrics and access log, in one process, uvicorn with httptools and uvloop, as ``bentoml serve`` runs
its worker. Lists go before arrays, and no batches: both were slower.
"""

import sys

import bentoml
import lightgbm
import numpy as np
import uvicorn

booster = lightgbm.Booster(model_file=sys.argv[1])


@bentoml.service(metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Served:
    @bentoml.api
    async def predict(self, row: list[float], /) -> float:
        return float(booster.predict(np.array([row]), num_threads=1)[0])


app = Served.to_asgi(is_main=True)
uvicorn.run(app, port=int(sys.argv[2]), log_config=None, access_log=False, server_header=False)
