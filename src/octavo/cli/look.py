"""Commands that look: features, batches, candidates."""

import json
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, FOLDER, HOME, JSON, OUTPUT, PATH, Group, moment
from octavo.errors import DefinitionError, ExitCode

_CHECKED = 10_000
"""Validation rows that an exported candidate is checked on, at the most."""

_NAMED = 10
"""Things that are named, at the most, where there may be many."""

features = Group("features", help="Features at request time.")


@features.command("get")
@click.argument(
    "key",
    metavar="KEY...",
    nargs=-1,
    required=True,
    help="The parts of the key, in the view's order.",
)
@click.option(
    "--view", metavar="NAME", default="", help="The view; may be left out if there is one."
)
@click.option(
    "--at", metavar="TIME", default="", help="Event time, ISO 8601, UTC; default: the newest."
)
@DIR
@HOME
@JSON
def features_get(
    key: tuple[str, ...], view: str, at: str, folder: Path, home: Path | None, as_json: bool
) -> int:
    """Evaluate the window features of one entity at a time."""
    from octavo.project import Project
    from octavo.services.corrections import stale_causes

    project = Project(folder, home)
    views = [v.name for v in project.definition.views]
    if not view and len(views) != 1:
        raise DefinitionError("several views could be meant.", fix=f"--view: {', '.join(views)}.")
    found = project.features().lookup(view or views[0], key, moment(at, "--at"))
    if causes := stale_causes(project.catalog, view or views[0], key):
        found["_stale"] = "; ".join(causes)
    if as_json:
        click.echo(json.dumps(found, default=str))  # times
    else:
        width = max(len(name) for name in found)
        for name, value in found.items():
            click.echo(f"{name:<{width}}  {'-' if value is None else value}")
    return ExitCode.DONE


@features.command("verify")
@FOLDER
@click.option("--last", metavar="N", type=click.IntRange(1), help="The newest N; default: all.")
@HOME
@JSON
def features_verify(folder: Path, last: int | None, home: Path | None, as_json: bool) -> int:
    """Compute the features of served predictions again from the raw store, and compare bits."""
    from octavo.project import Project

    found = Project(folder, home).verify(last)
    if as_json:
        click.echo(json.dumps(vars(found)))
    else:
        _tell(found)
    return ExitCode.FAILED if found.differing else ExitCode.DONE


def _tell(found: Any) -> None:
    """Say what verifying has found."""
    click.echo(
        f"{found.equal:,} of {found.equal + len(found.differing):,} served vectors are bit for bit "
        "what the raw store gives at the positions they saw."
    )
    for each in found.differing[:_NAMED]:
        values = (f"{n} {then} ≠ {now}" for n, (then, now) in each["features"].items())
        click.echo(f"  {each['prediction_id']}: {', '.join(values)}")
    for reason, count in found.left_out.items():
        click.echo(f"{count:,} could not be computed again: {reason}.")
    if found.prepped:
        click.echo(f"{found.as_prepped:,} of {found.prepped:,} equal their prepped row.")
    for name, count in found.apart.most_common(_NAMED):
        click.echo(f"  {count:,} differ in {name}")


@click.command
@FOLDER
@click.option("--batch", metavar="ID", default="", help="Show the rows of this batch.")
@click.option("--rejected", is_flag=True, help="Show rejected rows.")
@click.option("--withdraw", metavar="ID", default="", help="Take back this batch.")
@click.option("--reason", metavar="TEXT", default="", help="Why it is withdrawn.")
@click.option(
    "--rebuild/--no-rebuild",
    default=True,
    help="With --withdraw: fold what is stale by it anew, as the default, or later.",
)
@OUTPUT
@HOME
@JSON
def batches(
    folder: Path,
    batch: str,
    rejected: bool,
    withdraw: str,
    reason: str,
    rebuild: bool,
    output: Path | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """List batches, read one, or withdraw one.

    Of a batch: its accepted rows, or its rejected rows with the reasons.
    """
    from octavo.cli.tables import check_format, print_rows, write_table
    from octavo.cli.withdraw import withdrawn
    from octavo.project import Project

    check_format(output)
    project = Project(folder, home)
    if withdraw or reason:
        return withdrawn(project, withdraw, reason, rebuild=rebuild, as_json=as_json)
    known = project.catalog.batches()
    if not batch and not rejected:
        telling = [name for name in ("rejected", "duplicates") if any(b[name] for b in known)]
        telling += ["state"] if any(b["state"] != "committed" for b in known) else []
        listed = known if as_json else [b | {"file": _inside(project, b)} for b in known]
        print_rows(listed, ["batch_id", "dataset", "rows", *telling, "file"], as_json)
        return ExitCode.DONE
    frame = _batch_rows(project, known, batch, rejected)
    if output is not None:
        write_table(frame, output)
    if output is not None and as_json:
        click.echo(json.dumps({"rows": frame.height, "output": str(output)}))
    elif as_json:
        click.echo(json.dumps(frame.to_dicts(), default=str))
    elif output is not None:
        click.echo(f"{frame.height:,} rows in {output}")
    else:
        click.echo(str(frame))
    return ExitCode.DONE


def _inside(project: Any, batch: dict[str, Any]) -> str:
    """Return a batch's file as it is called from the project's folder."""
    source, folder = Path(batch["source"]), project.folder
    return str(source.relative_to(folder) if source.is_relative_to(folder) else source)


def _batch_rows(project: Any, known: list[dict[str, Any]], batch: str, rejected: bool) -> Any:
    import polars as pl

    from octavo.stores.raw import REJECTED_SCHEMA, RawStore

    raw = RawStore(project.home)
    chosen = [row for row in known if row["batch_id"] == batch]
    if batch and not chosen:
        raise DefinitionError.unknown("batch", batch, [row["batch_id"] for row in known])
    if not rejected:
        return raw.scan(chosen[0]["dataset"], chosen).sort("_position").collect()
    none = pl.DataFrame(schema={"dataset": pl.String, **REJECTED_SCHEMA})
    parts = [_rejected(raw, row) for row in chosen or known if row["rejected"]]
    return pl.concat([none, *parts], how="diagonal")


def _rejected(raw: Any, batch: dict[str, Any]) -> Any:
    """Return the rejected rows of a batch; those of a stream with their place in it."""
    import polars as pl

    name = pl.lit(batch["dataset"]).alias("dataset")
    rows = raw.rejected(batch["dataset"], batch["batch_id"]).select(name, pl.all())
    if batch["topic"] is None:
        return rows
    begin = f"{batch['topic']}/{batch['partition']}@"
    offset = pl.col("_row") + batch["first_offset"]
    return rows.with_columns(pl.format("{}{}", pl.lit(begin), offset).alias("place"))


@click.command
@FOLDER
@click.option("--trials", is_flag=True, help="All trials, failed ones too.")
@HOME
@JSON
def candidates(folder: Path, trials: bool, home: Path | None, as_json: bool) -> int:
    """List candidates, the newest search first, best on validation first."""
    import sqlalchemy as sa

    from octavo.cli.tables import print_rows
    from octavo.project import Project
    from octavo.stores import catalog as tables

    project = Project(folder, home)
    catalog = project.catalog
    if trials:
        rows = catalog.rows(sa.select(tables.trials))
        columns = ["study", "number", "algorithm", "state", "figure", "seconds", "error"]
    else:
        rows = _ranked(project)
        loss = ["log_loss"] if project.definition.problem.is_coarse else []
        columns = ["candidate_id", "algorithm", "validation", *loss, "test", "state", "seconds"]
    print_rows(rows, columns, as_json)
    return ExitCode.DONE


def _ranked(project: Any) -> list[dict[str, Any]]:
    """Return candidates with what became of them, and of judged ones the figure on test."""
    import sqlalchemy as sa

    from octavo.stores import catalog as tables

    catalog, studies = project.catalog, tables.studies
    more, found = project.definition.problem.more_is_better, {}
    for row in catalog.rows(sa.select(studies.c.study).order_by(studies.c.started_at.desc())):
        for candidate in catalog.ranking(row["study"], more_is_better=more):
            found.setdefault(candidate["candidate_id"], candidate)
    verdicts = catalog.rows(sa.select(tables.verdicts).order_by(tables.verdicts.c.id))
    judged = {row["candidate_id"]: row["document"] for row in verdicts}
    live = catalog.live_deployment()
    asked = catalog.rows(sa.select(tables.approvals).order_by(tables.approvals.c.id))
    requests = {row["candidate_id"]: row["state"] for row in asked}
    return [
        row
        | {
            "test": judged.get(row["candidate_id"], {}).get("test"),
            "state": _state(row["candidate_id"], judged, live, requests.get(row["candidate_id"])),
        }
        for row in found.values()
    ]


def _state(candidate: str, judged: dict[str, Any], live: Any, request: str | None) -> str | None:
    if live and live["candidate_id"] == candidate:
        return "deployed"
    if request is not None and request != "approved":
        return request
    verdict = judged.get(candidate)
    if verdict is None:
        return None
    return "replaced" if verdict["promoted"] else "refused" if verdict["answered"] else "missed"


@click.command()
@click.argument("candidate", metavar="CANDIDATE", help="Its ID; see `octavo candidates`.")
@click.option(
    "--onnx", "path", metavar="FILE", type=PATH, required=True, help="The ONNX file to write."
)
@DIR
@HOME
@JSON
def export(candidate: str, path: Path, folder: Path, home: Path | None, as_json: bool) -> int:
    """Write a candidate as ONNX, checked on validation rows."""
    import sqlalchemy as sa

    from octavo.bundle import Bundle
    from octavo.project import Project
    from octavo.services.exporting import export_onnx
    from octavo.stores import catalog as tables

    project = Project(folder, home)
    known = {row["candidate_id"] for row in project.catalog.rows(sa.select(tables.candidates))}
    if candidate not in known:
        raise DefinitionError.unknown("candidate", candidate, sorted(known))
    bundle = Bundle.load(project.home.candidate(candidate))
    rows = project.data("validation", "both", list(bundle.schema), limit=_CHECKED)
    difference = export_onnx(bundle, rows, path)
    told = {"candidate": candidate, "file": str(path), "rows": rows.height, "off": difference}
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(
            f"{path}: predicts what {candidate} does, on {rows.height:,} validation rows to "
            f"{difference:.1g}."
        )
    return ExitCode.DONE


@click.command()
@click.argument("candidate", metavar="[CANDIDATE]", default="", help="The newest judged one.")
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Write the page there: .html.")
@DIR
@HOME
@JSON
def card(
    candidate: str, output: Path | None, folder: Path, home: Path | None, as_json: bool
) -> int:
    """Draw what is known of a candidate as one page.

    By default of the newest judged one, beside its bundle.
    """
    from octavo.project import Project
    from octavo.stages.evaluation.card import newest_judged, write_card

    if output is not None and output.suffix != ".html":
        raise DefinitionError.unknown("format", output.suffix, [".html"], where=str(output))
    project = Project(folder, home)
    candidate = candidate or newest_judged(project.catalog)
    path = write_card(project.home, project.catalog, candidate, output)
    if as_json:
        click.echo(json.dumps({"candidate": candidate, "file": str(path)}))
    else:
        click.echo(f"The card of {candidate} is in {path}")
    return ExitCode.DONE


COMMANDS = (batches, candidates, card, export, features)
