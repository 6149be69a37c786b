"""Claim: `octavo score` takes 1/1.2 of what a script with Polars and LightGBM's own library takes.

A million rows × 40 features in a Parquet file, a model of 200 trees with 31 leaves, answers in
a Parquet file. Both are commands, from their start to their end, in turn. Ours also checks each
row, keeps every prediction in the log with one in a hundred's features, and can be killed and gone
on with; the script does none of that. Both models are trained here on the same rows, of as many
trees and leaves; the features are numbers of the rows themselves, since the script has no windows.
``python benchmarks/score.py [--rows 1000000] [--repeats 3] [--json]``
"""

import argparse
import compileall
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from harness import Claim, environment, medians
from octavo import project

FEATURES = [f"f{n}" for n in range(40)]
TREES = {"num_iterations": 200, "num_leaves": 31, "learning_rate": 0.05}
SCRIPT = '''
import dataclasses

import polars as pl
import octavo as ov
from octavo.stages.training.algorithms.lightgbm import LightGBM


class Fixed(LightGBM):
    """As many rounds as are said, whatever validation says."""

    name = "fixed"

    def fit(self, X, y, params, task):
        return super().fit(X, y, params, dataclasses.replace(task, watch=None))


rows = ov.Dataset("rows", ov.Files("train.parquet"), event_id="id", event_time="at")
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[rows],
    rows=rows,
    label=ov.Label("large", of=rows, on="id", value=pl.col("y") > 0),
    row=[pl.col(f"f{n}") for n in range(40)],
    training=ov.Training(
        algorithms=[Fixed()], trials=1, blend=False, refit=False, params={"fixed": PARAMS}
    ),
)
'''
PEER = Path(__file__).parent / "peers" / "polars_lightgbm.py"


def rows(size: int, seed: int) -> pl.DataFrame:
    """Return rows of 40 numbers with a few missing, and what they tell."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(size, 40))
    X[random.random(X.shape) < 0.05] = np.nan
    known = np.nan_to_num(X)
    y = known[:, 0] + known[:, 1] * known[:, 2] + random.normal(size=size)
    at = pl.Series(np.arange(size) * 1_000_000 + 1_700_000_000_000_000).cast(
        pl.Datetime("us", "UTC")
    )
    frame = pl.DataFrame(X, schema=FEATURES).with_columns(pl.all().fill_nan(None))
    return frame.with_columns(id=pl.int_range(size) + seed * 10**8, at=at, y=pl.Series(y))


def native(folder: Path, train: pl.DataFrame, trees: int) -> Path:
    """Train with the library alone, and return the model's file."""
    import lightgbm

    data = lightgbm.Dataset(train.select(FEATURES).to_numpy(), train["y"].to_numpy() > 0)
    data.set_feature_name(FEATURES)
    told = {"objective": "binary", "verbose": -1, "num_threads": 2}
    told |= {key: value for key, value in TREES.items() if key != "num_iterations"}
    booster = lightgbm.train(told, data, num_boost_round=trees)
    booster.save_model(folder / "native.txt")
    return folder / "native.txt"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    needs = [f"{name}=={version(name)}" for name in ("polars", "lightgbm", "numpy")]
    python = environment("polars_lightgbm", *needs)
    compileall.compile_dir(Path(project.__file__).parent, quiet=1)  # as pip has done for the peer
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as found:
        folder = Path(found)
        train, source = rows(30_000, 1), folder / "in.parquet"
        train.write_parquet(folder / "train.parquet")
        rows(options.rows, 2).drop("y").write_parquet(source)
        (folder / "pipeline.py").write_text(SCRIPT.replace("PARAMS", repr(TREES)))
        octavo = [sys.executable, "-m", "octavo"]
        run([*octavo, "run", folder])
        trees = len(project.load(folder).scorer().bundle.model.roots)  # type: ignore[attr-defined]
        model = native(folder, train, trees)

        def ours() -> None:
            run([*octavo, "score", source, folder / "ours.parquet", "--dir", folder])

        def theirs() -> None:
            run([python, PEER, model, source, folder / "theirs.parquet"])

        took, peer = medians(ours, theirs, repeats=options.repeats)
        answers = pl.read_parquet(folder / "ours.parquet")
        assert answers.height == pl.read_parquet(folder / "theirs.parquet").height == options.rows
        log = sum(file.stat().st_size for file in (folder / ".octavo/predictions").rglob("*"))
        print(f"{trees} trees. The log has {log / options.repeats / 1e6:.0f} MB of them.")
        Claim(f"{options.rows:,} rows scored beside Polars and LightGBM", took, peer, 1.2).show(
            as_json=options.json
        )
        shutil.rmtree(folder / ".octavo")


def run(command: list[str | Path]) -> None:
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
