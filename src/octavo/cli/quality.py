"""The command that tells what is wrong with the data, in words, as JSON or as a page."""

import json
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, HOME, JSON, PATH
from octavo.errors import DataError, DefinitionError, ExitCode


@click.command
@click.argument("what", metavar="[BATCH|DATASET]", default="", help="One batch, or a dataset.")
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Write a page there: .html.")
@DIR
@HOME
@JSON
def quality(what: str, output: Path | None, folder: Path, home: Path | None, as_json: bool) -> int:
    """Tell what is wrong with the data.

    Of a batch, or the newest one of a dataset: all findings, with the line that treats each; by
    default the faults of the newest batch of every dataset.
    """
    from octavo.project import Project

    if output is not None and output.suffix != ".html":
        raise DefinitionError.unknown("format", output.suffix, [".html"], where=str(output))
    batches = _reported(Project(folder, home).catalog.batches())
    newest = {b["dataset"]: b for b in batches if b["state"] == "committed"}
    named = newest | {batch["batch_id"]: batch for batch in batches}
    if what and what not in named:
        raise DefinitionError.unknown("batch or dataset", what, list(named))
    chosen = [named[what]] if what else list(newest.values())
    if output is not None:
        if len(chosen) != 1:
            raise DefinitionError("a page is of one batch.", fix="Name a batch or a dataset.")
        _write_page(chosen[0], output)
    if as_json:
        click.echo(json.dumps([_document(batch) for batch in chosen], default=str))
    elif output is not None:
        click.echo(f"The report of {chosen[0]['dataset']} is in {output}")
    else:
        for batch in chosen:
            _print(batch, in_full=bool(what))
    return ExitCode.DONE


def _reported(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [batch for batch in batches if "findings" in (batch["quality"] or {})]
    if not found:
        raise DataError("there is no report yet.", fix="Run `octavo prep`, which writes them.")
    return found


def _document(batch: dict[str, Any]) -> dict[str, Any]:
    about = {name: batch[name] for name in ("batch_id", "dataset", "source", "rows", "rejected")}
    return about | batch["quality"]


def _print(batch: dict[str, Any], *, in_full: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from octavo.quality.page import in_order
    from octavo.stores.catalog import name_of

    console = Console(highlight=False)
    findings = in_order(batch["quality"])
    faults = [each for each in findings if each["weight"] == "fault"]
    notes = len(findings) - len(faults)
    rejected = f", {batch['rejected']:,} rejected" if batch["rejected"] else ""
    rows = batch["quality"].get("rows", batch["rows"])
    looked_at = batch["quality"].get("looked_at", rows)
    if looked_at < rows:
        rejected += f", {looked_at:,} of them looked at"
    console.print(
        f"[bold]{batch['dataset']}[/] {name_of(batch)}: {rows:,} rows"
        f"{rejected}; {_count(len(faults), 'fault')}, {_count(notes, 'note')}",
        soft_wrap=True,
    )
    said: set[str] = set()
    for each in findings if in_full else faults:
        mark = "[red]✗[/]" if each["weight"] == "fault" else "[yellow]•[/]"
        console.print(f"  {mark} {escape(each['sentence'])}", soft_wrap=True)
        for example in each["examples"][:3] if in_full else ():
            console.print(f"      [dim]row {example['row']:,}: {escape(example['value'])}[/]")
        if each["treatment"] and each["treatment"] not in said:  # one line may treat several
            console.print(f"      [cyan]{escape(each['treatment'])}[/]", soft_wrap=True)
            said.add(each["treatment"])
    for each in batch["quality"]["treated"]:
        console.print(
            f"  [green]✓[/] {escape(each['treatment'])}: {each['changed']:,} values changed, "
            f"{each['nulls']:,} of them to null"
        )
    for check, count in batch["quality"]["flagged"].items():
        console.print(f"  [yellow]•[/] {count:,} rows flagged by {escape(repr(check))}")
    if in_full:
        console.print(f"  [dim]batch {batch['batch_id']}[/]")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _write_page(batch: dict[str, Any], path: Path) -> None:
    from octavo.quality.page import page
    from octavo.stores.catalog import name_of

    about = [
        ("file", name_of(batch)),
        ("rejected", f"{batch['rejected']:,}"),
        ("duplicates", f"{batch['duplicates']:,}"),
        ("batch", batch["batch_id"]),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = batch["quality"].get("rows", batch["rows"])
    text = page(batch["quality"], title=batch["dataset"], rows=rows, about=about)
    path.write_text(text, encoding="utf-8")


COMMANDS = (quality,)
