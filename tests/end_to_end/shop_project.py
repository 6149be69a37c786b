"""A shop project run within the test's own process: what is delivered when, and what came of it."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl

from octavo.project import Project
from octavo.stages.contract import Outcome
from octavo.status import outputs

from .outcome import rows_of


class Silent:
    """A display that shows nothing."""

    def began(self, stage: str, reason: str) -> None: ...

    def progress(
        self, stage: str, task: str, done: float, total: float, note: str = ""
    ) -> None: ...

    def ended(self, stage: str, outcome: Outcome, seconds: float) -> None: ...

    def unchanged(self, stage: str) -> None: ...

    def notify(self, severity: str, text: str) -> None: ...


class Shop:
    """A folder whose files are delivered one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold_back(self, *names: str) -> "Shop":
        """Put files aside; `deliver` brings them back."""
        (self.folder / "later").mkdir(exist_ok=True)
        for name in names:
            shutil.move(self.folder / "data" / name, self.folder / "later" / name)
        return self

    def deliver(self, *names: str) -> "Shop":
        for name in names:
            shutil.move(self.folder / "later" / name, self.folder / "data" / name)
        return self

    def edit(self, *edits: tuple[str, str]) -> "Shop":
        script = self.folder / "pipeline.py"
        text = script.read_text()
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
            text = text.replace(old, new)
        script.write_text(text)
        return self

    def copy(self, folder: Path) -> "Shop":
        shutil.copytree(self.folder, folder)
        return Shop(folder)

    @property
    def project(self) -> Project:
        return Project(self.folder)

    def run(self, last: str = "segregation") -> dict[str, Any]:
        """Run up to a stage; return what prep did, or nothing if it had nothing to do."""
        ran = self.project.run(Silent(), last=last).ran
        return outputs(self.project.catalog, "prep") if "prep" in ran else {}

    def run_and_read(self) -> pl.DataFrame:
        self.run()
        return self.rows

    def rebuild(self, *names: str) -> dict[str, Any]:
        self.project.ask_rebuild(names)
        return self.run()

    def read(self, name: str) -> pl.DataFrame:
        return pl.read_csv(self.folder / "data" / name)

    def write(self, name: str, frame: pl.DataFrame) -> None:
        frame.write_csv(self.folder / "data" / name)

    @property
    def rows(self) -> pl.DataFrame:
        """All rows with all features, in the order of event IDs."""
        frame = rows_of(self.project)
        return frame.sort(pl.col("_event_id").cast(pl.Int64))

    def online(self, customer: str) -> dict[str, Any]:
        """Return a customer's features at the moment of the newest order."""
        at = self.rows["_event_time"].cast(pl.Int64).max()
        return self.project.features().lookup("customer", [customer], at)

    def stale(self) -> dict[str, int | None]:
        """Return the number of stale entities of each view."""
        found: dict[str, int | None] = {}
        for each in self.project.status()["stale"]:
            found[each["name"]] = each["entities"]
        return found
