"""The load of `serving_grpc.py`: run in the client's own environment.

``python grpc_load.py PORT MODEL X.npy CALLS SECONDS PROCESS`` keeps so many calls under way on one
channel, each asking again when it is answered, and prints a `Load` and the prediction as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict

import grpc.aio
import numpy as np
import uvloop
from open_inference import METHOD, prediction, request

from harness.load import Load
from harness.process import cpu


async def main() -> None:
    port, model, X, calls, seconds, server = sys.argv[1:]
    message, taken = request(model, np.load(X), raw=False), []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary(METHOD)
        found = prediction(await infer(message))

        async def ask() -> None:
            while (asked := time.perf_counter()) < until:
                await infer(message)
                taken.append(time.perf_counter() - asked)

        before, own, began = cpu(int(server)), time.process_time(), time.perf_counter()
        until = began + float(seconds)
        await asyncio.gather(*(ask() for _ in range(int(calls))))
        took, count = time.perf_counter() - began, len(taken)
        each = 1e6 * (cpu(int(server)) - before) / count, 1e6 * (time.process_time() - own) / count
    p50, p99 = (float(wait) for wait in 1e3 * np.percentile(taken, (50, 99)))
    load = Load(count / took, p50, p99, *each, failed=0)  # a call that fails ends it all
    print(json.dumps({"load": asdict(load), "prediction": found[0]}))


uvloop.run(main())
