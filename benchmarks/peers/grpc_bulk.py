"""The client of `bulk.py` over gRPC: run in its own environment.

``python grpc_bulk.py PORT MODEL X.npy FOUND.npy raw|listed`` has one large request predicted,
writes the predictions, says so, and asks again for each line it reads. It answers with the seconds
from the message to the predictions as an array.
"""

import sys
import time

import grpc
import numpy as np
from open_inference import METHOD, UNLIMITED, prediction, request

port, model, X, found, form = sys.argv[1:]
message = request(model, np.load(X), raw=form == "raw")
with grpc.insecure_channel(f"127.0.0.1:{port}", UNLIMITED) as channel:
    infer = channel.unary_unary(METHOD)
    np.save(found, prediction(infer(message)))
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        prediction(infer(message))
        print(time.perf_counter() - began, flush=True)
