"""A fault of the server: its log tells of it under the ID of a request, by which it is found again.

Whoever asked learns the ID alone; what went wrong is nobody's business but ours.
"""

from octavo.logs import LOG, about
from octavo.server import request_ids
from octavo.server.answers import Refused
from octavo.server.asgi import CLOSE


def told(error: BaseException, request_id: bytes | None = None) -> Refused:
    """Tell of a fault in the log; return how it is refused.

    Parameters
    ----------
    request_id
        The one that the client gave; None: one is made.
    """
    named = request_ids.made() if request_id is None else request_id.decode()
    headers = (CLOSE,) if request_id else (CLOSE, (request_ids.HEADER, named.encode()))
    with about(request_id=named):
        LOG.error(f"A fault of the server, request {named}", exc_info=error)
    return Refused(500, f"a fault of the server; its log says more, of request {named}", headers)
