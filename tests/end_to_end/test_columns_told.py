"""What training is told of columns: weights, monotone answers, how they are read."""

import json

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.project import load

TOLD = (
    'algorithms=["lightgbm"], trials=1, weights="hour_weight", monotone={"amount": -1}, '
    'encodings={"channel": "target", "hour": "categorical", "ordered": "numeric"}'
)
ROW = (
    'row=[pl.col("channel"), (pl.col("ordered_at").dt.hour() + 1).alias("hour_weight"), '
    'pl.col("ordered_at").alias("ordered"), '
)


def test_told_columns_reach_the_bundle(tmp_path, make_project, octavo):
    edits = {'algorithms=["logistic"], trials=1': TOLD, 'row=[pl.col("channel"), ': ROW}
    folder = make_project(tmp_path / "shop", edits=edits)
    done = octavo("run", folder, "--to", "training")
    assert done.returncode == 0, done.stderr
    found = json.loads(octavo("candidates", folder, "--json").stdout)
    bundles = [
        Bundle.load(folder / ".octavo" / "candidates" / row["candidate_id"]) for row in found
    ]
    rows = load(folder).data("test", "both").head(50)
    for bundle in bundles:
        kinds = {column.name: column.kind for column in bundle.encoder.columns}
        assert kinds["channel"] == "target"
        assert kinds["hour"] == "categorical"
        assert kinds["ordered"] == "numeric"
        assert "hour_weight" not in bundle.schema
        answers = np.array(
            [
                bundle.predict(rows.with_columns(pl.lit(amount).alias("amount")))
                for amount in (1.0, 20.0, 50.0, 500.0)
            ]
        )
        assert (np.diff(answers, axis=0) <= 0).all()


def test_a_weight_of_nothing_is_refused_with_its_rows(tmp_path, make_project, octavo):
    told = 'algorithms=["logistic"], trials=1, weights="hour"'
    folder = make_project(tmp_path / "shop", edits={'algorithms=["logistic"], trials=1': told})
    done = octavo("run", folder, "--to", "training")
    assert done.returncode == 1
    assert "training rows weigh nothing, less, or something unknown" in done.stderr
