"""The terms of a server: what cannot be meant is said before anything listens."""

import ssl
import subprocess

import pytest

from octavo.errors import DefinitionError, ResourceError
from octavo.services.limits import Limits, Rate, size
from octavo.services.profiles import Profile
from octavo.services.terms import is_loopback, terms


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Give a folder with certificates; the key of ``locked`` is encrypted."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for name in ("one", "other"):
        made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        about = ("-subj", "/CN=localhost", "-days", "2")
        openssl(*made, *about, "-keyout", f"{name}.key", "-out", f"{name}.crt")
    locking = ("-aes256", "-passout", "pass:secret")
    openssl("pkey", "-in", "one.key", *locking, "-out", "locked.key")
    (folder / "text.pem").write_text("no certificate")
    return folder


def test_what_holds_if_nothing_is_said(tmp_path):
    found = terms(Profile(), tmp_path)
    assert (found.needs_keys, found.certificate) == (False, None)
    assert found.address("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert found.limits == Limits(None, 64 * 2**20, 512)


def test_what_is_said(files):
    tls = {"tls_certificate": "one.crt", "tls_key": str(files / "one.key")}
    limits = {"rate": "600/m", "largest_body": "1MB", "in_flight": "3"}
    found = terms(Profile(access="keys", **tls, **limits), files)
    assert found.needs_keys
    assert found.address("::", 443) == "https://[::]:443"
    assert found.limits == Limits(Rate(600, 60), 1_000_000, 3)
    assert found.certificate is not None
    assert isinstance(found.certificate.context(), ssl.SSLContext)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"access": "kyes"}, "Did you mean 'keys'"),
        ({"rate": "100"}, "rate: '100' is not a rate"),
        ({"rate": "1.5/s"}, "is not a rate"),
        ({"largest_body": "16"}, "largest_body: '16' is not a size"),
        ({"in_flight": "0"}, "in_flight: '0' is not a whole number"),
        ({"in_flight": "many"}, "in_flight: 'many' is not a whole number"),
        ({"tls_certificate": "one.crt"}, "tls_key: a certificate and its private key come"),
        ({"tls_key": "one.key"}, "tls_certificate: a certificate and its private key come"),
        (
            {"tls_certificate": "one.crt", "tls_key": "other.key"},
            "other.key: the key belongs to an",
        ),
        (
            {"tls_certificate": "text.pem", "tls_key": "one.key"},
            "text.pem: there is no certificate",
        ),
        ({"tls_certificate": "one.crt", "tls_key": "text.pem"}, "text.pem: it is no private key"),
        ({"tls_certificate": "one.crt", "tls_key": "locked.key"}, "the private key is encrypted"),
    ],
)
def test_what_cannot_be_meant(files, given, says):
    with pytest.raises(DefinitionError, match=says):
        terms(Profile(**given), files)


@pytest.mark.parametrize("name", ["gone.crt", "."])
def test_files_that_cannot_be_read(files, name):
    with pytest.raises(ResourceError, match="the file cannot be read"):
        terms(Profile(tls_certificate=name, tls_key="one.key"), files)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.1", False),
        ("no-such-host.invalid", False),
    ],
)
def test_what_others_reach(host, expected, tmp_path):
    assert is_loopback(host) is expected
    if expected:
        terms(Profile(), tmp_path).check(host)
    else:
        with pytest.raises(DefinitionError, match=r"octavo keys create.*--access keys"):
            terms(Profile(), tmp_path).check(host)
    terms(Profile(access="keys"), tmp_path).check(host)


@pytest.mark.parametrize(
    ("text", "expected"), [("1B", 1), ("3kB", 3000), ("2KiB", 2048), ("16MiB", 16 * 2**20)]
)
def test_sizes(text, expected):
    assert size(text, where="x") == expected
