"""Settings by the command and over HTTP, by writers at the same time, and while a training runs."""

import itertools
import json
import shutil
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from octavo.project import load
from octavo.stores import catalog as tables

from .server_process import serving
from .shop_project import Silent

SETTINGS = "/v1/pipelines/shop/settings"
TRIALS, SEED = "training.trials", "training.seed"


@pytest.fixture
def folder(finished, tmp_path):
    copy = tmp_path / "shop"
    shutil.copytree(finished, copy)
    return copy


def test_over_http(folder, octavo):
    (folder / "octavo.toml").write_text("[profile.prod]\n")
    assert octavo("config", "set", TRIALS, "3", "--dir", folder).returncode == 0
    with serving(folder, "server") as client:
        first = client.get(SETTINGS)
        assert first.headers["etag"] == '"1"'
        assert first.json()["version"] == 1
        assert first.json()["settings"][TRIALS] == {"value": 3, "from": "config version 1"}
        change = {"settings": {SEED: 5}, "comment": "why", "by": "ann"}
        patched = client.patch(SETTINGS, json=change, headers={"if-match": first.headers["etag"]})
        assert patched.status_code == 200, patched.text
        assert patched.headers["etag"] == '"2"'
        assert patched.json()["settings"][SEED]["value"] == 5
        assert patched.json()["settings"][TRIALS]["value"] == 3, "patched, not replaced"

        late = client.patch(SETTINGS, json=change, headers={"if-match": '"1"'})
        assert late.status_code == 412
        assert (
            "the newest version is 2, not 1; it differs in training.seed: not set → 5"
            in (late.json()["error"])
        )
        whole = {"settings": {TRIALS: 9}}
        assert client.put(SETTINGS, json=whole).status_code == 428
        put = client.put(SETTINGS, json=whole, headers={"if-match": '"2"'})
        assert put.json()["settings"][SEED]["from"] == "pipeline.py", "replaced"
        assert client.get(f"{SETTINGS}/diff", params={"from": 1, "to": 3}).json() == {
            "default": {TRIALS: [3, 9]}
        }
        back = client.post(f"{SETTINGS}/rollback", json={"version": 2, "by": "bob"})
        assert back.json()["version"] == 4
        assert back.json()["settings"][SEED]["value"] == 5
        versions = client.get(f"{SETTINGS}/versions").json()
        assert [(v["version"], v["by"]) for v in versions[:3]] == [
            (4, "bob"),
            (3, "http"),
            (2, "ann"),
        ]
    shown = json.loads(octavo("config", "get", "--dir", folder, "--json").stdout)
    assert shown[SEED] == {"value": 5, "from": "config version 4"}
    history = json.loads(octavo("config", "history", "--dir", folder, "--json").stdout)
    assert history == versions, "the same by the command"


REFUSED = [
    ("PATCH", "", {"settings": {"training.trails": 3}}, 422, "Did you mean 'training.trials'"),
    ("PATCH", "", {"settings": {TRIALS: 0}}, 422, "Training.trials: 0 is not a whole number"),
    ("PATCH", "", {"setings": {}}, 400, "unknown field `setings`"),
    ("PATCH", "", {}, 400, "missing required field `settings`"),
    ("POST", "/rollback", {"version": 77}, 422, "there is no version '77'"),
    ("POST", "/rollback", {"version": -1}, 400, "`$.version`"),
    ("GET", "/diff?from=a", None, 400, "`$.from`"),
    ("GET", "/diff?from=77", None, 422, "there is no version '77'"),
    ("GET", "/diff?form=1", None, 400, "unknown field `form`"),
    ("GET", "/version", None, 404, "known: /versions"),
    ("DELETE", "", {}, 405, "use GET or PUT or PATCH"),
    ("POST", "/versions", {}, 405, "use GET"),
]


def test_refusals_over_http(finished):
    with serving(finished, "server") as client:
        for method, path, body, status, says in REFUSED:
            answer = client.request(method, SETTINGS + path, json=body)
            assert answer.status_code == status, answer.text
            assert list(answer.json()) == ["error"]
            assert says in answer.json()["error"]
        wrong = client.patch(SETTINGS, json={"settings": {}}, headers={"if-match": "new"})
        assert wrong.status_code == 400
        plain = client.post(f"{SETTINGS}/rollback", content=b'{"version": 0}')
        assert plain.status_code == 415, "a browser sends such bodies on behalf of any page"
        odd = client.patch(SETTINGS, content=b"{", headers={"content-type": "application/json"})
        assert odd.status_code == 400
        assert client.get(SETTINGS).json()["version"] == 0


WRITER = """
import sys, time
from octavo.project import load
config = load(sys.argv[1]).config
config.held()
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, 11):
    config.change({f"training.params.logistic.l2": number, sys.argv[2]: number}, by=sys.argv[2])
    time.sleep(0.03)  # whoever has written is else always the first to write again
"""
WRITTEN = ["training.trials", "training.seed", "training.rows"]


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path, make_project):
    folder = make_project(tmp_path / "shop", orders=5)
    load(folder).catalog  # noqa: B018  made before, so that they meet in the settings alone
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    commands = [[sys.executable, "-c", WRITER, str(folder), name] for name in WRITTEN]
    writers = [subprocess.Popen(command, **pipes) for command in commands]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 3
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    history = load(folder).config.history()[::-1]
    assert [row["version"] for row in history] == list(range(1, len(history) + 1))
    for name in WRITTEN:
        own = [row for row in history if row["by"] == name]
        assert [row["changes"]["default"][name][1] for row in own] == list(range(1, 11))
        assert load(folder).config.held().values[name] == 10
    for writer in writers:
        writer.stdout.close()
    authors = [row["by"] for row in history]
    assert sum(a != b for a, b in itertools.pairwise(authors)) > 2, "they did overlap"


SLOW = """
import time
from pathlib import Path
from octavo.stages.training import algorithms

class Slow(type(algorithms.get("logistic"))):
    name = "slow"
    def fit(self, X, y, params, task):
        beside = Path(__file__).parent
        while (beside / "begun").exists() and not (beside / "go").exists():
            time.sleep(0.02)
        (beside / "begun").touch()
        return super().fit(X, y, params, task)

pipeline = ov.Pipeline("""


def test_a_training_that_runs_is_unaffected_by_later_changes(tmp_path, make_project, start_octavo):
    edits = {
        "pipeline = ov.Pipeline(": SLOW.strip("\n"),
        'algorithms=["logistic"], trials=1': "algorithms=[Slow()], trials=4",
    }
    folder = make_project(tmp_path / "shop", edits=edits)
    project = load(folder)
    project.config.change({SEED: 11})
    process = start_octavo("run", folder, "--to", "training")
    while not project.catalog.rows(sa.select(tables.trials)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    assert project.config.change({TRIALS: 2, SEED: 12, "training.params.slow.l2": 0.5}) == 2
    assert len(project.catalog.rows(sa.select(tables.trials))) == 1, "the training is under way"
    (folder / "go").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    table = tables.trials
    trials = project.catalog.rows(sa.select(table).where(table.c.role == "trial"))
    assert len(trials) == 4
    assert len({trial["params"]["l2"] for trial in trials}) == 4, "searched, not fixed"
    (run,) = project.catalog.rows(sa.select(tables.runs))
    candidates = project.catalog.rows(sa.select(tables.candidates))
    assert {run["config_version"], *(row["config_version"] for row in candidates)} == {1}
    assert "training" in dict(project.runner(Silent()).plan(["training"])), "the next one reads it"
