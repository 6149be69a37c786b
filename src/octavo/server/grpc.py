"""The Open Inference Protocol over gRPC, in the event loop of the server, on a port of its own.

Answers have raw contents. What does not fit is INVALID_ARGUMENT, what there is not NOT_FOUND, what
is not there yet UNAVAILABLE; a fault of the server INTERNAL, as HTTP's 500. The metadata
``x-request-id`` comes back with the answer. Needs the extra ``grpc``.
"""

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from octavo.errors import DataError, OctavoError, ResourceError
from octavo.logs import also
from octavo.server import faults, request_ids
from octavo.server.answers import Refused
from octavo.server.bodies import LARGE, apart
from octavo.server.metrics import Metrics
from octavo.server.outputs import outputs
from octavo.server.v2 import about, binary, contents
from octavo.server.v2.datatypes import of_values
from octavo.server.v2.messages import METHODS, SERVICE, messages
from octavo.server.v2.tensors import answers, columns
from octavo.services.certificate import Certificate
from octavo.services.models import Models, NotServedError, UnknownModelError

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes; a larger message is refused with RESOURCE_EXHAUSTED. gRPC's own bound, 4 MiB, is less than
15,000 rows of 40 numbers."""

Handler = Callable[[Any], Awaitable[Any]]
Admit = Callable[[dict[str, Any]], None]
"""Refuses a request by its head, an ASGI scope."""

_PATHS = {
    "ServerLive": ("GET", "/v2/health/live"),
    "ServerReady": ("GET", "/v2/health/ready"),
    "ServerMetadata": ("GET", "/v2"),
    "ModelReady": ("GET", "/v2/models/NAME/ready"),
    "ModelMetadata": ("GET", "/v2/models/NAME"),
    "ModelInfer": ("POST", "/v2/models/NAME/infer"),
}
"""The request over REST that a method is: what that needs, this needs, whatever the model."""
_REQUEST_ID = request_ids.HEADER.decode()
_STATUSES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


class Inference:
    """The service: a method for each of the protocol's, from request to response."""

    def __init__(self, models: Models, metrics: Metrics) -> None:
        self._models, self._metrics = models, metrics

    async def server_live(self, request: Any) -> Any:
        """Say that it answers."""
        return messages.ServerLiveResponse(live=True)

    async def server_ready(self, request: Any) -> Any:
        """Say whether all models answer."""
        return messages.ServerReadyResponse(ready=about.is_ready(self._models))

    async def model_ready(self, request: Any) -> Any:
        """Say whether a model answers."""
        try:
            await self._models.get(request.name, request.version or None)
        except NotServedError:
            return messages.ModelReadyResponse(ready=False)
        return messages.ModelReadyResponse(ready=True)

    async def server_metadata(self, request: Any) -> Any:
        """Tell what the server is."""
        return messages.ServerMetadataResponse(**about.SERVER)

    async def model_metadata(self, request: Any) -> Any:
        """Tell what a model takes and gives."""
        model = await self._models.get(request.name, request.version or None)
        found = await about.metadata(self._models, model)
        return messages.ModelMetadataResponse(**found.as_dict())

    async def model_infer(self, request: Any) -> Any:
        """Predict from features."""
        model = await self._models.get(request.model_name, request.model_version or None)
        began = perf_counter_ns()
        given = await apart(request.ByteSize() > LARGE, _columns, request, model.features)
        decoded = perf_counter_ns() - began
        predicted = await model.predict_features(given)
        began = perf_counter_ns()
        found = answers(outputs(model, predicted.outputs), [each.name for each in request.outputs])
        response = messages.ModelInferResponse(
            model_name=model.name,
            model_version=model.version,
            id=request.id,
            outputs=[
                {"name": name, "datatype": of_values(values), "shape": values.shape}
                for name, values in found
            ],
            raw_output_contents=[binary.encode(values) for _, values in found],
        )
        taken = (decoded, *predicted.took, perf_counter_ns() - began)
        self._metrics.predicted_in(taken, predicted)
        return response


def _columns(request: Any, features: Any) -> Any:
    return columns(contents.tensors(request), features)


class Bound(NamedTuple):
    """A server that has its address, and has not begun."""

    server: grpc.aio.Server
    port: int


def credentials(certificate: Certificate) -> grpc.ServerCredentials:
    """Return what TLS is spoken with."""
    return grpc.ssl_server_credentials(
        [(certificate.key.read_bytes(), certificate.file.read_bytes())]
    )


def bind(
    models: Models,
    metrics: Metrics,
    address: str,
    admit: Admit | None = None,
    credentials: grpc.ServerCredentials | None = None,
    in_flight: int | None = None,
) -> Bound:
    """Return a server for an address, within the event loop that it is to run in.

    Several processes may have one address: each connection is one of theirs.

    Parameters
    ----------
    address
        ``host:port``; port 0 is a free one.
    admit
        Is asked before each call; None: all are answered.
    credentials
        To speak TLS.
    in_flight
        Calls that are answered at the same time; more are refused before they are read. None: any.

    Raises
    ------
    ResourceError
        If the address is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ],
        maximum_concurrent_rpcs=in_flight,
    )
    service = Inference(models, metrics)
    handlers = {name: _handler(name, service, metrics, admit) for name in METHODS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    try:
        if credentials is None:
            return Bound(server, server.add_insecure_port(address))
        return Bound(server, server.add_secure_port(address, credentials))
    except RuntimeError as error:
        raise ResourceError(
            f"gRPC cannot listen there ({str(error).splitlines()[0]}).",
            where=address,
            fix="Choose another with --grpc-port.",
        ) from error


def _handler(
    name: str, service: Inference, metrics: Metrics, admit: Admit | None
) -> grpc.RpcMethodHandler:
    """Return a method as gRPC calls it, with its errors as statuses."""
    own = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    read = getattr(messages, f"{name}Request").FromString  # here, since gRPC calls it INTERNAL
    handler: Handler = getattr(service, own.removeprefix("_"))

    async def answer(body: bytes, context: grpc.aio.ServicerContext) -> Any:
        status = grpc.StatusCode.UNKNOWN  # as gRPC calls what is caught nowhere
        headers = _headers(context)
        if (request_id := request_ids.among(headers)) is not None:
            also(request_id=request_id.decode())  # to the end of this task
            context.set_trailing_metadata(((_REQUEST_ID, request_id.decode()),))
        try:
            if admit is not None:
                admit(_scope(name, len(body), headers, context.peer()))
            response = await handler(read(body))
            status = grpc.StatusCode.OK
            return response
        except DecodeError as error:
            status, told = grpc.StatusCode.INVALID_ARGUMENT, f"it is no {name}Request ({error})"
        except Refused as refused:
            status, told = _STATUSES[refused.status], str(refused)
        except UnknownModelError as error:
            status, told = grpc.StatusCode.NOT_FOUND, str(error)
        except DataError as error:
            status, told = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except OctavoError as error:
            status, told = grpc.StatusCode.UNAVAILABLE, str(error)
        except Exception as error:  # noqa: BLE001  it is told in the log, counted and answered
            status, told = grpc.StatusCode.INTERNAL, str(faults.told(error, request_id))
        finally:
            metrics.answered(f"/{SERVICE}/{name}", status.name)
        return await context.abort(status, told)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        response_serializer=getattr(messages, f"{name}Response").SerializeToString,
    )


def _headers(context: grpc.aio.ServicerContext) -> list[tuple[bytes, bytes]]:
    return [
        (key.encode(), value if isinstance(value, bytes) else value.encode())
        for key, value in context.invocation_metadata() or ()
    ]


def _scope(
    name: str, size: int, headers: Sequence[tuple[bytes, bytes]], peer: str
) -> dict[str, Any]:
    """Return the head of the request over REST that a call of so many bytes is.

    Parameters
    ----------
    peer
        "ipv4:127.0.0.1:41234", "ipv6:%5B::1%5D:41234"
    """
    method, path = _PATHS[name]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [*headers, (b"content-length", str(size).encode())],  # the last one counts
        "client": (peer.partition(":")[2].rpartition(":")[0], 0),
    }
