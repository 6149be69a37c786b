"""What runs by itself, and when: octavo schedule."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from octavo.cli.arguments import DIR, FOLDER, HOME, JSON, Group
from octavo.errors import ExitCode

JOB = click.argument("job", metavar="JOB")


class _Group(Group):
    """Lists jobs where no command is named: what is none of them is the folder."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default before what names no command."""
        if "--help" not in args and not (args and args[0] in self.commands):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


schedule = _Group("schedule", help="What runs by itself: state, last run and next.")


@schedule.command("list")
@FOLDER
@HOME
@JSON
def list_(folder: Path, home: Path | None, as_json: bool) -> int:
    """List jobs with their state, their last run and the next; the default."""
    from octavo.cli.tables import print_rows
    from octavo.services.scheduling.control import listed
    from octavo.services.scheduling.service import LEASE
    from octavo.stores.catalog import now
    from octavo.stores.leases import is_held

    project, at = _project(folder, home), now()
    found = listed(project.jobs, project.catalog, at)
    if as_json:
        click.echo(json.dumps({"scheduler": is_held(project.catalog, LEASE, at), "jobs": found}))
        return ExitCode.DONE
    if not found:
        click.echo(
            "Nothing has a schedule. Declare schedule=ov.Schedule(…) for a dataset or stage."
        )
        return ExitCode.DONE
    print_rows([_shown(each) for each in found], ["job", "state", "next", "last", "result"], False)
    if not is_held(project.catalog, LEASE, at):
        click.echo("No scheduler works in it: start `octavo up`.", err=True)
    return ExitCode.DONE


@schedule.command
@JOB
@click.option("--reason", metavar="TEXT", default="", help="Why; it is kept with the event.")
@DIR
@HOME
@JSON
def pause(job: str, reason: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Let a job begin no more until it is resumed."""
    from octavo.services.scheduling import control

    told = f"{job} is paused; `octavo schedule resume {job}` lets it run again."
    return _done(
        job, folder, home, as_json, told, lambda *a: control.pause(a[0], a[1], reason, a[2])
    )


@schedule.command
@JOB
@DIR
@HOME
@JSON
def resume(job: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Let a paused job begin again."""
    from octavo.services.scheduling import control

    return _done(job, folder, home, as_json, f"{job} runs by its schedule.", control.resume)


@schedule.command("run-now")
@JOB
@DIR
@HOME
@JSON
def run_now(job: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Ask the scheduler for a run, whatever the schedule says."""
    from octavo.services.scheduling import control

    told = f"{job} begins as soon as no other run is under way."
    return _done(job, folder, home, as_json, told, control.run_now)


COMMANDS = (schedule,)


def _done(
    name: str,
    folder: Path,
    home: Path | None,
    as_json: bool,
    told: str,
    act: Callable[..., dict[str, Any]],
) -> int:
    from octavo.services.scheduling.control import named
    from octavo.services.scheduling.service import LEASE
    from octavo.stores.catalog import now
    from octavo.stores.leases import is_held

    project, at = _project(folder, home), now()
    row = act(named(project.jobs, name), project.catalog, at)
    click.echo(json.dumps(row) if as_json else told)
    if not is_held(project.catalog, LEASE, at):
        click.echo("No scheduler works in it: start `octavo up`.", err=True)
    return ExitCode.DONE


def _project(folder: Path, home: Path | None) -> Any:
    """Return the project as the scheduler has it: as released, while services run."""
    from octavo.project import Project
    from octavo.stores import releases

    project = Project(folder, home)
    live = releases.live(project.catalog) if project.home.is_supervised else None
    return project.of_release(live["release_id"], None) if live else project


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    result = row["result"] or ""
    why = row["reason"] or row["why"] or ""
    return {
        "job": row["job"],
        "state": row["state"],
        "next": _time(row["next"], row["zone"]) or (f"on {row['on']}" if row["on"] else ""),
        "last": _time(row["began_at"], row["zone"]),
        "result": f"{result}: {why}" if result and why else result or why,
    }


def _time(at: int | None, zone: str) -> str:
    if at is None:
        return ""
    return f"{datetime.fromtimestamp(at / 1e6, UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"
