"""What one writes to score a file without a system: Polars reads and writes, LightGBM predicts.

``python polars_lightgbm.py MODEL IN.parquet OUT.parquet``, on both cores.
"""

import sys

import polars as pl
from lightgbm import Booster


def main() -> None:
    model, source, output = sys.argv[1:]
    rows = pl.read_parquet(source)
    booster = Booster(model_file=model)
    features = rows.select(booster.feature_name()).to_numpy()
    found = pl.Series("prediction", booster.predict(features, num_threads=2))
    rows.select("id", "at").with_columns(found).write_parquet(output)


if __name__ == "__main__":
    main()
