"""What the server makes of any request at all: an answer, never a fault, in bounded memory."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shutil import copytree

import httpx
import pytest

from tests.standing import read_page

from .malformed import malformed, whole

SLOW_CLIENTS = 50
CONFORMING = ("status_code", "content_type", "response_schema")
MOST = 512 * 2**20
"""Bytes of memory that malformed requests may cost; one body may have 64 MiB."""


class Served:
    """One server process."""

    def __init__(self, process: subprocess.Popen, address: str) -> None:
        self.process, self.address = process, address
        self.client = httpx.Client(base_url=address, timeout=60)
        self.document = self.client.get("/openapi.json").json()

    @property
    def memory(self) -> int:
        """The most memory it ever had, bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def close(self) -> None:
        self.client.close()

    def connect(self) -> socket.socket:
        host, port = self.address.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=30)


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    command = [sys.executable, "-m", "octavo", "up", "server", str(folder), "--port", "0"]
    environment = os.environ | {"RUST_BACKTRACE": "0"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, text=True, env=environment) as process:
        try:
            for line in process.stdout:
                if found := re.search(r"POST (http://[^/]+)", line):
                    break
            for _ in range(300):
                try:
                    httpx.get(f"{found[1]}/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            with closing(Served(process, found[1])) as served:
                yield served
        finally:
            process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    folder = copytree(finished, tmp_path_factory.mktemp("malformed") / "shop")
    with serving(folder) as found:
        yield found


def test_every_example_of_the_document_fits(served):
    requests = whole(served.document, "shop")
    assert len(requests) >= 11
    for each in requests:
        answer = served.client.post(each.path, content=each.body, headers=each.headers)
        assert answer.status_code == 200, (each, answer.text)
    for path, methods in served.document["paths"].items():
        if "get" in methods:
            assert served.client.get(path).status_code == 200, path


def test_examples_are_of_the_training_data(served):
    content = served.document["paths"]["/v1/pipelines/shop/predict"]["post"]["requestBody"][
        "content"
    ]
    (event,) = content["application/json"]["example"]["events"]
    assert event["channel"] in ("online", "store")
    assert 20 < event["amount"] < 300


def test_the_page_stands_alone_and_names_every_call(served):
    answer = served.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    text, _ = read_page(answer.text)
    for path in served.document["paths"]:
        assert path in text
    assert "curl -X POST" in text


def flood(served: Served, count: int) -> None:
    requests, before = whole(served.document, "shop"), served.memory
    with ExitStack() as slow:
        for _ in range(SLOW_CLIENTS):
            client = slow.enter_context(served.connect())
            client.sendall(
                b"POST /v2/models/shop/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n{"
            )
        statuses: dict[int, int] = {}
        for asked in malformed(requests, count):
            answer = served.client.post(asked.path, content=asked.body, headers=asked.headers)
            assert answer.status_code < 500, (
                asked.path,
                asked.headers,
                asked.body[:2000],
                answer.text,
            )
            assert "Traceback" not in answer.text
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert {200, 400, 413, 422} <= statuses.keys(), statuses
        garbage(served)
        huge(served)
        test_every_example_of_the_document_fits(served)
    assert served.memory - before < MOST


def garbage(served: Served) -> None:
    """Send what is no HTTP."""
    for said in (b"\x00" * 100, b"GET\r\n\r\n", b"POST /v2 HTTP/9.9\r\n\r\n", b"\xff" * 70_000):
        with served.connect() as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            assert not client.recv(100).startswith(b"HTTP/1.1 5")


def huge(served: Served) -> None:
    """Announce too much: it is refused before it comes."""
    for path in ("/v1/pipelines/shop/predict", "/v2/models/shop/infer", "/invocations"):
        with served.connect() as client:
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            client.sendall(f"{head}content-length: {10**12}\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_malformed_requests(served):
    flood(served, 500)


@pytest.mark.slow
def test_ten_thousand_malformed_requests(served):
    flood(served, 10_000)


def schemathesis(served: Served, *options: str) -> None:
    """Let it ask whatever the document allows, and what it does not."""
    program = Path(sys.executable).with_name("schemathesis")
    checks = ("not_a_server_error", *(f"{of}_conformance" for of in CONFORMING))
    command = [program, "run", f"{served.address}/openapi.json", "--no-color", "--seed", "1"]
    done = subprocess.run(
        [*command, "--checks", ",".join(checks), *options],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]


def test_schemathesis(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schemathesis(served, "--phases", "examples,fuzzing", "-n", "5")


@pytest.mark.slow
def test_schemathesis_at_length(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schemathesis(served, "--phases", "examples,coverage,fuzzing", "-n", "50")
