"""MLServer's share of `serving.py`, `serving_grpc.py`, `bulk.py`: in an environment of its own.

``python mlserver_serving.py MODEL.txt PORT GRPC_PORT`` is ``mlserver start`` with its LightGBM
runtime, which calls `Booster.predict`, as its users would have it who want it fast: in the server's
own process (``parallel_workers=0``), uvloop and httptools, without logs of requests, metrics and
compression. Messages over gRPC may be as large as they need to be.
"""

import json
import sys
from pathlib import Path

from mlserver.cli import main

model, port, grpc_port = Path(sys.argv[1]).resolve(), *map(int, sys.argv[2:])
folder = model.parent / "mlserver"
folder.mkdir()
settings = {
    "host": "127.0.0.1",
    "http_port": port,
    "grpc_port": grpc_port,
    "grpc_max_message_length": 2**28,
    "parallel_workers": 0,
    "debug": False,
    "metrics_endpoint": None,
    "gzip_enabled": False,
}
served = {
    "name": "served",
    "implementation": "mlserver_lightgbm.LightGBMModel",
    "parameters": {"uri": str(model)},
}
(folder / "settings.json").write_text(json.dumps(settings))
(folder / "model-settings.json").write_text(json.dumps(served))
sys.argv[1:] = ["start", str(folder)]
main()
