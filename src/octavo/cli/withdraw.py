"""Taking a batch back, on the command line: what came of it, the rebuild, and what remains."""

import json
from collections.abc import Sequence
from typing import Any

import click

from octavo.cli.display import TerminalDisplay
from octavo.errors import DefinitionError, ExitCode, OctavoError

_NAMED = 5
"""Candidates and deployments that are named, at the most."""


def withdrawn(project: Any, batch_id: str, reason: str, *, rebuild: bool, as_json: bool) -> int:
    """Withdraw a batch, say what came of it, and fold anew what had taken in its rows.

    The rebuild is asked for in the transaction of the withdrawal: if this process is killed,
    whoever preps next does it.
    """
    if not batch_id or not reason:
        raise DefinitionError(
            "a batch is withdrawn for a reason.", fix='--withdraw ID --reason "TEXT".'
        )
    marks = project.withdraw(batch_id, reason, rebuild=rebuild)
    found = _found(project, batch_id, marks)
    if not as_json:
        _tell(found)
    failed = _rebuilt(project) if rebuild and marks else None
    still = {mark["name"] for mark in project.catalog.stale() if mark["batch_id"] == batch_id}
    found["rebuilt"] = [name for name in found["stale"] if name not in still]
    found["remains"] = _remains(found, batch_id)
    if as_json:
        click.echo(json.dumps(found))
    else:
        if found["rebuilt"]:
            click.echo(f"Made anew without it: {', '.join(found['rebuilt'])}.")
        for each in found["remains"]:
            click.echo(f"Remains: {each}")
    if failed is not None:  # the batch is withdrawn all the same, which was told
        raise failed
    return ExitCode.DONE


def _rebuilt(project: Any) -> OctavoError | None:
    """Fold anew what is stale; return why that could not be done."""
    try:
        with TerminalDisplay() as display:
            project.run(display, first="prep", last="prep")
    except OctavoError as error:
        return error
    return None


def _found(project: Any, batch_id: str, marks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what came of a withdrawn batch, as one document."""
    (batch,) = [b for b in project.catalog.batches() if b["batch_id"] == batch_id]
    repeated = sum(
        later["duplicates"]
        for later in project.catalog.committed(batch["dataset"])
        if later["sequence"] > batch["sequence"]
    )
    keys: dict[str, list[str]] = {}
    for mark in marks:
        keys.setdefault(mark["name"], []).append(mark["key"])
    traced = project.lineage().of(batch_id, back=False)
    live = project.catalog.live_deployment()
    deployments = [node.id for node in traced.came("deployment")]
    used = [node.about for node in traced.came("predictions") if "used" in node.about]
    return {
        "batch_id": batch_id,
        "dataset": batch["dataset"],
        "rows": batch["rows"],
        "later_duplicates": repeated,
        "stale": {name: len(of) for name, of in keys.items()},
        "everyone": [name for name, of in keys.items() if of == ["*"]],
        "feature_groups": [node.id for node in traced.came("feature group")],
        "data_versions": [node.id for node in traced.came("data version")],
        "candidates": [node.id for node in traced.came("candidate")],
        "deployments": deployments,
        "live": live["deployment_id"] if live and live["deployment_id"] in deployments else None,
        "predictions": used,
    }


def _tell(found: dict[str, Any]) -> None:
    """Say what came of it."""
    click.echo(f"{found['rows']:,} rows of {found['dataset']} are withdrawn.")
    for name, entities in found["stale"].items():
        everyone = name in found["everyone"]
        click.echo(f"  stale in {name}: {'all' if everyone else f'{entities:,} entities'}")
    versions = len(found["data_versions"])
    click.echo(f"  in {versions:,} data version{'' if versions == 1 else 's'}")
    for what in ("candidates", "deployments"):
        if named := found[what]:
            more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
            verb = "trained on it" if what == "candidates" else "deployed of these"
            click.echo(f"  {verb}: {', '.join(named[-_NAMED:])}{more}")
    if found["live"]:
        click.echo(f"  {found['live']} answers now, and learned from it")
    for each in found["predictions"]:
        click.echo(
            f"  of {each['count']:,} predictions of {each['deployment']} {each['used']:,} used it"
        )
    if repeated := found["later_duplicates"]:
        click.echo(
            f"Later batches repeated {repeated:,} rows that had come before; those that came in "
            "this batch are gone with it."
        )


def _remains(found: dict[str, Any], batch_id: str) -> list[str]:
    """Return what remains to be done, each a sentence with the command that does it."""
    remains = []
    if set(found["stale"]) - set(found["rebuilt"]):
        remains.append("`octavo prep --rebuild` makes their features anew.")
    if found["live"]:
        remains.append(f"`octavo run` trains without it; until then {found['live']} answers.")
    if found["predictions"]:
        remains.append(f"`octavo lineage {batch_id} -o FILE` lists the predictions that used it.")
    return remains
