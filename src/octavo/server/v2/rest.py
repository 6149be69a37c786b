"""The Open Inference Protocol over REST: ``/v2`` and what is under it.

What does not fit is answered with 400, as the protocol has it, and not with 422.
"""

from collections.abc import Mapping
from time import perf_counter_ns

from octavo.errors import DataError
from octavo.server.answers import Answer, Refused, as_json
from octavo.server.arrow import LARGEST_TABLE
from octavo.server.bodies import LARGE, apart, unpacked
from octavo.server.metrics import Metrics
from octavo.server.outputs import outputs
from octavo.server.routes import LARGEST_BODY, Request, Routes
from octavo.server.v2 import infer
from octavo.server.v2.about import SERVER, is_ready, metadata
from octavo.server.v2.tensors import Columns, answers, columns
from octavo.services.models import Models, NotServedError


def add(routes: Routes, models: Models, metrics: Metrics) -> None:
    """Add the routes to a table."""
    wire = _Rest(models, metrics)
    for root in ("/v2", "/v2/"):
        routes.add("GET", root, wire.server)
    routes.add("GET", "/v2/health/live", wire.live)
    routes.add("GET", "/v2/health/ready", wire.ready)
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes.add("GET", model, wire.model)
        routes.add("GET", f"{model}/ready", wire.model_ready)
        routes.add("POST", f"{model}/infer", wire.infer)


class _Rest:
    """The handlers."""

    def __init__(self, models: Models, metrics: Metrics) -> None:
        self._models, self._metrics = models, metrics

    async def server(self, request: Request) -> Answer:
        """Tell what the server is."""
        return Answer(as_json(SERVER))

    async def live(self, request: Request) -> Answer:
        """Say that it answers."""
        return Answer(as_json({"live": True}))

    async def ready(self, request: Request) -> Answer:
        """Say whether all models answer."""
        found = is_ready(self._models)
        return Answer(as_json({"ready": found}), status=200 if found else 503)

    async def model(self, request: Request) -> Answer:
        """Tell what a model takes and gives."""
        model = await self._models.get(*request.params)
        return Answer(as_json((await metadata(self._models, model)).as_dict()))

    async def model_ready(self, request: Request) -> Answer:
        """Say whether a model answers."""
        try:
            model = await self._models.get(*request.params)
        except NotServedError:
            return Answer(as_json({"name": request.params[0], "ready": False}), status=503)
        return Answer(as_json({"name": model.name, "ready": True}))

    async def infer(self, request: Request) -> Answer:
        """Predict from features."""
        model = await self._models.get(*request.params)
        body = await request.body(_largest(request))
        # What is packed may be of any size.
        is_large = len(body) > LARGE or request.header(b"content-encoding") is not None
        began = perf_counter_ns()
        try:
            asked, given = await apart(is_large, _asked, request, body, model.features)
            decoded = perf_counter_ns() - began
            predicted = await model.predict_features(given)
            found = answers(outputs(model, predicted.outputs), asked.wanted)
        except DataError as error:
            raise Refused(400, str(error)) from error
        began = perf_counter_ns()
        about = {"model_name": model.name, "model_version": model.version}
        answer = await apart(is_large, infer.encode, about, found, asked)
        taken = (decoded, *predicted.took, perf_counter_ns() - began)
        self._metrics.predicted_in(taken, predicted)
        return answer


_DIGITS = len(str(LARGEST_TABLE))


def _largest(request: Request) -> int:
    """Return how many bytes a body may have; JSON takes many times as much memory."""
    return LARGEST_BODY if request.header(infer.HEADER_LENGTH) is None else LARGEST_TABLE


def _asked(
    request: Request, body: bytes, features: Mapping[str, str]
) -> tuple[infer.Asked, Columns]:
    """Return what is asked, and the columns it brings."""
    plain = unpacked(body, request.header(b"content-encoding"), _largest(request))
    told = request.header(infer.HEADER_LENGTH)
    if told is not None and not (told.isdigit() and len(told) <= _DIGITS):
        raise DataError(f"{told!r} is no number.", where=infer.HEADER_LENGTH.decode())
    asked = infer.decode(plain, None if told is None else int(told))
    return asked, columns(asked.tensors, features)
