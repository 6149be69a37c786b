"""The command that lets the services that run go on with a changed definition: octavo release."""

import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, PROFILE
from octavo.errors import ExitCode, ResourceError

LOOK = 0.1
"""Seconds between two looks whether it is live."""


@click.command
@FOLDER
@click.option("--dry-run", is_flag=True, help="Only check it, and say what would be done.")
@PROFILE
@HOME
@JSON
def release(
    folder: Path, dry_run: bool, profile: str | None, home: Path | None, as_json: bool
) -> int:
    """Let the services of `octavo up` go on with pipeline.py as it is now.

    New features are back-filled first, while the services go on as they are.
    """
    from octavo.project import Project

    project = Project(folder, home, profile)
    say = (lambda text: None) if as_json else click.echo
    if dry_run:
        found = _look(project)
        _tell(found, say)
    else:
        with project.home.releasing() as is_alone:
            _check_supervised(project, is_alone)
            found = _release(project.kept_for_release(profile), say)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    return ExitCode.DONE


COMMANDS = (release,)


def _check_supervised(project: Any, is_alone: bool) -> None:
    where = str(project.home.path)
    if not is_alone:
        raise ResourceError("another release is under way.", where=where, fix="Wait for it.")
    if not project.home.is_supervised:
        raise ResourceError(
            "no `octavo up` supervises services in it.",
            where=where,
            fix="Start it: it runs pipeline.py as it is then. One service alone, such as "
            "`octavo up server`, is stopped and started again.",
        )


def _look(project: Any) -> dict[str, Any]:
    """Check a definition; return what it changes, and what is to be back-filled of it."""
    from octavo.services import releasing
    from octavo.stores import releases

    releasing.check(project.beside_runs(lambda *_: None))
    changes = releasing.changes(releases.live(project.catalog), project.definition)
    backfill = releasing.to_backfill(project.definition, project.catalog)
    return {
        "release": project.release,
        **{kind: asdict(change) for kind, change in changes.items()},
        "backfill": [str(each) for each in backfill],
    }


def _release(project: Any, say: Any) -> dict[str, Any]:
    """Back-fill what is new, and have the supervisor hand over."""
    from octavo.cli.display import TerminalDisplay
    from octavo.stages.prep.offline import backfill
    from octavo.stores import releases

    try:
        found = _look(project)
    except BaseException:
        project.forget_release()
        raise
    _tell(found, say)
    project.begin_release()
    began = time.monotonic()
    with TerminalDisplay() as display:
        context = project.beside_runs(partial(display.progress, "release"))
        position, work = backfill(context)
    seconds = time.monotonic() - began
    if work:
        say(f"Back-filled up to position {position} in {seconds:.1f} s; it counts from there.")
    began = time.monotonic()
    releases.ask(project.catalog, project.release, position)
    _await(project)
    handed = time.monotonic() - began
    say(f"{project.release} is live: all services run it, after {handed:.1f} s.")
    return found | {"position": position, "seconds": [round(seconds, 3), round(handed, 3)]}


def _await(project: Any) -> None:
    """Wait until services run it."""
    from octavo.stores import releases

    while (row := releases.state(project.catalog, project.release))["state"] == releases.ASKED:
        if not project.home.is_supervised:
            raise ResourceError("`octavo up` has ended.", where=project.release, fix="Start it.")
        time.sleep(LOOK)
    if row["state"] != releases.LIVE:
        raise ResourceError(
            f"{row['error'] or row['state']}.",
            where=project.release,
            fix="All services run what they ran before.",
        )


def _tell(found: dict[str, Any], say: Any) -> None:
    from octavo.services.releasing import KINDS

    for kind in KINDS:
        for what in ("new", "changed", "removed"):
            if names := found[kind][what]:
                say(f"{kind:<9} {what:<8} {', '.join(names)}")
    for text in found["backfill"]:
        say(text)
    if not any(found[kind][what] for kind in KINDS for what in found[kind]):
        say("Nothing that is declared has changed.")
