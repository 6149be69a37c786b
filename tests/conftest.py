"""What tests share: a small project that is quickly written and run, and the command line."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO
from unittest import mock

import numpy as np
import polars as pl
import pytest

from octavo.cli.main import main

SHOP = Path(__file__).parent / "shop" / "pipeline.py"
OPENED = datetime(2024, 1, 1, tzinfo=UTC)
PRODUCTS = 12


def history(*, seed: int, orders: int, customers: int, days: int) -> dict[str, pl.DataFrame]:
    """Invent the shop's past: some customers, and the online channel, return more than others."""
    rng = np.random.default_rng(seed)
    price = rng.integers(5, 60, PRODUCTS).astype(float)
    habit = rng.beta(0.5, 1.5, customers)
    seconds = np.sort(rng.integers(0, days * 86_400, orders))
    customer, product = rng.integers(0, customers, orders), rng.integers(0, PRODUCTS, orders)
    pieces, online = rng.integers(1, 6, orders), rng.random(orders) < 0.5
    risk = 0.05 + 0.6 * habit[customer] + 0.1 * online + 0.03 * pieces
    returned = rng.random(orders) < risk
    decided = seconds + rng.integers(1, 6 * 86_400, orders)
    placed = pl.DataFrame(
        {
            "order_id": np.arange(1, orders + 1),
            "ordered_at": [OPENED + timedelta(seconds=int(s)) for s in seconds],
            "customer": [f"c{n:02}" for n in customer],
            "product": [f"p{n:02}" for n in product],
            "channel": np.where(online, "online", "store"),
            "amount": price[product] * pieces,
        }
    )
    ended = placed.select("order_id", "ordered_at", "customer").with_columns(
        pl.Series("decided_at", [OPENED + timedelta(seconds=int(s)) for s in decided]),
        pl.Series("outcome", np.where(returned, "returned", "kept")),
    )
    goods = pl.DataFrame({"product": [f"p{n:02}" for n in range(PRODUCTS)], "price": price})
    return {"orders": placed, "returns": ended, "products": goods}


def write_project(
    folder: Path,
    *,
    orders: int = 2000,
    customers: int = 50,
    days: int = 60,
    seed: int = 7,
    parts: int = 1,
    edits: Mapping[str, str] | None = None,
) -> Path:
    """Write a folder with ``pipeline.py`` and its CSV files, and return it.

    Parameters
    ----------
    folder
        Made if missing; files in it that are already as they would be written are not touched.
    orders, customers, days, seed
        Size of the invented history; equal values give equal bytes.
    parts
        Files per event dataset, oldest first: ``orders-0.csv``, ``orders-1.csv``, …
    edits
        Text of ``pipeline.py`` to replace; each must occur exactly once.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, frame in history(seed=seed, orders=orders, customers=customers, days=days).items():
        files = 1 if name == "products" else parts
        for number, part in enumerate(frame.iter_slices(-(-frame.height // files))):
            file = f"{name}.csv" if files == 1 else f"{name}-{number}.csv"
            _write(folder / "data" / file, part.write_csv())
    script = SHOP.read_text()
    for old, new in (edits or {}).items():
        assert script.count(old) == 1, f"{old!r} occurs {script.count(old)} times"
        script = script.replace(old, new)
    _write(folder / "pipeline.py", script)
    return folder


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def command(*arguments: str | Path) -> list[str]:
    """Return the octavo command as it is started in a process of its own."""
    return [sys.executable, "-m", "octavo", *map(str, arguments)]


def run_octavo(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the octavo command to its end, in a process of its own."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def run_here(
    *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the octavo command to its end in this process: most take less than to load it again."""
    words = ["octavo", *map(str, arguments)]
    with (
        _written() as (out, err),
        mock.patch.object(sys, "argv", words),
        mock.patch.dict(os.environ, environment or {}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries, as Python itself does
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


@contextlib.contextmanager
def _written() -> Iterator[tuple[TextIO, TextIO]]:
    """Give two files that take what this process, and those it starts, write to its outputs."""
    options = {"mode": "w+", "encoding": "utf-8", "buffering": 1}
    with tempfile.TemporaryFile(**options) as out, tempfile.TemporaryFile(**options) as err:
        kept = [os.dup(number) for number in (1, 2)]
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                yield out, err
        finally:
            for number, before in zip((1, 2), kept, strict=True):
                os.dup2(before, number)
                os.close(before)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start the octavo command; the caller waits for it or kills it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*arguments), **pipes)


@contextlib.contextmanager
def disk_of(folder: Path, size: str) -> Iterator[Path]:
    """Give a disk of a few hundred kilobytes, where this process has the right to."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield folder
    finally:
        # Lazily: what a test has mapped into memory is let go when its process ends.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def small_disk() -> Callable[[Path, str], contextlib.AbstractContextManager[Path]]:
    """Give `disk_of`: ``with small_disk(tmp_path / "disk", "400k") as disk``."""
    return disk_of


@pytest.fixture(scope="session")
def make_project() -> Callable[..., Path]:
    """Give `write_project`: ``make_project(tmp_path, parts=3)``."""
    return write_project


@pytest.fixture(scope="session")
def octavo() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give `run_here`: ``octavo("run", folder, "--json")``."""
    return run_here


@pytest.fixture(scope="session")
def octavo_apart() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give `run_octavo`, where a process of its own matters: one that a full disk may kill, say."""
    return run_octavo


@pytest.fixture(scope="session")
def start_octavo() -> Callable[..., subprocess.Popen[str]]:
    """Give `start`: a process to interrupt, kill or talk to."""
    return start


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project that was run, once for all workers; copy it before changing anything."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, ran = shared / "finished" / "shop", shared / "finished.json"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ran.exists():
            done = run_octavo("run", write_project(folder), "--json")
            assert done.returncode == 0, done.stderr
            ran.write_text(done.stdout)
    return folder
