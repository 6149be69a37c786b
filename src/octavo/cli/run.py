"""Commands that run stages: run, explain, and one for each stage."""

import json
import os
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, PROFILE, RELEASE
from octavo.errors import DefinitionError, ExitCode

VERBS = {
    "ingest": "ingestion",
    "train": "training",
    "evaluate": "evaluation",
    "deploy": "deployment",
    "monitor": "monitoring",
}
"""Commands that run a single stage; training fixes the split first. Prep has options of its own."""

FIRST = click.option(
    "--from", "first", metavar="STAGE", default="problem", show_default=True, help="First stage."
)
LAST = click.option(
    "--to", "last", metavar="STAGE", default="monitoring", show_default=True, help="Last stage."
)

ONLY = click.option(
    "--only", metavar="DATASET", multiple=True, help="Ingest this dataset alone; may be repeated."
)


@click.command
@FOLDER
@FIRST
@LAST
@ONLY
@click.option("--dry-run", is_flag=True, help="Say what would run, and why.")
@click.option("--fresh", is_flag=True, help="Delete the home and start over.")
@click.option("--wait", is_flag=True, help="Wait for another run that is under way.")
@PROFILE
@HOME
@JSON
def run(
    folder: Path,
    first: str,
    last: str,
    only: tuple[str, ...],
    dry_run: bool,
    fresh: bool,
    wait: bool,
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Run all eight stages; do only what is new."""
    from octavo.project import Project
    from octavo.services.supervisor import watch_parent

    project = Project(folder, home, profile, os.environ.get(RELEASE))
    if dry_run:
        if fresh:
            raise DefinitionError(
                "--dry-run looks at the home as it is, --fresh deletes it.",
                fix="Leave out one of them: after --fresh all stages run.",
            )
        return _explain(project, first, last, as_json, only)
    watch_parent()  # of a run that the scheduler began
    return _run(project, first, last, as_json, fresh=fresh, only=only, wait=wait)


@click.command
@FOLDER
@FIRST
@LAST
@ONLY
@PROFILE
@HOME
@JSON
def explain(
    folder: Path,
    first: str,
    last: str,
    only: tuple[str, ...],
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Say what `octavo run` would do, and why."""
    from octavo.project import Project

    return _explain(Project(folder, home, profile), first, last, as_json, only)


@click.command
@FOLDER
@HOME
@JSON
def status(folder: Path, home: Path | None, as_json: bool) -> int:
    """Show the eight stages, the verdict and what is deployed."""
    from octavo.cli.report import print_report
    from octavo.project import Project

    project = Project(folder, home)
    document = project.status()
    if as_json:
        _print(document)
    else:
        print_report(project, document)
    return ExitCode.DONE


def _single(verb: str, stage: str) -> click.Command:
    """Return the command that runs one stage."""
    told = f"stage {stage} alone, if it has something to do."
    if stage == "training":
        told = "segregation, then training, if they have something to do."

    @click.command(verb, help=f"Run {told}")
    @FOLDER
    @PROFILE
    @HOME
    @JSON
    def command(folder: Path, profile: str | None, home: Path | None, as_json: bool) -> int:
        from octavo.project import Project

        first = "segregation" if stage == "training" else stage
        return _run(Project(folder, home, profile), first, stage, as_json)

    return command


@click.command
@FOLDER
@click.option("--rebuild", is_flag=True, help="Fold what is stale anew, from the raw store.")
@click.option(
    "--view",
    metavar="NAME",
    multiple=True,
    help="With --rebuild: this view (or rows), stale or not; may be repeated.",
)
@PROFILE
@HOME
@JSON
def prep(
    folder: Path,
    rebuild: bool,
    view: tuple[str, ...],
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Run stage prep alone; with --rebuild replace features that corrections made stale."""
    if view and not rebuild:
        raise DefinitionError("--view says what to rebuild.", fix="Add --rebuild.")
    from octavo.project import Project

    project = Project(folder, home, profile)
    if rebuild:
        project.ask_rebuild(list(view))
    return _run(project, "prep", "prep", as_json)


COMMANDS = (run, explain, status, prep, *(_single(verb, stage) for verb, stage in VERBS.items()))


def _run(project: Any, first: str, last: str, as_json: bool, **options: Any) -> int:
    from octavo.cli.display import TerminalDisplay
    from octavo.cli.report import print_report

    with TerminalDisplay() as display:
        result = project.run(display, first=first, last=last, **options)
    document = project.status()
    if as_json:
        _print(document)
    elif result.ran:
        print_report(project, document)
    else:
        click.echo("Nothing new: all stages are up to date. `octavo status` shows them.")
    verdict = document["verdict"]
    judged = last in ("evaluation", "deployment", "monitoring")
    return (
        ExitCode.NO_CANDIDATE if judged and verdict and not verdict["answered"] else ExitCode.DONE
    )


def _explain(project: Any, first: str, last: str, as_json: bool, only: tuple[str, ...]) -> int:
    from octavo.cli.display import TerminalDisplay
    from octavo.project import between

    due = project.runner(TerminalDisplay(), only).plan(between(first, last))
    if as_json:
        _print([{"stage": name, "why": reason} for name, reason in due])
    elif not due:
        click.echo("Nothing would run: all stages are up to date.")
    for name, reason in due if not as_json else []:
        click.echo(f"{name:<12} {reason}")
    return ExitCode.DONE


def _print(document: Any) -> None:
    click.echo(json.dumps(document, indent=1, default=str))
