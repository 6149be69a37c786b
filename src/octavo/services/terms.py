"""The terms of a server: for whom it is there, where, how much it takes.

They are read of a profile, and checked before anything listens. It knows nothing of requests.
"""

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from octavo.errors import DefinitionError
from octavo.services.certificate import Certificate
from octavo.services.limits import Limits, Rate, size
from octavo.services.profiles import Profile

ACCESS = ("open", "keys")


class Terms(NamedTuple):
    """What a server is told beside what it serves."""

    needs_keys: bool
    limits: Limits
    certificate: Certificate | None
    """None: it speaks plain HTTP."""

    def address(self, host: str, port: int) -> str:
        """Return how a URL begins."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def check(self, host: str) -> None:
        """Refuse to listen where others could ask what nobody without a key should.

        Raises
        ------
        DefinitionError
            If others reach the host's address, and no keys are needed.
        """
        if not self.needs_keys and not is_loopback(host):
            raise DefinitionError(
                "others reach this address, and nobody needs a key.",
                where=f"--host {host}",
                fix="Make keys with `octavo keys create NAME --role predict` and start it with "
                "--access keys, or leave --host out.",
            )


def terms(profile: Profile, folder: Path) -> Terms:
    """Return the terms of a profile.

    Parameters
    ----------
    folder
        Where paths begin.

    Raises
    ------
    DefinitionError, ResourceError
        If one cannot be understood, or a certificate not be used.
    """
    if profile.access not in ACCESS:
        raise DefinitionError.unknown("access", profile.access, ACCESS, where="access")
    if not profile.in_flight.isdecimal() or not int(profile.in_flight):
        what = f"{profile.in_flight!r} is not a whole number from 1 on."
        raise DefinitionError(what, where="in_flight", fix='in_flight = "512"')
    limits = Limits(
        Rate.of(profile.rate, where="rate") if profile.rate else None,
        size(profile.largest_body, where="largest_body"),
        int(profile.in_flight),
    )
    return Terms(profile.access == "keys", limits, _certificate(profile, folder))


def is_loopback(host: str) -> bool:
    """Return whether an address, or all of a name, are of this machine alone."""
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # listening there fails, and says so
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)


def _certificate(profile: Profile, folder: Path) -> Certificate | None:
    files = profile.tls_certificate, profile.tls_key
    if not any(files):
        return None
    if not all(files):
        lacking = "tls_key" if files[0] else "tls_certificate"
        raise DefinitionError(
            "a certificate and its private key come together.",
            where=lacking,
            fix="Give both of --tls-certificate and --tls-key, or none.",
        )
    found = Certificate(*(folder / file for file in files))
    found.context()
    return found
