"""The certificate that a server shows, checked before it listens."""

import ssl
from pathlib import Path
from typing import NamedTuple

from octavo.errors import DefinitionError, ResourceError


class Certificate(NamedTuple):
    """The two files of a certificate."""

    file: Path
    """PEM: the certificate, then those it was signed with."""
    key: Path
    """PEM: its private key, not encrypted."""

    def context(self) -> ssl.SSLContext:
        """Return what TLS 1.2 and later is spoken with.

        Raises
        ------
        ResourceError
            If a file cannot be read.
        DefinitionError
            If it is not what it should be, or the two do not belong together.
        """
        for file in self:
            _check_readable(file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self.file, self.key, password=_refuse_password)
        except ssl.SSLError as error:
            raise self._wrong(error) from error
        return context

    def _wrong(self, error: ssl.SSLError) -> DefinitionError:
        if error.reason == "KEY_VALUES_MISMATCH":
            what, fix = "the key belongs to another certificate.", "Give the two of one."
        elif "BEGIN CERTIFICATE" not in self.file.read_text(errors="replace"):
            return DefinitionError(
                "there is no certificate in it.", where=str(self.file), fix="Give a PEM file."
            )
        else:
            what, fix = f"it is no private key ({error.reason}).", "Give a PEM file."
        return DefinitionError(what, where=str(self.key), fix=fix)


def _check_readable(file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        raise ResourceError(
            f"the file cannot be read ({error.strerror}).",
            where=str(file),
            fix="Check tls_certificate and tls_key, and the files' permissions.",
        ) from error


def _refuse_password() -> str:
    raise DefinitionError(
        "the private key is encrypted, and nobody is there to give its password.",
        where="tls_key",
        fix="Give one that is not: openssl pkey -in KEY -out PLAIN.",
    )
