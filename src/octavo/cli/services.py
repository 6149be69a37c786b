"""What each service of `octavo up` does, in a process of its own, until it is told to stop."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from octavo.errors import DataError, ExitCode, ResourceError
from octavo.logs import LOG

LISTENING = "OCTAVO_LISTENING"
"""Variable with the file descriptor of a socket to listen on."""
GRPC = "OCTAVO_GRPC_PORT"
"""Variable with the port of gRPC, which all workers share; not set: there is none."""
LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""Of an event's severity."""
REPEATED = 60.0
"""Seconds between two times that the same error is told."""


def serve(projects: Sequence[Any], host: str, port: int) -> int:
    """Answer over HTTP for some pipelines, and take what is sent."""
    from octavo.server import App
    from octavo.server.access import Access
    from octavo.server.idle import most_connections
    from octavo.server.leaving import Server
    from octavo.services.models import Models
    from octavo.services.stage_metrics import StageMetrics
    from octavo.services.supervisor import SUCCEEDED, ready
    from octavo.services.terms import terms

    first = projects[0]
    models, agreed = Models(first.profile.bounds), terms(first.profile, first.folder)
    agreed.check(host)
    with listener(host, port) as listening, ExitStack() as opened:
        keys = opened.enter_context(_keys(first, host, agreed))
        hosted = [opened.enter_context(_hosted(project, models)) for project in projects]
        app = App(models, hosted)
        app.metrics.watch_stages(StageMetrics([_watched(project) for project in projects]))
        _tell_of(app, agreed.address(host, listening.getsockname()[1]))
        gate = Access(app, agreed.limits, keys, app.metrics.registry)
        rpc = _rpc(app, host, gate, agreed)
        most = most_connections()
        server = Server(app, gate, lambda: ready(waits=False), agreed.certificate, rpc, most)
        # From here on, not only when it runs. It drains, then raises the signal again for whoever
        # was there before: stopping a server is no failure.
        _when_told_to_stop(server.handle_exit)
        signal.signal(SUCCEEDED, lambda *_: server.leave())
        gc.freeze()  # what is loaded stays: looking through it for garbage would hold requests up
        server.run(sockets=[listening])
    return ExitCode.DONE


def _watched(project: Any) -> Any:
    from octavo.services.stage_metrics import Watched

    return Watched(project.definition, project.name, project.home.catalog)


def _rpc(app: Any, host: str, gate: Any, agreed: Any) -> Callable[[], Any] | None:
    """Return what makes the server of gRPC, if there is to be one.

    Raises
    ------
    ResourceError
        If gRPC is not installed.
    """
    if (port := os.environ.get(GRPC)) is None:
        return None
    try:
        from octavo.server.grpc import bind, credentials
    except ModuleNotFoundError as error:
        raise ResourceError.not_installed("grpcio", extra="grpc", where="--grpc-port") from error
    shown = f"[{host}]" if ":" in host else host
    LOG.info(f"  gRPC {shown}:{port}, inference.GRPCInferenceService")
    certificate = agreed.certificate and credentials(agreed.certificate)
    told = gate.admit, certificate, agreed.limits.in_flight
    return lambda: bind(app.models, app.metrics, f"{shown}:{port}", *told).server


@contextmanager
def _keys(project: Any, host: str, agreed: Any) -> Iterator[Any]:
    """Give the keys that are usable, if one is needed; say what is not as it should be."""
    from octavo.services.keys import KnownKeys
    from octavo.services.terms import is_loopback

    if not agreed.needs_keys:
        yield None
        return
    keys = KnownKeys(project.catalog, _telling())
    if not keys:
        LOG.warning("Nobody has a key yet: octavo keys create NAME --role predict")
    if agreed.certificate is None and not is_loopback(host):
        told = "Keys come over the net for everyone to read: give --tls-certificate and --tls-key"
        LOG.warning(f"{told}, or let whoever stands before this server speak TLS.")
    yield keys
    keys.close()


@contextmanager
def _hosted(project: Any, models: Any) -> Iterator[Any]:
    """Register a pipeline, and follow what is deployed of it; give what else is served of it."""
    from octavo.server.app import Hosted
    from octavo.server.events import Events
    from octavo.services.receiving import Receiver
    from octavo.services.refreshing import Refreshing, deployed

    name, stream = project.name, project.stream()
    receiver = Receiver(project.definition, stream)
    log = project.inference_log(stream, _telling())
    models.add(name, project.catalog, project.warm_scorer, log)
    seen = deployed(project.catalog)
    _serve_live(project, models, takes_rows=bool(receiver.datasets))
    use = partial(models.serve, name)
    refreshing = Refreshing(project.catalog, seen, project.warm_scorer, use, _telling())
    told = project.row_service(), project.config, Events(receiver)
    yield Hosted(name, log, *told, lambda: project.flow(stream))
    refreshing.close()
    project.collecting(stream, _telling()).finish()
    stream.close()


def _serve_live(project: Any, models: Any, *, takes_rows: bool) -> None:
    """Let the live deployment answer; say why if there is none, and rows are taken all the same.

    Raises
    ------
    DataError
        If there is nothing to do at all.
    """
    try:
        models.serve(project.name, project.warm_scorer())
    except DataError as error:
        if not takes_rows:
            raise
        LOG.warning(f"No predictions: {error}")


def _tell_of(app: Any, address: str) -> None:
    for name, hosted in app.hosted.items():
        model = app.models.live(name)
        if model is not None:
            served = f"{model.candidate_id} ({model.bundle.algorithm}), {model.deployment_id}"
            LOG.info(f"Serving {served}")
            LOG.info(f"  POST {address}/v1/pipelines/{name}/predict")
        for dataset in hosted.events.receiver.datasets:
            LOG.info(f"  POST {address}/v1/datasets/{dataset}/events")
        LOG.info(f"  GET  {address}/v1/pipelines/{name}/data")
        LOG.info(f"  GET  {address}/v1/pipelines/{name}/settings")
    LOG.info(f"  GET  {address}/health   {address}/metrics")


def ingest(project: Any) -> int:
    """Take what is sent into the raw store."""
    from octavo.services.notifications import Aside, NotificationService
    from octavo.services.supervisor import ready
    from octavo.stages.ingestion.online import OnlineIngestion

    stop, stream = stopping(), project.stream()
    notifications = NotificationService(
        project.catalog,
        project.home.log,
        lambda severity, text: LOG.log(LEVELS[severity], text),
        online=True,
    )
    with Aside(notifications) as aside:
        service = OnlineIngestion(
            project.definition,
            project.home,
            project.catalog,
            stream,
            tell=_telling(),
            notify=aside.wake,
        )
        LOG.info(f"Ingesting {', '.join(each.name for each in service.datasets)}")
        ready()
        service.run(stop)
    stream.close()
    return ExitCode.DONE


def prep(project: Any) -> int:
    """Keep features up with what is ingested."""
    from octavo.stages.prep.online import OnlinePrep

    views = ", ".join(view.name for view in project.definition.views)
    return _work(project, OnlinePrep, f"Prepping {views or 'the rows'}", _telling())


def follow(project: Any) -> int:
    """Send what files grow by to the streams of their datasets."""
    from octavo.stages.ingestion.tail import Tail

    names = ", ".join(each.name for each in project.definition.datasets if each.is_followed)
    return _work(project, Tail, f"Following the files of {names}", _telling(logging.WARNING))


def _work(project: Any, service: Callable[..., Any], says: str, tell: Callable[[str], None]) -> int:
    from octavo.services.supervisor import ready

    stop, stream = stopping(), project.stream()
    told = project.definition, project.folder, project.home, project.catalog, stream
    working = service(*told, tell=tell)
    LOG.info(says)
    ready()
    working.run(stop)
    stream.close()
    return ExitCode.DONE


def collect(project: Any) -> int:
    """Take predictions that were answered into their table."""
    from octavo.services.supervisor import ready

    stop, stream = stopping(), project.stream()
    collecting = project.collecting(stream, _telling())
    LOG.info("Collecting predictions")
    ready()
    collecting.run(stop)
    stream.close()
    return ExitCode.DONE


def notify(project: Any) -> int:
    """Tell people what is due, also when nothing new happens."""
    from octavo.services.supervisor import ready

    stop, deliveries = stopping(), project.deliveries()
    LOG.info(f"Notifying {', '.join(deliveries.targets)}")
    ready()
    deliveries.run(stop, _telling())
    return ExitCode.DONE


def maintain(project: Any) -> int:
    """Keep tables small."""
    from octavo.definition.durations import microseconds
    from octavo.services.supervisor import ready

    stop, stream = stopping(), project.stream()
    every = project.profile.maintain_every
    LOG.info(f"Maintaining {project.home.path}, every {every}")
    seconds = microseconds(every, where="maintain_every") / 1e6
    ready()
    project.maintenance(stream).run(stop, every=seconds, tell=_telling())
    stream.close()
    return ExitCode.DONE


def schedule(project: Any) -> int:
    """Begin what is due."""
    from octavo.services.scheduling.service import SchedulingService
    from octavo.services.supervisor import ready

    stop = stopping()
    told = {"offered": project.offered, "command": partial(_run_of, project), "tell": LOG.info}
    service = SchedulingService(project.jobs, project.catalog, **told)
    LOG.info(f"Scheduling {', '.join(job.name for job in project.jobs)}")
    ready()
    service.run(stop)
    return ExitCode.DONE


def _run_of(project: Any, jobs: Sequence[Any]) -> list[str]:
    """Return the command that runs the stages of some jobs, which are the same."""
    from octavo.services.scheduling.jobs import ingested_with

    words = [sys.executable, "-m", "octavo", "run", str(project.folder), "--wait", "--json"]
    words += ["--home", str(project.home.path), "--profile", project.profile.name]
    words += ["--from", jobs[0].first, "--to", jobs[0].last]
    only = ingested_with(project.definition, jobs) if jobs[0].dataset else []
    return words + [word for name in only for word in ("--only", name)]


ALONE: Mapping[str, Callable[[Any], int]] = {
    "ingestion": ingest,
    "prep": prep,
    "tail": follow,
    "scheduler": schedule,
    "predictions": collect,
    "maintenance": maintain,
    "notifications": notify,
}
"""All services but the server, which has an address."""


def listener(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address: that of who supervises this process, if it has one.

    Raises
    ------
    ResourceError
        If it is taken.
    """
    if (inherited := os.environ.get(LISTENING)) is not None:
        return socket.socket(fileno=int(inherited))
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise ResourceError(
            f"the port is not free ({error.strerror}).",
            where=f"{host}:{port}",
            fix="Choose another with --port.",
        ) from error
    return found


def stopping() -> threading.Event:
    """Return what is set when the process is told to stop, or loses who supervises it."""
    from octavo.services.supervisor import SUCCEEDED

    stop = threading.Event()
    _when_told_to_stop(lambda *_: stop.set())
    signal.signal(SUCCEEDED, lambda *_: stop.set())
    return stop


def _when_told_to_stop(call: Callable[..., None]) -> None:
    from octavo.services.supervisor import watch_parent

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, call)
    watch_parent()


def _telling(level: int = logging.ERROR) -> Callable[[str], None]:
    """Return what tells of errors; one that goes on is told every `REPEATED` seconds."""
    told: dict[str, float] = {}

    def tell(text: str) -> None:
        present = time.monotonic()
        for old in [each for each, at in told.items() if present - at >= REPEATED]:
            del told[old]
        if text not in told:
            told[text] = present
            LOG.log(level, text)

    return tell
