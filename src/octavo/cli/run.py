"""Commands that run stages: run, explain, and one for each stage."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from octavo.errors import DefinitionError, ExitCode

Folder = Annotated[Path, typer.Argument(help="Folder of pipeline.py.")]
Home = Annotated[Path | None, typer.Option("--home", help="Home folder; DIR/.octavo by default.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

VERBS = {
    "ingest": "ingestion",
    "train": "training",
    "evaluate": "evaluation",
    "deploy": "deployment",
    "monitor": "monitoring",
}
"""Commands that run a single stage; training fixes the split first. Prep has options of its own."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("explain")(explain)
    app.command("status")(status)
    app.command("prep")(prep)
    for verb, stage in VERBS.items():
        app.command(verb, help=f"Run stage {stage} alone, if it has something to do.")(
            _single(verb, stage)
        )


def run(
    folder: Folder = Path(),
    first: Annotated[str, typer.Option("--from", help="First stage.")] = "problem",
    last: Annotated[str, typer.Option("--to", help="Last stage.")] = "monitoring",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and why.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the home and start over.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Take the problem through all eight stages; do only what is new."""
    if dry_run:
        return explain(folder, first, last, home, as_json)
    from octavo.cli.display import TerminalDisplay
    from octavo.cli.report import print_report
    from octavo.project import Project

    project = Project(folder, home)
    with TerminalDisplay() as display:
        result = project.run(display, first=first, last=last, fresh=fresh)
    document = project.status()
    if as_json:
        _print(document)
    elif result.ran:
        print_report(project, document)
    else:
        typer.echo("Nothing new: all stages are up to date. `octavo status` shows them.")
    verdict = document["verdict"]
    judged = last in ("evaluation", "deployment", "monitoring")
    return (
        ExitCode.NO_CANDIDATE if judged and verdict and not verdict["answered"] else ExitCode.DONE
    )


def explain(
    folder: Folder = Path(),
    first: Annotated[str, typer.Option("--from", help="First stage.")] = "problem",
    last: Annotated[str, typer.Option("--to", help="Last stage.")] = "monitoring",
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Say what `octavo run` would do, and why."""
    from octavo.cli.display import TerminalDisplay
    from octavo.project import Project, between

    project = Project(folder, home)
    due = project.runner(TerminalDisplay()).plan(between(first, last))
    if as_json:
        _print([{"stage": name, "why": reason} for name, reason in due])
    elif not due:
        typer.echo("Nothing would run: all stages are up to date.")
    for name, reason in due if not as_json else []:
        typer.echo(f"{name:<12} {reason}")
    return ExitCode.DONE


def status(folder: Folder = Path(), home: Home = None, as_json: Json = False) -> int:
    """Show the state of the eight stages, the verdict and what is deployed."""
    from octavo.cli.report import print_report
    from octavo.project import Project

    project = Project(folder, home)
    document = project.status()
    if as_json:
        _print(document)
    else:
        print_report(project, document)
    return ExitCode.DONE


def prep(
    folder: Folder = Path(),
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Fold what is stale anew, from the raw store.")
    ] = False,
    view: Annotated[
        list[str] | None,
        typer.Option(help="With --rebuild: this view (or rows), stale or not; may be repeated."),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Run stage prep alone, if it has something to do; with --rebuild fold anew what is stale."""
    if view and not rebuild:
        raise DefinitionError("--view says what to rebuild.", fix="Add --rebuild.")
    if not rebuild:
        return run(folder, "prep", "prep", dry_run=False, fresh=False, home=home, as_json=as_json)
    from octavo.project import Project
    from octavo.status import outputs

    project = Project(folder, home)
    project.ask_rebuild(view or [])
    code = run(folder, "prep", "prep", dry_run=False, fresh=False, home=home, as_json=as_json)
    if not as_json and not outputs(project.catalog, "prep")["rebuilt"]:
        typer.echo("Nothing was stale, so nothing was rebuilt.")
    return code


def _single(verb: str, stage: str) -> Any:
    def command(folder: Folder = Path(), home: Home = None, as_json: Json = False) -> int:
        first = "segregation" if stage == "training" else stage
        return run(folder, first, stage, dry_run=False, fresh=False, home=home, as_json=as_json)

    command.__name__ = verb
    return command


def _print(document: Any) -> None:
    typer.echo(json.dumps(document, indent=1, default=str))
