"""A server that wants keys and speaks TLS, started as people start it."""

import json
import os
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from .server_process import serving

SETTINGS = "/v1/pipelines/shop/settings"
EVENTS = "/v1/datasets/payments/events"
SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit" / "ingestion")!r})
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("access") / "shop"
    found.mkdir()
    (found / "pipeline.py").write_text(SCRIPT)
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Give a certificate of 127.0.0.1 and its key, as `openssl` makes them."""
    kept = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=octavo", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-days", "2", "-keyout", "server.key", "-out", "server.crt"]
    subprocess.run(command, cwd=kept, check=True, capture_output=True)
    return kept / "server.crt", kept / "server.key"


@pytest.fixture(scope="module")
def key(folder, octavo):
    def made(name, *options):
        done = octavo("keys", "create", name, "--dir", folder, *options)
        assert done.returncode == 0, done.stderr
        assert "not shown again" in done.stderr
        return done.stdout.strip()

    return made


@pytest.fixture(scope="module")
def served(folder, certificate, key):
    file, private = certificate
    options = ["--access", "keys", "--tls-certificate", file, "--tls-key", private]
    trusting = ssl.create_default_context(cafile=file)
    asking = {"x-api-key": key("sending", "--role", "ingest")}
    options += ["--host", "0.0.0.0"]
    os.environ["OCTAVO_LARGEST_BODY"] = "100kB"
    try:
        with serving(folder, *options, headers=asking, verify=trusting) as client:
            client.base_url = str(client.base_url).replace("0.0.0.0", "127.0.0.1")
            yield client
    finally:
        del os.environ["OCTAVO_LARGEST_BODY"]


def test_over_tls_with_a_key(folder, served):
    assert served.base_url.scheme == "https"
    assert served.post(EVENTS, json=[{"id": 1}]).status_code == 202
    assert served.get(SETTINGS).status_code == 403
    bare = httpx.get(f"{served.base_url}/metrics", verify=False)
    assert bare.status_code == 401
    assert served.post(EVENTS, json=[{"id": 1}] * 20_000).status_code == 413


def test_a_client_that_does_not_trust_it_says_nothing(served):
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{served.base_url}/health")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{served.base_url}/health".replace("https", "http"))


def test_a_change_is_that_of_the_key_s_owner(served, key, octavo, folder):
    mine = {"x-api-key": "", "authorization": f"Bearer {key('ann', '--role', 'operate')}"}
    change = {"settings": {"training.seed": 5}, "by": "somebody else"}
    for _ in range(100):  # a new key is known within a second
        answer = served.patch(SETTINGS, json=change, headers=mine)
        if answer.status_code != 401:
            break
        time.sleep(0.05)
    assert answer.status_code == 200, answer.text
    back = served.post(f"{SETTINGS}/rollback", json={"version": 0}, headers=mine)
    assert back.status_code == 200
    history = json.loads(octavo("config", "history", "--dir", folder, "--json").stdout)
    assert [version["by"] for version in history] == ["ann", "ann"]


def test_keys_on_the_command_line(folder, key, octavo):
    listed = json.loads(octavo("keys", "list", "--dir", folder, "--json").stdout)
    before = len(listed)
    made = octavo("keys", "create", "gone", "--role", "read", "--dir", folder, "--json")
    assert json.loads(made.stdout)["key"].startswith("octavo_")
    assert octavo("keys", "create", "gone", "--role", "read", "--dir", folder).returncode == 2
    revoked = octavo("keys", "revoke", "gone", "--dir", folder, "--json")
    assert json.loads(revoked.stdout)["revoked_at"]
    assert octavo("keys", "revoke", "gone", "--dir", folder).returncode == 2
    key("brief", "--role", "ingest", "--role", "predict", "--expires", "90d", "--rate", "10/s")
    shown = octavo("keys", "list", "--dir", folder).stdout.splitlines()[before:]
    assert "gone" in shown[0]
    assert "revoked" in shown[0]
    assert "ingest, predict  10/s  expires" in shown[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "others reach this address, and nobody needs a key"),
        (["server", "--host", "::"], "octavo keys create NAME --role predict"),
        (["--access", "kyes"], "Did you mean 'keys'"),
        (["--tls-certificate", "nowhere.crt", "--tls-key", "nowhere.key"], "cannot be read"),
        (["--tls-key", "nowhere.key"], "come together"),
    ],
)
def test_what_is_refused_before_it_listens(folder, octavo_apart, options, says):
    done = octavo_apart("up", folder, "--port", "0", *options)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Serving" not in done.stdout
