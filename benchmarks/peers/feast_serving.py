"""Feast's share of `features_online.py`: run in Feast's own environment.

``python feast_serving.py VALUES.parquet PORT`` puts ready feature values of customers and terminals
into the online store that Feast has by default, SQLite, and becomes ``feast serve`` with its
defaults, but for the access log. It computes no feature: that they come ready suits it.
"""

import os
import sys
import tempfile
import warnings
from datetime import timedelta
from pathlib import Path

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource  # noqa: E402
from feast.types import Float64  # noqa: E402
from feast.value_type import ValueType  # noqa: E402

CONFIG = """\
project: serving
provider: local
registry: registry.db
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: online.db
entity_key_serialization_version: 3
"""

values, port = pd.read_parquet(sys.argv[1]), sys.argv[2]
folder = Path(tempfile.mkdtemp())
(folder / "feature_store.yaml").write_text(CONFIG)
store = FeatureStore(repo_path=str(folder))
for key in ("customer", "terminal"):
    names = [name for name in values.columns if name.startswith(f"{key}__")]
    frame = values[[key, "event_timestamp", *names]].drop_duplicates(key, keep="last")
    frame[:0].to_parquet(folder / f"{key}.parquet")
    entity = Entity(name=key, join_keys=[key], value_type=ValueType.INT64)
    rows = FileSource(path=str(folder / f"{key}.parquet"), timestamp_field="event_timestamp")
    view = FeatureView(
        name=key,
        entities=[entity],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=Float64) for name in names],
        source=PushSource(name=f"{key}_events", batch_source=rows),
    )
    store.apply([entity, view])
    store.write_to_online_store(key, frame)
os.chdir(folder)
feast = str(Path(sys.executable).with_name("feast"))
os.execv(feast, [feast, "serve", "--port", port, "--no-access-log"])
