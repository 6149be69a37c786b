"""How a refusal is told: in the form that clients of the address read.

MLflow's clients read a code and a message; those of the Open Inference Protocol, and our own,
``{"error": …}``. It knows nothing of why something is refused.
"""

import re

from octavo.server.answers import Answer, Refused, as_json

_OF_MLFLOW = re.compile("(/endpoints/[^/]+)?/invocations")
_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    408: "DEADLINE_EXCEEDED",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""Status to MLflow's code (``mlflow.protos.databricks_pb2.ErrorCode``); ``BAD_REQUEST`` is that of
all others, which are the client's to mend."""


def refusal(refused: Refused, path: str) -> Answer:
    """Return what a client reads who has asked an address."""
    told = {"error": str(refused)}
    if _OF_MLFLOW.fullmatch(path):
        code = _CODES.get(refused.status, "BAD_REQUEST")
        told = {"error_code": code, "message": str(refused)}
    return Answer(as_json(told), status=refused.status, headers=refused.headers)
