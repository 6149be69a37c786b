"""What is known of a candidate, from the catalog and its folder, and the card drawn of that.

Nothing is computed, no data and no model are read: a card is of what was recorded.
"""

import json
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from octavo.card import card
from octavo.errors import DataError, DefinitionError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row, name_of
from octavo.stores.home import Home

CARD = "model_card.html"
"""Beside a candidate's bundle."""
EVALUATION = "evaluation.json"
"""Beside a candidate's bundle: what is drawn and listed of it, for which a verdict has no room."""


def write_card(home: Home, catalog: Catalog, candidate_id: str, path: Path | None = None) -> Path:
    """Write a candidate's card and return where: in its folder unless somewhere else is said."""
    path = path or home.candidate(candidate_id) / CARD
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, card(known(home, catalog, candidate_id)))
    return path


def newest_judged(catalog: Catalog) -> str:
    """Return the candidate of the newest verdict.

    Raises
    ------
    DataError
        If there is none.
    """
    found = catalog.one(sa.select(tables.verdicts).order_by(tables.verdicts.c.id.desc()))
    if found is None:
        raise DataError(
            "no candidate was judged yet.",
            fix="Run `octavo evaluate`, or name one that `octavo candidates` lists.",
        )
    return found["candidate_id"]


def known(home: Home, catalog: Catalog, candidate_id: str) -> dict[str, Any]:
    """Return all that is recorded of a candidate, as `octavo.card.card` draws it.

    Raises
    ------
    DefinitionError
        If there is no such candidate.
    DataError
        If its folder is gone.
    """
    candidate = catalog.candidate(candidate_id)
    if candidate is None:
        rows = catalog.rows(sa.select(tables.candidates.c.candidate_id))
        every = sorted(row["candidate_id"] for row in rows)
        raise DefinitionError.unknown("candidate", candidate_id, every)
    folder = home.candidate(candidate_id)
    bundle = _read(folder / "bundle.json")
    if bundle is None:
        raise DataError(
            "the candidate's bundle is there no longer.",
            where=str(folder),
            fix="Train again; `octavo candidates` lists the others.",
        )
    judged = _newest(catalog, tables.verdicts, "candidate_id", candidate_id)
    run = _newest(catalog, tables.runs, "run_id", (judged or candidate)["run_id"])
    data = catalog.data_version(candidate["data_version"])
    return {
        "candidate": candidate,
        "bundle": bundle,
        "trial": _newest(catalog, tables.trials, "candidate_id", candidate_id),
        "study": _newest(catalog, tables.studies, "study", candidate["study"]),
        "problem": _problem(catalog, run),
        "definition": run["definition"] if run else None,
        "code": run["code_version"] if run else None,
        "verdict": judged["document"] if judged else None,
        "evaluation": _read(folder / EVALUATION),
        "data": data,
        "batches": _batches(catalog, data),
        "readings": _readings(catalog, candidate),
        "deployed": _newest(catalog, tables.deployments, "candidate_id", candidate_id),
        "began": _began(catalog, candidate),
        "set": _set(catalog, candidate["config_version"]),
        "stages": _stages(catalog, candidate["run_id"]),
    }


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _newest(catalog: Catalog, table: sa.Table, column: str, value: Any) -> Row | None:
    """Return the newest row of a table with a value."""
    order = sa.literal_column("rowid").desc()
    return catalog.one(sa.select(table).where(table.c[column] == value).order_by(order))


def _problem(catalog: Catalog, run: Row | None) -> dict[str, Any] | None:
    """Return the problem as it was when the candidate was judged, or else trained."""
    if run is None:
        return None
    found = _newest(catalog, tables.definitions, "fingerprint", run["definition"])
    return found["problem"] if found else None


def _batches(catalog: Catalog, data: Row | None) -> list[Row]:
    """Return the batches of a data version, of their sources the file's name only."""
    names = set((data or {}).get("batches", ()))
    wanted = ("batch_id", "dataset", "rows", "rejected", "duplicates", "newest")
    return [
        {name: batch[name] for name in wanted}
        | {"file": name_of(batch), "faults": _faults(batch["quality"] or {})}
        for batch in catalog.batches()
        if batch["batch_id"] in names
    ]


def _faults(quality: dict[str, Any]) -> int | None:
    """Return how many faults were found in a batch; None where it was not looked at."""
    if "findings" not in quality:
        return None
    every = [*quality["findings"], *quality.get("noticed", ())]
    return sum(each["weight"] == "fault" for each in every)


def _readings(catalog: Catalog, candidate: Row) -> tuple[int, int]:
    """Return how often test was read, for the candidate and in all of its data version."""
    table = tables.test_readings
    same = table.c.data_version == candidate["data_version"]
    every = catalog.rows(sa.select(table).where(same))
    own = [row for row in every if row["candidate_id"] == candidate["candidate_id"]]
    return len(own), len(every)


def _began(catalog: Catalog, candidate: Row) -> dict[str, Any] | None:
    """Return what its run, as it was when the candidate was made, said that it began with."""
    table = tables.events
    query = sa.select(table).where(
        table.c.kind == "run began",
        table.c.run_id == candidate["run_id"],
        table.c.at <= candidate["created_at"],
    )
    found = catalog.one(query.order_by(table.c.id.desc()))
    return found["document"] if found else None


def _set(catalog: Catalog, version: int) -> dict[str, dict[str, Any]]:
    """Return what a version of the settings had set: profile to setting to value."""
    found = _newest(catalog, tables.config, "version", version)
    return found["document"].get("settings", {}) if found else {}


def _stages(catalog: Catalog, run_id: str) -> list[Row]:
    """Return the stages of a run that are done, the last time each was."""
    table = tables.stage_runs
    query = sa.select(table).where(table.c.run_id == run_id, table.c.state == "succeeded")
    return list({row["stage"]: row for row in catalog.rows(query.order_by(table.c.id))}.values())


def write_whole(path: Path, text: str) -> None:
    """Write a file whole, on disk, or not at all."""
    draft = path.with_name(f".{path.name}")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
