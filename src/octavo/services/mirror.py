"""The mirror: studies, trials, verdicts and the champion, shown in an MLflow server.

Octavo needs nothing of it: the catalog alone counts. What is there is read from the catalog and
added to the server, each thing once, however often it was begun; so a server that is away, slow or
new is served later. It runs in a process of its own, and nothing that goes wrong there reaches a
run. Knows nothing of stages.
"""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import xxhash

from octavo.errors import ResourceError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home

MIRRORED = ("trial finished", "model ready", "champion stays", "candidate refused", "deployed")
MIRRORED += ("no candidate answers the problem", "rolled back")
"""The events after which there is something to show."""
FAILED = "mirror failed"
CHAMPION = "champion"
"""The alias of the deployed candidate in MLflow's registry."""

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""What MLflow's client is told; its own defaults wait for minutes, and report to its makers."""
_STATES = {"complete": "FINISHED", "stopped": "KILLED", "pruned": "KILLED"}
"""MLflow's word for how a trial ended; for all others FAILED."""


class Mirror:
    """What an MLflow server has of one home.

    Parameters
    ----------
    url
        The server's address.
    name
        The pipeline's: the experiment and the registered model are called by it.
    """

    def __init__(self, catalog: Catalog, home: Home, url: str, name: str) -> None:
        self.catalog = catalog
        self.home = home
        self.url = url
        self.name = name
        self._file = home.mirror(xxhash.xxh3_64_hexdigest(url.encode()))

    @staticmethod
    def require() -> None:
        """Refuse to go on without MLflow's client.

        Raises
        ------
        ResourceError
            Naming the extra to install.
        """
        if importlib.util.find_spec("mlflow") is None:
            raise ResourceError.not_installed("MLflow", extra="mlflow", where="mlflow")

    @property
    def due(self) -> int:
        """How many events have not been mirrored."""
        table = tables.events
        newer = table.c.id > self._sent()["event"]
        query = sa.select(sa.func.count().label("due")).where(newer, table.c.kind.in_(MIRRORED))
        return self.catalog.rows(query)[0]["due"]

    @property
    def error(self) -> str | None:
        """Why the last attempt did not succeed; None if it did, or there was none."""
        return self._sent()["error"]

    def wake(self, folder: Path) -> None:
        """Start a process that sends what is due; nobody waits for it."""
        if not self.due:
            return
        command = [sys.executable, "-m", "octavo", "mirror", str(folder)]
        with suppress(OSError):  # what is due stays due
            subprocess.Popen(
                [*command, "--home", str(self.home.path)],
                env={**os.environ, "OCTAVO_MLFLOW": self.url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def send(self) -> int:
        """Send what is due, and return how many events that were.

        Raises
        ------
        ResourceError
            If the server does not take it. That is recorded; what is due is sent the next time.
        """
        with self._alone():
            due = self.due
            if not due:
                return 0
            last = sa.select(sa.func.max(tables.events.c.id).label("id"))
            newest = self.catalog.rows(last)[0]["id"]
            try:
                _Server(self.url, self.name).take(self.catalog, self.home, self._sent(), self._keep)
            except Exception as error:  # MLflow's client, and a server that may be anything
                raise self._failed(error) from error
            self._keep(self._sent() | {"event": newest, "error": None})
            return due

    def _failed(self, error: Exception) -> ResourceError:
        reason = f"{type(error).__name__}: {error}".replace(self.url, "the server").splitlines()[0]
        with suppress(OSError, ResourceError):
            self._keep(self._sent() | {"error": reason})
            self.catalog.emit(FAILED, "MLflow", severity="warning", reason=reason)
        return ResourceError(
            f"not all could be mirrored ({reason}).",
            where="MLflow",
            fix="What is missing is sent after the next run, or by `octavo mirror`.",
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process mirrors to this server."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sent(self) -> dict[str, Any]:
        """Return what the server is known to have. If that is lost, it is found there again."""
        nothing = {"event": 0, "error": None, "trials": [], "verdict": 0, "champion": None}
        try:
            return nothing | json.loads(self._file.read_text())
        except (OSError, ValueError):
            return nothing

    def _keep(self, sent: Mapping[str, Any]) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(sent))
        draft.replace(self._file)


class _Server:
    """One experiment of an MLflow server. A run of it is found by its tag, never made twice."""

    def __init__(self, url: str, name: str) -> None:
        for key, value in _ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        import logging

        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        self.client = mlflow.MlflowClient(tracking_uri=url, registry_uri=url)
        self.name = name
        known = self.client.get_experiment_by_name(name)
        self.experiment: str = known.experiment_id if known else self.client.create_experiment(name)

    def take(self, catalog: Catalog, home: Home, sent: dict[str, Any], keep: Any) -> None:
        """Take what is in the catalog and has not been sent; ``keep`` is told after each part."""
        candidates = {r["candidate_id"]: r for r in catalog.rows(sa.select(tables.candidates))}
        studies = {r["study"]: r for r in catalog.rows(sa.select(tables.studies))}
        done = {tuple(key) for key in sent["trials"]}
        for trial in catalog.rows(sa.select(tables.trials).order_by("study", "number")):
            if (trial["study"], trial["number"]) not in done:
                candidate = candidates.get(trial["candidate_id"])
                parent = self._study(studies[trial["study"]], candidate)
                self._trial(home, trial, candidate, parent)
                sent["trials"].append([trial["study"], trial["number"]])
                keep(sent)
        table = tables.verdicts
        newer = sa.select(table).where(table.c.id > sent["verdict"]).order_by(table.c.id)
        for verdict in catalog.rows(newer):
            self._verdict(verdict, candidates[verdict["candidate_id"]])
            sent["verdict"] = verdict["id"]
            keep(sent)
        live = catalog.live_deployment()
        if live and live["candidate_id"] != sent["champion"]:
            self._champion(live)
            sent["champion"] = live["candidate_id"]
            keep(sent)

    def _run(self, key: str, value: str, start: int | None = None, **tags: Any) -> str:
        """Return the ID of the run with a tag, making it first if there is none."""
        found = self._found(key, value)
        if found:
            return found
        tags = {"octavo": "true", key: value, **{k.replace("__", "."): v for k, v in tags.items()}}
        name = tags.pop("name", value)
        texts = {key: str(value) for key, value in tags.items() if value is not None}
        run = self.client.create_run(self.experiment, start, texts, run_name=name)
        return run.info.run_id

    def _found(self, key: str, value: str) -> str | None:
        query = f"tags.`{key}` = '{value}'"
        runs = self.client.search_runs([self.experiment], query, max_results=1)
        return runs[0].info.run_id if runs else None

    def _study(self, study: Row, candidate: Row | None) -> str:
        return self._run(
            "octavo.study",
            study["study"],
            start=study["started_at"] // 1000,
            octavo__run=candidate and candidate["run_id"],
            octavo__data_version=candidate and candidate["data_version"],
            octavo__config_version=candidate and candidate["config_version"],
        )

    def _trial(self, home: Home, trial: Row, candidate: Row | None, parent: str) -> None:
        """Show a trial below its study: parameters, figures, and the folder of its candidate."""
        from mlflow.entities import Metric, Param

        at = candidate["created_at"] // 1000 if candidate else tables.now() // 1000
        took = trial["seconds"] or 0.0
        run = self._run(
            "octavo.trial",
            f"{trial['study']}/{trial['number']}",
            start=at - int(took * 1000),
            name=f"{trial['algorithm']} #{trial['number']}",
            octavo__role=trial["role"],
            mlflow__parentRunId=parent,
            octavo__candidate=trial["candidate_id"],
            octavo__error=trial["error"],
        )
        params = {"algorithm": trial["algorithm"], **(trial["found"] or trial["params"])}
        metrics = [Metric("seconds", took, at, 0)]
        if trial["figure"] is not None:
            metrics.append(Metric("validation", trial["figure"], at, 0))
        for step, figure in enumerate(trial["folds"] or (), 1):
            metrics.append(Metric("validation_fold", figure, at, step))
        self.client.log_batch(
            run,
            metrics=metrics,
            params=[Param(key, _text(value)) for key, value in params.items()],
        )
        if candidate:
            self.client.log_artifacts(run, str(home.candidate(candidate["candidate_id"])), "bundle")
        self.client.set_terminated(run, _STATES.get(trial["state"], "FAILED"), at)

    def _verdict(self, verdict: Row, candidate: Row) -> None:
        """Show a verdict with the study that it is about, and end that."""
        from mlflow.entities import Metric, RunTag

        study = self._found("octavo.study", candidate["study"])
        if study is None:
            return
        at = verdict["at"] // 1000
        document = verdict["document"]
        numbers = {
            key: float(value)
            for key, value in document.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        tags = {
            "octavo.answered": bool(verdict["answered"]),
            "octavo.judged": verdict["candidate_id"],
            "octavo.metric": document.get("metric"),
            "octavo.reason": document.get("reason"),
        }
        self.client.log_batch(
            study,
            metrics=[Metric(key, value, at, 0) for key, value in numbers.items()],
            tags=[RunTag(key, _text(value)) for key, value in tags.items() if value is not None],
        )
        self.client.set_terminated(study, "FINISHED", at)

    def _champion(self, live: Row) -> None:
        """Register the deployed candidate, and move the alias to it."""
        from mlflow.exceptions import MlflowException

        candidate_id = live["candidate_id"]
        run = self._found("octavo.candidate", candidate_id)
        if run is None:
            return
        with suppress(MlflowException):  # it is there already
            self.client.create_registered_model(self.name)
        known = self.client.search_model_versions(f"name = '{self.name}'")
        version = next((v for v in known if v.tags.get("octavo.candidate") == candidate_id), None)
        if version is None:
            source = f"{self.client.get_run(run).info.artifact_uri}/bundle"
            tags = {"octavo.candidate": candidate_id, "octavo.deployment": live["deployment_id"]}
            version = self.client.create_model_version(self.name, source, run, tags=tags)
        self.client.set_registered_model_alias(self.name, CHAMPION, version.version)


def _text(value: Any) -> str:
    """Return a value as MLflow keeps it: text, of 5,000 characters at the most."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 5000 else f"{text[:4999]}…"
