"""The network of the tutorial, from its trials to its answers, without scikit-learn in the end."""

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.bundle.check import TRAINING
from octavo.project import load
from octavo.stores import catalog as tables

from .server_process import serving

TUTORIAL = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
NETWORK = re.search(r"```python\n(from sklearn\.neural_network.*?)```", TUTORIAL, re.DOTALL)
ORDERS = ("0", "30")
"""Hash seeds by which Python lists the converter's sets of operators in two orders."""
APART = f"""
import sys
for name in {TRAINING!r}:
    sys.modules[name] = None
import polars as pl
from octavo.bundle import Bundle
print(Bundle.load(sys.argv[1]).predict(pl.read_ipc(sys.argv[2])).tobytes().hex())
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_project, octavo):
    """A shop whose threshold is chosen by costs, with blends, and the network alone at last."""
    pytest.importorskip("skl2onnx")
    edits = {
        "pipeline = ov.Pipeline(": f"{NETWORK[1]}\npipeline = ov.Pipeline(",
        "at_least=ov.Lift(1.3),": "at_least=ov.Lift(1.2), costs=ov.Costs(1, 5),",
        'algorithms=["logistic"], trials=1': 'algorithms=["logistic", Network()], trials=4',
    }
    folder = make_project(tmp_path_factory.mktemp("onnx") / "shop", edits=edits)
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    return folder


def trials(folder):
    return load(folder).catalog.rows(sa.select(tables.trials).order_by("number"))


def test_its_trials_are_candidates_and_may_be_blended(finished):
    rows = trials(finished)
    assert {row["state"] for row in rows} <= {"complete", "pruned"}, [row["error"] for row in rows]
    assert {"network", "blend"} <= {row["algorithm"] for row in rows}


def test_they_are_made_again_to_the_last_bit(finished, octavo_apart):
    rows = trials(finished)
    network = next(row for row in rows if row["algorithm"] == "network")
    for row, seed in [*((network, seed) for seed in ORDERS), (rows[-1], ORDERS[1])]:
        asked = ("reproduce", row["candidate_id"], "--dir", finished, "--json")
        done = octavo_apart(*asked, environment={"PYTHONHASHSEED": seed})
        found = json.loads(done.stdout)
        said = f"{row['role']} {row['number']}, hash seed {seed}: {done.stdout}{done.stderr}"
        assert (found["same"], found["differs"], found["since"]) == (True, [], {}), said
        assert found["rows"] > 100


def test_what_is_deployed_answers_everywhere_alike(finished, tmp_path, octavo):
    project = load(finished)
    live = project.status()["deployment"]["candidate"]
    folder = project.home.candidate(live)
    meta = json.loads((folder / "bundle.json").read_text())["model"]
    assert "onnx" in [meta["form"], *(member["form"] for member in meta.get("members", []))]
    assert (folder / "model_card.html").exists()
    frame = pl.read_csv(finished / "data/orders.csv").tail(50)
    frame.write_csv(tmp_path / "in.csv")
    done = octavo("score", tmp_path / "in.csv", tmp_path / "out.parquet", "--dir", finished)
    assert done.returncode == 0, done.stderr
    scored = pl.read_parquet(tmp_path / "out.parquet").select(
        "_event_id", "returned", "returned_yes"
    )
    with serving(finished, "server") as client:
        asked = {"events": frame.to_dicts()}
        answers = client.post("/v1/pipelines/shop/predict", json=asked).json()["predictions"]
    served = {a["event_id"]: (a["returned"], a["returned_yes"]) for a in answers}
    assert served == {event: (told, yes) for event, told, yes in scored.rows()}
    rows = project.data("test", "both")
    rows.write_ipc(tmp_path / "rows.arrow")
    command = [sys.executable, "-I", "-c", APART, folder, tmp_path / "rows.arrow"]
    apart = subprocess.run(command, capture_output=True, text=True)
    assert apart.stdout.strip() == Bundle.load(folder).predict(rows).tobytes().hex(), apart.stderr
