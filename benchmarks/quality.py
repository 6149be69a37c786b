"""Claim: in the same time Octavo predicts no worse than FLAML and AutoGluon, and mostly better.

``octavo init`` and ``octavo run`` take a table to a verdict; what is left of the budget after the
first stages is the search's. The peers get the rows of Octavo's train and validation parts, all
columns, and the same budget, and predict its test part. With ``--features`` they get the columns
that Octavo computed instead, windows and all: what is left is how well each learns.
Per data set the figures are in the metric that ``init`` chose, with a paired bootstrap of the
difference on the same test rows; last comes the mean rank. Octavo has no hand-written definition.
``python benchmarks/quality.py [--shared ../shared] [--budget 5m] [--only NAME …] [--features]
[--json]``
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from harness import Claim, environment
from octavo.bundle import Bundle
from octavo.bundle.bootstrap import interval, resampled
from octavo.bundle.metrics import figure, prepared
from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition.durations import microseconds
from octavo.definition.events import POSITION
from octavo.project import Project, load

PEERS = {
    "flaml": ["flaml[automl,catboost]==2.7.*", "pyarrow"],
    "autogluon": ["autogluon.tabular[all]==1.6.*", "pyarrow"],
}
SCRIPTS = Path(__file__).parent / "peers"
OCTAVO = [sys.executable, "-m", "octavo"]


def bundled(name: str) -> tuple[pl.DataFrame, list[str]]:
    """Return one of scikit-learn's own tables."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")(as_frame=True).frame
    table = {column: loaded[column].to_numpy() for column in loaded}
    return pl.DataFrame(table), ["--target", "target"]


def elec2(shared: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return half-hours of an electricity market, in the order of time."""
    return pl.read_csv(shared / "data/elec2/elec2.csv.gz"), ["--target", "class"]


def pnwflights(shared: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return departures from Seattle and Portland, with what is known before they leave."""
    rows = pl.read_csv(shared / "data/pnwflights14/flights.csv.gz", null_values="NA")
    minutes = pl.col("hour") * 60 + pl.col("minute") - pl.col("dep_delay")
    planned = pl.datetime("year", "month", "day") + pl.duration(minutes=minutes)
    known = rows.filter(pl.col("dep_delay").is_not_null()).select(
        planned.alias("planned"),
        *("carrier", "tailnum", "flight", "origin", "dest", "distance"),
        late=(pl.col("dep_delay") > 15).cast(pl.Int8),
    )
    return known.sort("planned", maintain_order=True), ["--target", "late", "--time", "planned"]


def fraud(shared: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return ten weeks of card payments."""
    rows = pl.read_parquet(shared / "data/fraud/transactions.parquet")
    newest = rows.filter(pl.col("TX_TIME_DAYS") >= pl.col("TX_TIME_DAYS").max() - 70)
    kept = newest.select("TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")
    return kept, ["--target", "TX_FRAUD", "--time", "TX_DATETIME"]


def tables(shared: Path) -> dict[str, Callable[[], tuple[pl.DataFrame, list[str]]]]:
    """Return what makes each data set, with the arguments of ``octavo init``."""
    names = ("breast_cancer", "wine", "digits", "diabetes")
    found = {name: lambda name=name: bundled(name) for name in names}
    if (shared / "data").exists():
        made = {"elec2": elec2, "pnwflights": pnwflights, "fraud": fraud}
        found |= {name: lambda make=make: make(shared) for name, make in made.items()}
    return found


def command(*arguments: str) -> None:
    """Run Octavo as a user does; that a question is not answered is no failure here."""
    done = subprocess.run([*OCTAVO, *arguments], check=False, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"octavo {arguments[0]}: {done.stderr}")


def run_octavo(folder: Path, table: pl.DataFrame, arguments: list[str], seconds: float) -> Project:
    """Take a table from nothing to a verdict; whether it answers is another question."""
    file, pipeline = folder / "table.csv", str(folder / "pipeline")
    table.write_csv(file)
    began = time.monotonic()
    command("init", pipeline, "--data", str(file), *arguments)
    command("run", pipeline, "--to", "segregation")
    left = seconds - (time.monotonic() - began)
    command("config", "set", "training.budget", f"{int(left)}s", "--dir", pipeline)
    command("config", "set", "training.trials", "1000000", "--dir", pipeline)
    command("run", pipeline, "--to", "evaluation")
    return load(pipeline)


def own_predictions(project: Project) -> np.ndarray:
    """Return what the candidate of the verdict predicts for the test part."""
    candidate = project.status()["verdict"]["candidate"]
    bundle = Bundle.load(project.home.candidate(candidate))
    return bundle.predict(project.rows().data("test"))


def truth_of(project: Project) -> np.ndarray:
    label = project.definition.label.name
    classes = classes_of(project.rows().data("train", columns=[])[label], project.definition)
    test = project.rows().data("test", columns=[])[label]
    return target_numbers(test, project.definition, classes)


def hand_over(project: Project, table: pl.DataFrame | None, folder: Path, target: str) -> None:
    """Write the rows of the parts for the peers: as they came, or the features of Octavo."""
    label = project.definition.label.name
    for name, parts in (("train", ("train", "validation")), ("test", ("test",))):
        rows = pl.concat([project.rows().data(part) for part in parts])
        if table is None:
            given = rows.select(*project.definition.features, pl.col(label).alias(target))
        else:
            given = table[rows[POSITION].to_numpy() & 0xFFFF_FFFF]  # the rows of the only batch
        given.write_parquet(folder / f"{name}.parquet")


def run_peer(name: str, folder: Path, target: str, metric: str, kind: str, seconds: float):
    """Return what a peer predicts for the test part, in the order of the sorted classes."""
    python = environment(name, *PEERS[name])
    out = folder / f"{name}.npy"
    script = SCRIPTS / f"{name}_quality.py"
    asked = {"target": target, "metric": metric, "kind": kind, "seconds": seconds, "out": str(out)}
    done = subprocess.run(
        [python, script, json.dumps(asked)], cwd=folder, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-3000:]}")
    return np.load(out)


def compared(metric: str, more: bool, truth, ours, theirs) -> tuple[float, float]:
    """Return the 95 % interval of how much better ours is, on the same bootstrap samples."""
    both = [prepared(metric, truth, predicted) for predicted in (ours, theirs)]
    found = resampled(both, truth.size)
    return interval((found[:, 0] - found[:, 1]) * (1 if more else -1))


def judge(
    name: str, table: pl.DataFrame, arguments: list[str], budget: str, features: bool
) -> dict[str, float]:
    """Run all three on one data set, print a line, and return whose figure is which."""
    folder = Path(tempfile.mkdtemp(prefix=f"quality-{name}-"))
    seconds = microseconds(budget, where="--budget") / 1e6
    began = time.monotonic()
    project = run_octavo(folder, table, arguments, seconds)
    took = {"octavo": time.monotonic() - began}
    problem = project.definition.problem
    target = arguments[arguments.index("--target") + 1]
    hand_over(project, None if features else table, folder, target)
    truth = truth_of(project)
    predicted = {"octavo": own_predictions(project)}
    for peer in PEERS:
        began = time.monotonic()
        predicted[peer] = run_peer(peer, folder, target, problem.metric, problem.kind, seconds)
        took[peer] = time.monotonic() - began
    figures = {who: figure(problem.metric, truth, found) for who, found in predicted.items()}
    line = f"{name} ({problem.metric}, {truth.size:,} test rows): "
    line += ", ".join(f"{who} {found:.4f} in {took[who]:.0f} s" for who, found in figures.items())
    for peer in PEERS:
        low, high = compared(
            problem.metric, problem.more_is_better, truth, predicted["octavo"], predicted[peer]
        )
        word = "worse" if high < 0 else "better" if low > 0 else "no different"
        line += f"; {word} than {peer} ({low:+.4f} … {high:+.4f})"
    print(line, flush=True)
    shutil.rmtree(folder)
    sign = 1 if problem.more_is_better else -1
    return {who: sign * found for who, found in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SHARED", "../shared")))
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--features", action="store_true", help="peers get Octavo's columns")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ranks: dict[str, list[float]] = {who: [] for who in ("octavo", *PEERS)}
    for name, make in tables(options.shared).items():
        if options.only and name not in options.only:
            continue
        table, arguments = make()
        scores = judge(name, table, arguments, options.budget, options.features)
        for who, score in scores.items():
            better = sum(other > score for other in scores.values())
            equal = sum(other == score for other in scores.values())
            ranks[who].append(1 + better + (equal - 1) / 2)
    means = {who: float(np.mean(found)) for who, found in ranks.items()}
    best_peer = min(means[peer] for peer in PEERS)
    print("mean rank: " + ", ".join(f"{who} {mean:.2f}" for who, mean in means.items()))
    Claim(
        "mean rank over data sets, beside the better of FLAML and AutoGluon",
        means["octavo"],
        best_peer,
        goal=1,
        unit="th",
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
