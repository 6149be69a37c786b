"""What a project's run came to, in a form that two runs can be compared by."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from octavo.project import Project, load
from octavo.services.inference_log import InferenceLog
from octavo.stores.features import FeatureStore
from octavo.stores.predictions import PredictionStore
from octavo.stores.raw import RawStore
from octavo.stores.versions import latest


def rows_of(project: Project) -> pl.DataFrame:
    """Return all rows with all features, in log order."""
    document = latest(project.catalog)
    return FeatureStore(project.home).assembled(project.definition, document)


@contextmanager
def logging(project: Project) -> Iterator[InferenceLog]:
    """Give a log; at the end of the block all that was logged is in the prediction table."""
    stream, told = project.stream(), []
    log = project.inference_log(stream, told.append)
    yield log
    log.close()
    project.collecting(stream, told.append).finish()
    stream.close()
    assert not told


def outcome(folder: Path) -> dict[str, Any]:
    """Return candidate, figures, features, predictions and raw rows; no times, no IDs."""
    project = load(folder)
    status = project.status()
    verdict = status["verdict"] or {}
    predictions = PredictionStore(project.home).scan().filter(pl.col("origin") == "batch")
    raw = RawStore(project.home)
    return {
        "stages": {s["name"]: (s["state"], s["rows_in"], s["rows_out"]) for s in status["stages"]},
        "verdict": {k: v for k, v in verdict.items() if k not in ("ranking", "servable")},
        "served": [verdict.get("servable", {}).get(k) for k in ("same_bits", "refused")],
        "ranking": [(r["candidate_id"], r["validation"]) for r in verdict.get("ranking", [])],
        "features": rows_of(project),
        "predictions": predictions.select("_event_id", "prediction").sort("_event_id").collect(),
        "raw": {
            dataset.name: raw.scan(dataset.name, project.catalog.committed(dataset.name))
            .drop("_batch_id")
            .sort("_position")
            .collect()
            for dataset in project.definition.datasets
        },
    }


def assert_same(one: Any, other: Any, path: str = "") -> None:
    """Compare two outcomes to the last bit, saying where they differ."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, pl.DataFrame):
        assert one.columns == other.columns, path
        assert one.height == other.height, path
        differing = [c for c in one.columns if not one[c].equals(other[c], null_equal=True)]
        assert not differing, f"{path}: {differing}"
    else:
        assert one == other, path
