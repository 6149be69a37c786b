"""The Open Inference Protocol over gRPC as `grpc_load.py` and `grpc_bulk.py` speak it.

Messages are tritonclient's, made once; what is sent and answered are bytes, so that a client costs
as little as Python's gRPC lets it.
"""

import numpy as np
from tritonclient.grpc import service_pb2

METHOD = "/inference.GRPCInferenceService/ModelInfer"
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def request(model: str, X: np.ndarray, *, raw: bool) -> bytes:
    """Return a request of one tensor, as raw bytes or as a list of numbers."""
    message = service_pb2.ModelInferRequest(model_name=model)
    tensor = message.inputs.add(name="X", datatype="FP64", shape=X.shape)
    if raw:
        message.raw_input_contents.append(X.tobytes())
    else:
        tensor.contents.fp64_contents.extend(X.ravel().tolist())
    return message.SerializeToString()


def prediction(answer: bytes) -> np.ndarray:
    """Return the first output of an answer."""
    message = service_pb2.ModelInferResponse.FromString(answer)
    if message.raw_output_contents:
        return np.frombuffer(message.raw_output_contents[0])
    return np.array(message.outputs[0].contents.fp64_contents)
