"""Feast's share of `point_in_time.py`: run in Feast's own environment.

``python feast_training_set.py STORE FOLDER`` reads ``rows.parquet`` and ``table.parquet`` of the
folder, writes ``feast_STORE.parquet`` there, and prints seconds and peak memory.
"""

import json
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig  # noqa: E402
from feast.types import Float64  # noqa: E402
from feast.value_type import ValueType  # noqa: E402

from harness.process import peak  # noqa: E402

FEATURES = [f"f{number}" for number in range(6)]


def opened(store: str, folder: Path) -> FeatureStore:
    config = RepoConfig(
        project="point_in_time",
        provider="local",
        registry=str(folder / f"{store}.db"),
        offline_store={"type": store},
        online_store={"type": "sqlite", "path": str(folder / f"{store}_online.db")},
        entity_key_serialization_version=3,
    )
    found = FeatureStore(config=config)
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
    source = FileSource(path=str(folder / "table.parquet"), timestamp_field="event_timestamp")
    view = FeatureView(
        name="view",
        entities=[entity],
        ttl=timedelta(0),  # without limit
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=source,
    )
    found.apply([entity, view])
    return found


def main() -> None:
    store, folder = sys.argv[1], Path(sys.argv[2])
    feast = opened(store, folder)
    began = time.perf_counter()
    rows = pd.read_parquet(folder / "rows.parquet")
    job = feast.get_historical_features(
        entity_df=rows, features=[f"view:{name}" for name in FEATURES]
    )
    job.to_df().to_parquet(folder / f"feast_{store}.parquet")
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "bytes": peak()}))


if __name__ == "__main__":
    main()
