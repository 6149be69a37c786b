"""The Open Inference Protocol over gRPC, in the event loop of the server, on a port of its own.

Answers have raw contents. What does not fit is INVALID_ARGUMENT, what there is not NOT_FOUND, what
is not there yet UNAVAILABLE. Needs the extra ``grpc``.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from octavo.errors import DataError, OctavoError
from octavo.server.outputs import outputs
from octavo.server.v2 import about, binary, contents
from octavo.server.v2.datatypes import of_values
from octavo.server.v2.messages import METHODS, SERVICE, messages
from octavo.server.v2.tensors import answers, columns
from octavo.services.models import Models, NotServedError, UnknownModelError

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes; a larger message is refused with RESOURCE_EXHAUSTED. gRPC's own bound, 4 MiB, is less than
40,000 rows of 13 numbers."""

Handler = Callable[[Any], Awaitable[Any]]


class Inference:
    """The service: a method for each of the protocol's, from request to response."""

    def __init__(self, models: Models) -> None:
        self._models = models

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
        given = columns(contents.tensors(request), model.features)
        predicted = await model.predict_features(given)
        wanted = [each.name for each in request.outputs]
        found = answers(outputs(model, predicted.outputs), wanted)
        return messages.ModelInferResponse(
            model_name=model.name,
            model_version=model.version,
            id=request.id,
            outputs=[
                {"name": name, "datatype": of_values(values), "shape": values.shape}
                for name, values in found
            ],
            raw_output_contents=[binary.encode(values) for _, values in found],
        )


def server(models: Models, address: str) -> tuple[grpc.aio.Server, int]:
    """Return a server that is bound to an address and not started, and its port.

    Parameters
    ----------
    address
        ``host:port``; port 0 is a free one.
    """
    told = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ]
    )
    service = Inference(models)
    handlers = {name: _handler(name, getattr(service, _method(name))) for name in METHODS}
    told.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return told, told.add_insecure_port(address)


def _method(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")


def _handler(name: str, handler: Handler) -> grpc.RpcMethodHandler:
    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await handler(request)
        except UnknownModelError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except DataError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except OctavoError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=getattr(messages, f"{name}Request").FromString,
        response_serializer=getattr(messages, f"{name}Response").SerializeToString,
    )
