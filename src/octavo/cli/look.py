"""Commands that look: data, features, batches, candidates."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from octavo.cli.run import Folder, Home, Json
from octavo.errors import DefinitionError, ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("data")(data)
    app.command("batches")(batches)
    app.command("candidates")(candidates)
    features = typer.Typer(help="Features at request time.", no_args_is_help=True)
    features.command("get")(features_get)
    app.add_typer(features, name="features")


def data(
    folder: Folder = Path(),
    split: Annotated[str, typer.Option(help="train, validation, test or all.")] = "all",
    labels: Annotated[str, typer.Option(help="with, without or both.")] = "with",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help=".parquet, .csv, .ndjson or .arrow")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Give the rows of one part of the newest data version."""
    from octavo.cli.tables import check_format, write_table
    from octavo.project import Project

    check_format(output)
    frame = Project(folder, home).data(split, labels)
    if output is not None:
        write_table(frame, output)
    if as_json:
        shape = {"rows": frame.height, "columns": frame.columns}
        typer.echo(json.dumps(shape | {"output": str(output) if output else None}))
    elif output is not None:
        typer.echo(f"{frame.height:,} rows × {frame.width} columns in {output}")
    else:
        typer.echo(str(frame))
    return ExitCode.DONE


def features_get(
    key: Annotated[list[str], typer.Argument(help="The parts of the key, in the view's order.")],
    view: Annotated[str, typer.Option(help="The view; may be left out if there is one.")] = "",
    at: Annotated[str, typer.Option(help="Event time, ISO 8601, UTC; default: the newest.")] = "",
    folder: Annotated[Path, typer.Option("--dir", help="Folder of pipeline.py.")] = Path(),
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Evaluate the window features of one entity at a time."""
    from octavo.project import Project
    from octavo.services.corrections import stale_causes

    project = Project(folder, home)
    views = [v.name for v in project.definition.views]
    if not view and len(views) != 1:
        raise DefinitionError("several views could be meant.", fix=f"--view: {', '.join(views)}.")
    found = project.features().lookup(view or views[0], key, _moment(at))
    if causes := stale_causes(project.catalog, view or views[0], key):
        found["_stale"] = "; ".join(causes)
    if as_json:
        typer.echo(json.dumps(found, default=str))  # times
    else:
        width = max(len(name) for name in found)
        for name, value in found.items():
            typer.echo(f"{name:<{width}}  {'-' if value is None else value}")
    return ExitCode.DONE


def _moment(text: str) -> int | None:
    """Return ISO 8601 as microseconds since the epoch; None for no text."""
    from datetime import UTC, datetime

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DefinitionError(
            f"{text!r} is not a time.", where="--at", fix="Write 2013-12-24T15:00."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def batches(
    folder: Folder = Path(),
    batch: Annotated[str, typer.Option(help="Show the rows of this batch ID.")] = "",
    rejected: Annotated[bool, typer.Option("--rejected", help="Show rejected rows.")] = False,
    quality: Annotated[bool, typer.Option("--quality", help="Show the quality report.")] = False,
    withdraw: Annotated[str, typer.Option(help="Take back the batch of this ID.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is withdrawn.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write rows there.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """List batches, read one (accepted rows, rejected rows, quality) by its ID, or withdraw it."""
    from octavo.cli.tables import check_format, print_rows, write_table
    from octavo.project import Project

    check_format(output)
    project = Project(folder, home)
    if withdraw or reason:
        return _withdraw(project, withdraw, reason, as_json)
    known = project.catalog.batches()
    if quality:
        reports = [row for row in known if not batch or row["batch_id"] == batch]
        columns = ["dataset", "column", "nulls", "distinct", "min", "mean", "max"]
        print_rows([line for row in reports for line in _quality(row)], columns, as_json)
        return ExitCode.DONE
    if not batch and not rejected:
        counts = ["rows", "rejected", "duplicates", "bytes", "seconds"]
        print_rows(known, ["batch_id", "dataset", "state", *counts, "source"], as_json)
        return ExitCode.DONE
    frame = _batch_rows(project, known, batch, rejected)
    if output is not None:
        write_table(frame, output)
    if output is not None and as_json:
        typer.echo(json.dumps({"rows": frame.height, "output": str(output)}))
    elif as_json:
        typer.echo(json.dumps(frame.to_dicts(), default=str))
    elif output is not None:
        typer.echo(f"{frame.height:,} rows in {output}")
    else:
        typer.echo(str(frame))
    return ExitCode.DONE


def _withdraw(project: Any, batch_id: str, reason: str, as_json: bool) -> int:
    if not batch_id or not reason:
        raise DefinitionError(
            "a batch is withdrawn for a reason.", fix='--withdraw ID --reason "TEXT".'
        )
    marks = project.withdraw(batch_id, reason)
    (batch,) = [b for b in project.catalog.batches() if b["batch_id"] == batch_id]
    repeated = sum(
        later["duplicates"]
        for later in project.catalog.committed(batch["dataset"])
        if later["sequence"] > batch["sequence"]
    )
    stale = {name: [m["key"] for m in marks if m["name"] == name] for name in _names(marks)}
    if as_json:
        counts = {"batch_id": batch_id, "rows": batch["rows"], "later_duplicates": repeated}
        typer.echo(json.dumps(counts | {"stale": {name: len(k) for name, k in stale.items()}}))
        return ExitCode.DONE
    typer.echo(f"{batch['rows']:,} rows of {batch['dataset']} are withdrawn.")
    for name, keys in stale.items():
        typer.echo(f"  stale in {name}: {'all' if keys == ['*'] else f'{len(keys):,} entities'}")
    if stale:
        typer.echo("`octavo prep --rebuild` makes their features anew.")
    if repeated:
        typer.echo(
            f"Later batches repeated {repeated:,} rows that had come before; those that came in "
            "this batch are gone with it."
        )
    return ExitCode.DONE


def _names(marks: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(mark["name"] for mark in marks))


def _quality(batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a line for each column of a batch, and one for each flagging check."""
    report = batch["quality"] or {"columns": {}, "flagged": {}}
    blank = dict.fromkeys(("nulls", "distinct", "min", "mean", "max"))
    about = {"dataset": batch["dataset"], "batch_id": batch["batch_id"]}
    lines = [about | {"column": c} | blank | found for c, found in report["columns"].items()]
    for check, count in report["flagged"].items():
        lines.append(about | {"column": f"flagged by {check!r}: {count} rows"} | blank)
    return lines


def _batch_rows(project: Any, known: list[dict[str, Any]], batch: str, rejected: bool) -> Any:
    import polars as pl

    from octavo.stores.raw import RawStore

    raw = RawStore(project.home)
    chosen = [row for row in known if row["batch_id"] == batch]
    if batch and not chosen:
        raise DefinitionError.unknown("batch", batch, [row["batch_id"] for row in known])
    if not rejected:
        return raw.scan(chosen[0]["dataset"], chosen).sort("_position").collect()
    names = list(dict.fromkeys(row["dataset"] for row in chosen or known))
    parts = [
        raw.rejected(name, batch or None).select(pl.lit(name).alias("dataset"), pl.all())
        for name in names
    ]
    return pl.concat(parts)


def candidates(
    folder: Folder = Path(),
    trials: Annotated[bool, typer.Option("--trials", help="All trials, failed ones too.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """List candidates, newest first."""
    import sqlalchemy as sa

    from octavo.cli.tables import print_rows
    from octavo.project import Project
    from octavo.stores import catalog as tables

    catalog = Project(folder, home).catalog
    if trials:
        rows = catalog.rows(sa.select(tables.trials))
        columns = ["study", "number", "algorithm", "state", "figure", "seconds", "error"]
    else:
        table = tables.candidates
        rows = catalog.rows(sa.select(table).order_by(table.c.created_at.desc()))
        columns = ["candidate_id", "algorithm", "validation", "seconds", "data_version", "params"]
    print_rows(rows, columns, as_json)
    return ExitCode.DONE
