"""A real SMTP server on this machine that asks for a password, and keeps what it is sent."""

import email.policy
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER = "octavo"


@contextmanager
def mail_server(password: str) -> Iterator[tuple[str, list[EmailMessage]]]:
    """Give host:port and the list of what comes in, from `USER` with the password alone."""
    received: list[EmailMessage] = []

    class Keep:
        async def handle_DATA(self, server, session, envelope):
            parser = BytesParser(policy=email.policy.default)
            received.append(parser.parsebytes(envelope.content))
            return "250 OK"

    def known(server, session, envelope, mechanism, data):
        is_known = (data.login, data.password) == (USER.encode(), password.encode())
        return AuthResult(success=is_known)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"authenticator": known, "auth_required": True, "auth_require_tls": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a password comes unencrypted: within this machine
        controller = Controller(Keep(), hostname="127.0.0.1", port=port, **told)
        controller.start()
        try:
            yield f"127.0.0.1:{port}", received
        finally:
            controller.stop()
