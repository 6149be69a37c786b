"""The mirror against a real MLflow server, one that is away, and one that never answers."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from octavo.project import load
from octavo.stores import catalog as tables

SERVER = Path(__file__).parents[2] / ".servers" / "mlflow" / "bin" / "mlflow"


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    if not SERVER.exists():
        if os.environ.get("OCTAVO_SERVERS") == "required":
            pytest.fail(f"{SERVER} is not there; scripts/servers/install.sh installs it")
        pytest.skip("no MLflow server: scripts/servers/install.sh installs it")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    options += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [SERVER, "server", *options],
            stdout=log,
            stderr=log,
            env={**os.environ, **quiet},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, 9)
        process.wait(30)


@pytest.fixture
def folder(finished, tmp_path, request):
    """A project that was run, called otherwise for each test: an experiment of its own."""
    copy = tmp_path / request.node.name.replace("[", "_").replace("]", "")
    shutil.copytree(finished, copy)
    return copy


def client(url):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=url, registry_uri=url)


def runs_of(url, name):
    found = client(url)
    experiment = found.get_experiment_by_name(name)
    return list(found.search_runs([experiment.experiment_id])) if experiment else []


def test_all_of_it_appears(folder, server, octavo_apart, tmp_path):
    environment = {"OCTAVO_MLFLOW": server}
    done = octavo_apart("mirror", folder, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["events"] > 0, done.stderr) == (True, "")
    catalog = load(folder).catalog
    trials = catalog.rows(sa.select(tables.trials))
    candidates = catalog.rows(sa.select(tables.candidates))
    live = catalog.live_deployment()
    (verdict,) = catalog.rows(sa.select(tables.verdicts))
    runs = {run.data.tags.get("octavo.trial"): run for run in runs_of(server, folder.name)}
    study = runs.pop(None)
    assert study.data.tags["octavo.study"] == trials[0]["study"]
    assert study.data.tags["octavo.data_version"] == candidates[0]["data_version"]
    assert study.data.metrics["test"] == verdict["document"]["test"]
    assert study.data.tags["octavo.answered"] == "true"
    assert len(runs) == len(trials) == 2, "a trial, and the same trained on all rows"
    for trial in trials:
        child = runs[f"{trial['study']}/{trial['number']}"]
        assert child.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert child.data.tags["octavo.role"] == trial["role"]
        params = {"algorithm": trial["algorithm"], **trial["found"]}
        assert child.data.params == {key: str(value) for key, value in params.items()}
        assert child.data.metrics["validation"] == trial["figure"]
        assert {study.info.status, child.info.status} == {"FINISHED"}
        assert study.info.start_time <= child.info.start_time <= child.info.end_time
        if trial["candidate_id"] == live["candidate_id"]:
            deployed = child

    champion = client(server).get_model_version_by_alias(folder.name, "champion")
    assert champion.run_id == deployed.info.run_id
    assert champion.tags["octavo.candidate"] == live["candidate_id"]
    got = Path(client(server).download_artifacts(champion.run_id, "bundle", str(tmp_path)))
    kept = load(folder).home.candidate(live["candidate_id"])
    assert {p.name: p.read_bytes() for p in got.iterdir()} == {
        p.name: p.read_bytes() for p in kept.iterdir()
    }

    again = octavo_apart("mirror", folder, environment=environment)
    assert again.stdout == "Nothing new: MLflow has all of it.\n"
    shutil.rmtree(folder / ".octavo" / "mirror")
    assert octavo_apart("mirror", folder, environment=environment).returncode == 0
    assert len(runs_of(server, folder.name)) == 3, "found again, not made twice"
    assert len(client(server).search_model_versions(f"name = '{folder.name}'")) == 1


def test_a_run_starts_it_and_does_not_wait(folder, server, octavo_apart):
    (folder / "octavo.toml").write_text(f'[profile.prod]\nmlflow = "{server}"\n')
    script = folder / "pipeline.py"
    trials = script.read_text().replace("trials=1", "trials=2")
    script.write_text(trials)
    done = octavo_apart("run", folder, "--profile", "prod")
    assert done.returncode in (0, 3), done.stderr
    project = load(folder, profile="prod")
    for _ in range(300):
        if project.mirror.due == 0:
            break
        time.sleep(0.1)
    found = [run.data.tags for run in runs_of(server, folder.name)]
    assert sum("octavo.study" in tags for tags in found) == 2
    trials = project.catalog.rows(sa.select(tables.trials))
    assert sum("octavo.trial" in tags for tags in found) == len(trials) > 3


def test_a_server_that_is_away_fails_nothing_and_is_served_later(folder, server, octavo_apart):
    away = {"OCTAVO_MLFLOW": f"http://user:secret@127.0.0.1:{free_port()}"}
    ran = octavo_apart("run", folder, environment=away)
    assert ran.returncode == 0, ran.stderr
    failed = octavo_apart("mirror", folder, environment=away)
    assert failed.returncode == 1
    assert failed.stderr.startswith("octavo: MLflow: not all could be mirrored (")
    assert "secret" not in failed.stderr
    shown = octavo_apart("status", folder, environment=away).stdout
    assert "events are not mirrored yet" in " ".join(shown.split())
    events = load(folder).catalog.rows(sa.select(tables.events))
    assert [e["severity"] for e in events if e["kind"] == "mirror failed"][-1] == "warning"
    assert "secret" not in json.dumps(events)
    here = octavo_apart("mirror", folder, environment={"OCTAVO_MLFLOW": server})
    assert re.fullmatch(r"[1-9] events mirrored\.\n", here.stdout)


def test_a_server_that_never_answers_slows_nothing(folder, octavo_apart):
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        port = silent.getsockname()[1]
        began = time.monotonic()
        environment = {"OCTAVO_MLFLOW": f"http://127.0.0.1:{port}"}
        ran = octavo_apart("run", folder, environment=environment)
        assert ran.returncode == 0, ran.stderr
        assert time.monotonic() - began < 25, "its client waits 30 seconds for each answer"
        silent.settimeout(20)
        silent.accept()[0].close()  # it was asked, by a process that the run left behind


def test_without_the_extra_a_run_that_needs_it_ends_before_data_are_read(
    tmp_path, make_project, monkeypatch
):
    from octavo.errors import ResourceError
    from octavo.services import mirror

    folder = make_project(tmp_path / "shop", orders=5)
    monkeypatch.setenv("OCTAVO_MLFLOW", "http://127.0.0.1:1")
    monkeypatch.setattr(mirror.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install 'octavo\[mlflow\]'"):
        load(folder).run(None)
    assert not (folder / ".octavo" / "raw").exists()


def test_no_server_is_named(finished, octavo_apart):
    done = octavo_apart("mirror", finished)
    assert done.returncode == 2
    assert "Write mlflow =" in done.stderr
