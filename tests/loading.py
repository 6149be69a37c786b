"""A project whose one dataset comes from a database, ingested in this process or another."""

import subprocess
import sys
from pathlib import Path

import polars as pl

from octavo.project import Project, load
from octavo.stores.raw import RawStore

PIPELINE = """
import polars as pl

import octavo as ov

orders = ov.Dataset("orders", ov.Sql("shop", {source}){options})
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="big", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[orders],
    rows=orders,
    label=ov.Label("big", of=orders, value=pl.col("id") > 1),
    row=[pl.col("id").alias("number")],
    split=ov.SplitStratified(),
)
"""


class Silent:
    """A display that shows nothing."""

    def began(self, stage, reason): ...
    def progress(self, stage, task, done, total, note=""): ...
    def ended(self, stage, outcome, seconds): ...
    def unchanged(self, stage): ...
    def notify(self, severity, text): ...


class Loading:
    """A folder with a pipeline; the database's address is in ``octavo.toml``."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        (folder / "octavo.toml").write_text(f'[profile.default.databases]\nshop = "{url}"\n')

    def declare(self, source: str, options: str = ', event_id="id"') -> "Loading":
        """Write ``pipeline.py``: arguments of ``ov.Sql``, and of ``ov.Dataset``."""
        (self.folder / "pipeline.py").write_text(PIPELINE.format(source=source, options=options))
        return self

    def ingest(self) -> None:
        """Ingest in this process."""
        load(self.folder).run(Silent(), first="ingestion", last="ingestion")

    def ingest_apart(self, step: int) -> subprocess.CompletedProcess[str]:
        """Ingest in a process that dies at a durable step."""
        driver = Path(__file__).parent / "integration" / "ingesting.py"
        command = [sys.executable, str(driver), str(self.folder), str(step)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    @property
    def project(self) -> Project:
        """The project."""
        return load(self.folder)

    @property
    def batches(self) -> list[dict]:
        """All batches that count."""
        return self.project.catalog.committed("orders")

    def rows(self, *columns: str) -> pl.DataFrame:
        """Return raw rows in their order, or some columns of them."""
        raw = RawStore(self.project.home).scan("orders", self.batches).sort("_position").collect()
        return raw.select(columns or pl.all())

    def rejected(self) -> pl.DataFrame:
        """Return the rejected rows."""
        return RawStore(self.project.home).rejected("orders")
