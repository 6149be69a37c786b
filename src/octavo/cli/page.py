"""The command that draws the state of all stages as one page: octavo report."""

import json
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, PATH, PROFILE
from octavo.errors import DefinitionError, ExitCode

REPORT = "report.html"
"""In the home folder."""


@click.command
@FOLDER
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Write the page there: .html.")
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@PROFILE
@HOME
@JSON
def report(
    folder: Path,
    output: Path | None,
    opens: bool,
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Draw the state of all eight stages as one page that needs nothing else.

    By default beside the data, in the home folder.
    """
    from octavo.project import Project

    if output is not None and output.suffix != ".html":
        raise DefinitionError.unknown("format", output.suffix, [".html"], where=str(output))
    path = _write(Project(folder, home, profile), output)
    if as_json:
        click.echo(json.dumps({"file": str(path), "bytes": path.stat().st_size}))
    else:
        click.echo(f"The report is in {path}")
    if opens:
        click.launch(str(path))
    return ExitCode.DONE


def _write(project: Any, output: Path | None) -> Path:
    """Write the page; only beside the data it leads to what lies there, the model cards."""
    from octavo.report import report
    from octavo.services.overview import overview
    from octavo.stages.evaluation.card import CARD, write_whole
    from octavo.stores.catalog import now

    home = project.home
    known = project.status() | overview(project.definition, home, project.catalog, now())
    cards = {}
    for each in [*known["verdicts"], *known["deployments"]] if output is None else ():
        card = home.candidate(each["candidate_id"]) / CARD
        if card.exists():
            cards[each["candidate_id"]] = card.relative_to(home.path).as_posix()
    path = output or home.path / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, report(known, now(), cards))
    return path


COMMANDS = (report,)
