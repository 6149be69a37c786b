"""The command that plays what was ingested once more: octavo replay."""

import json
import math
import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, HOME, JSON, PATH, PROFILE, moment
from octavo.errors import DefinitionError, ExitCode

API_KEY = "OCTAVO_API_KEY"
"""Variable with the key that the server is shown; an option would be seen by all processes."""


@click.command
@click.argument(
    "names",
    metavar="[DATASET…]",
    nargs=-1,
    help="Whose rows; by default of all datasets that come by a stream.",
)
@click.option("--speed", metavar="N", default="1x", show_default=True, help="Such as 100x; or max.")
@click.option("--from", "first", metavar="TIME", default="", help="Rows known then or later.")
@click.option("--to", "last", metavar="TIME", default="", help="Rows known before.")
@click.option("--url", metavar="URL", default="", help="Send them to this server.")
@click.option("--into", metavar="HOME", type=PATH, help="Append them to the stream of this home.")
@click.option(
    "-o", "--output", metavar="FOLDER", type=PATH, help="Write them there: Parquet files, at once."
)
@click.option(
    "--predict", is_flag=True, help="Ask the server of --url for each row's prediction before."
)
@click.option(
    "--wait", is_flag=True, help="The same, one by one: having seen all that was sent before."
)
@click.option(
    "--key",
    metavar="TEXT",
    default="replay",
    show_default=True,
    help="Begins the idempotency key of each block: another text sends them anew.",
)
@DIR
@PROFILE
@HOME
@JSON
def replay(
    names: tuple[str, ...],
    speed: str,
    first: str,
    last: str,
    url: str,
    into: Path | None,
    output: Path | None,
    predict: bool,
    wait: bool,
    key: str,
    folder: Path,
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Send rows that were ingested to another home, as they once became known."""
    from octavo.project import Project
    from octavo.services.timeline import Timeline
    from octavo.stores.raw import RawStore

    if [bool(url), into is not None, output is not None].count(True) != 1:
        fix = "Give one of --url URL, --into HOME and -o FOLDER."
        raise DefinitionError("it is not said where the rows go to.", fix=fix)
    if (predict or wait) and not url:
        what = "a server predicts, and none is named."
        raise DefinitionError(what, where="--predict, --wait", fix="Give --url URL.")
    multiple, project = _speed(speed), Project(folder, home, profile)
    span = {"first": moment(first, "--from"), "last": moment(last, "--to")}
    chosen = _chosen(project.definition, names)
    with ExitStack() as open_things:
        target = None if output else _target(project, url, into, open_things)
        if predict or wait:
            target = _asking(project, target, url, open_things, wait=wait)
        timeline = Timeline(chosen, RawStore(project.home), project.catalog, **span)
        if output is not None:
            return _write(timeline, output, as_json)
        alone = project.definition.rows.name if wait else ""
        return _play(timeline, target, multiple, key, alone, as_json)


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        found = float(text.removesuffix("x"))
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        fix = "Write 100x, or max."
        raise DefinitionError(f"{text!r} is no multiple of real time.", where="--speed", fix=fix)
    return found


def _chosen(definition: Any, names: tuple[str, ...]) -> list[Any]:
    known = {dataset.name: dataset for dataset in definition.datasets}
    for name in names:
        if name not in known:
            raise DefinitionError.unknown("dataset", name, known)
    chosen = [d for d in known.values() if (d.name in names if names else d.online is not None)]
    # Of a slot the predicted rows go first: no question for one comes after what is later.
    chosen.sort(key=lambda dataset: dataset.name != definition.rows.name)
    if not chosen:
        fix = f"Name those to replay: {', '.join(known)}."
        raise DefinitionError("no dataset comes by a stream.", fix=fix)
    return chosen


def _target(project: Any, url: str, into: Path | None, open_things: ExitStack) -> Any:
    from octavo.services.receiving import Receiver
    from octavo.services.targets import Elsewhere, Server, Topics
    from octavo.stores.home import Home
    from octavo.streams import open_stream
    from octavo.streams.topics import incoming

    if into is None:
        target: Any = Server(url, os.environ.get(API_KEY, ""))
        open_things.callback(target.close)
    else:
        there = Home(into.resolve())
        if there == project.home:
            fix = "Name another one."
            raise DefinitionError("the rows come from this home.", where="--into", fix=fix)
        open_things.enter_context(there.kept())
        stream = open_stream(project.profile.stream, there.streams)
        open_things.callback(stream.close)
        target = Topics(Receiver(project.definition, stream))
    source = project.stream()
    open_things.callback(source.close)
    datasets = project.definition.datasets
    topics = {each.name: incoming(each).name for each in datasets if each.online is not None}
    return Elsewhere(target, source, topics)


def _asking(project: Any, target: Any, url: str, open_things: ExitStack, *, wait: bool) -> Any:
    from octavo.services.asking import Asking
    from octavo.services.targets import Server

    server = Server(url, os.environ.get(API_KEY, ""))
    open_things.callback(server.close)
    return Asking(target, server, project.definition.rows.name, wait=wait)


def _write(timeline: Any, folder: Path, as_json: bool) -> int:
    files = timeline.write(folder)
    told = {name: {"rows": timeline.counts[name], "file": str(p)} for name, p in files.items()}
    if as_json:
        click.echo(json.dumps(told))
    else:
        for each in told.values():
            click.echo(f"{each['rows']:,} rows in {each['file']}")
    return ExitCode.DONE


def _play(timeline: Any, target: Any, speed: float, key: str, alone: str, as_json: bool) -> int:
    from octavo.services.replay import Played, replay

    stop, played = threading.Event(), Played()
    for each in (signal.SIGINT, signal.SIGTERM):  # what is being sent is finished
        signal.signal(each, lambda *_: stop.set())
    began = time.monotonic()
    try:
        with _Line(timeline.rows) as line:
            options = {"speed": speed, "key": key, "alone": alone, "stop": stop, "show": line.show}
            replay(timeline, target, played, **options)
    finally:
        predicted = getattr(target, "predicted", None)
        _tell(played, predicted, time.monotonic() - began, as_json)
    return ExitCode.DONE if played.is_complete else ExitCode.FAILED


def _tell(played: Any, predicted: int | None, seconds: float, as_json: bool) -> None:
    """Say how far it got, and how to go on."""
    from octavo.services.replay import spoken

    until = spoken(played.until) if played.until is not None else None
    if as_json:
        told = {"rows": played.sent, "repeated": played.repeated, "seconds": round(seconds, 3)}
        told |= {} if predicted is None else {"predicted": predicted}
        click.echo(json.dumps({**told, "complete": played.is_complete, "until": until}))
        return
    text = f"{played.sent:,} rows sent in {seconds:.1f} s"
    if played.repeated:
        text += f"; {played.repeated:,} of them were there already"
    click.echo(f"{text}.")
    if predicted is not None:
        click.echo(f"{predicted:,} predictions were asked for.")
    if not played.is_complete:
        again = f" with --from {until}" if until else ""
        click.echo(f"Stopped before the end. Go on by the same command{again}.", err=True)


class _Line:
    """The line that shows how far a replay is, on a terminal."""

    def __init__(self, rows: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("waiting", total=rows)
        self._rows, self._began = rows, time.monotonic()

    def __enter__(self) -> "_Line":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def show(self, played: Any) -> None:
        """Bring the line up to date."""
        from octavo.services.replay import spoken

        rate = played.sent / max(time.monotonic() - self._began, 1e-3)
        text = f"{spoken(played.until)}  " if played.until is not None else ""
        text += f"{played.sent:,} of {self._rows:,} rows  {rate:,.0f}/s"
        text += f"  {played.behind:.1f} s behind" if played.behind >= 0.1 else ""
        self._bar.update(self._task, completed=played.sent, description=text)


COMMANDS = (replay,)
