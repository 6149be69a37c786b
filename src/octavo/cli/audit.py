"""What was done, by whom and why, on the command line: octavo audit."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, HOME, JSON, Group, moment
from octavo.errors import ExitCode

audit = Group("audit", help="What was done and decided, by whom, when and why.")

_FIGURES = ("metric", "validation", "test", "baseline", "threshold", "test_rows")
"""What is shown of a verdict."""


@audit.command("list")
@click.option("--since", metavar="TIME", default="", help="From then on, such as 2026-11-26T14:00.")
@click.option("--until", metavar="TIME", default="", help="Before then.")
@click.option("--kind", metavar="TEXT", default="", help="Such as 'deployed'.")
@click.option("--subject", metavar="TEXT", default="", help="What it is about has this in it.")
@click.option("--by", "actor", metavar="NAME", default="", help="A user, or an API key's name.")
@click.option("--all", "everything", is_flag=True, help="Also batches, runs and trials.")
@DIR
@HOME
@JSON
def list_(
    since: str,
    until: str,
    kind: str,
    subject: str,
    actor: str,
    everything: bool,
    folder: Path,
    home: Path | None,
    as_json: bool,
) -> int:
    """List changes and decisions, oldest first."""
    from octavo.services.audit import entries

    rows = entries(
        _catalog(folder, home),
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        kind=kind,
        subject=subject,
        actor=actor,
        everything=everything,
    )
    if as_json:
        click.echo(json.dumps(rows))
        return ExitCode.DONE
    for row in rows:
        click.echo(_line(row))
    if not rows:
        click.echo("Nothing of that kind happened.")
    return ExitCode.DONE


@audit.command
@click.argument("at", metavar="TIME")
@DIR
@HOME
@JSON
def live(at: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Say what answered at a time, who let it, and on what evidence."""
    from octavo.services.audit import live_at

    found = live_at(_catalog(folder, home), moment(at, "TIME") or 0)
    if as_json:
        click.echo(json.dumps(found))
        return ExitCode.DONE
    if found is None:
        click.echo(f"Nothing was live at {at}.")
        return ExitCode.DONE
    until = _time(found["live_to"]) if found["live_to"] else "now"
    click.echo(f"{found['deployment_id']}: {found['candidate_id']}")
    click.echo(f"  live        {_time(found['live_from'])} to {until}")
    if event := found["event"]:
        why = event["document"].get("reason")
        click.echo(
            f"  {event['kind']:<11} by {event['actor'] or '?'}" + (f": {why}" if why else "")
        )
    if approval := found["approval"]:
        click.echo(
            f"  approved    {_time(approval['decided_at'])}, asked {_time(approval['asked_at'])}"
        )
    if verdict := found["verdict"]:
        document = verdict["document"]
        click.echo(f"  verdict     {document['reason']}")
        shown = (f"{name} {_short(document[name])}" for name in _FIGURES if name in document)
        click.echo(f"  evidence    {', '.join(shown)}")
    return ExitCode.DONE


@audit.command
@click.option(
    "--head",
    metavar="N:HASH",
    default="",
    help="What this command printed before; kept elsewhere, it shows whether all was written anew.",
)
@DIR
@HOME
@JSON
def verify(head: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Look whether any event was changed, removed or added afterwards."""
    from octavo.services.audit import verify
    from octavo.stores.catalog.chain import Head

    kept = Head.of(head, where="--head") if head else None
    found = verify(_catalog(folder, home), kept)
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return ExitCode.DONE
    click.echo(f"{found.length:,} events, each as it was written. Keep elsewhere:", err=True)
    click.echo(str(found))
    return ExitCode.DONE


COMMANDS = (audit,)


def _catalog(folder: Path, home: Path | None) -> Any:
    from octavo.project import Project

    return Project(folder, home).catalog


def _line(row: dict[str, Any]) -> str:
    why = row["document"].get("reason") or row["document"].get("comment") or ""
    told = f"{_time(row['at'])}  {row['actor'] or '?':<12} {row['kind']}: {row['subject']}"
    return f"{told} — {why}" if why else told


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M:%S}"


def _short(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
