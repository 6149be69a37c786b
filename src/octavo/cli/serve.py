"""Commands that predict: up, score."""

import json
from pathlib import Path

import click

from octavo.cli.arguments import DIR, FOLDER, HOME, JSON, PATH, PROFILE
from octavo.errors import ExitCode, ResourceError


@click.command
@FOLDER
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option(
    "--port", metavar="N", default=8080, show_default=True, help="Its port; 0 takes a free one."
)
@PROFILE
@HOME
def up(folder: Path, host: str, port: int, profile: str | None, home: Path | None) -> int:
    """Serve the live deployment over HTTP until stopped."""
    import signal
    import socket

    import uvicorn

    from octavo.project import Project
    from octavo.server import App
    from octavo.services.serving import PredictionLog
    from octavo.stores.predictions import PredictionStore

    project = Project(folder, home, profile)
    scorer = project.scorer()
    scorer.warm_up(project.catalog.committed(scorer.pipeline.rows.name)[-1:], project.home)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise ResourceError(
            f"the port is not free ({error.strerror}).",
            where=f"{host}:{port}",
            fix="Choose another with --port.",
        ) from error
    address = f"http://{host}:{listener.getsockname()[1]}"
    log = PredictionLog(PredictionStore(project.home))
    app = App(project.name, scorer, log, project.row_service(), project.config)
    click.echo(f"Serving {scorer.candidate_id} ({scorer.bundle.algorithm}), {scorer.deployment_id}")
    click.echo(f"  POST {address}/v1/pipelines/{project.name}/predict")
    click.echo(f"  GET  {address}/v1/pipelines/{project.name}/data")
    click.echo(f"  GET  {address}/v1/pipelines/{project.name}/settings")
    click.echo(f"  GET  {address}/health   {address}/metrics")
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn drains, then raises the signal again for whoever was there before: stopping a
        # server is no failure.
        signal.signal(stop, lambda *_: None)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])
    return ExitCode.DONE


@click.command
@click.argument("source", metavar="IN", type=PATH, help="A file of raw events.")
@click.argument("output", metavar="OUT", type=PATH, help=".parquet, .csv, .ndjson or .arrow")
@DIR
@HOME
@JSON
def score(source: Path, output: Path, folder: Path, home: Path | None, as_json: bool) -> int:
    """Predict for every event of a file.

    Rows that cannot be used are written beside the answers, each with the reason.
    """
    from octavo.cli.tables import check_format, write_table
    from octavo.project import Project
    from octavo.services.scoring import score_file

    check_format(output)
    project = Project(folder, home)
    found = score_file(project.scorer(), project.home, source)
    write_table(found.answers, output)
    rejected = output.with_name(f"{output.stem}.rejected{output.suffix}")
    if found.rejected.height:
        write_table(found.rejected, rejected)
    counts = {
        "rows": found.answers.height,
        "rejected": found.rejected.height,
        "output": str(output),
    }
    if as_json:
        click.echo(json.dumps(counts))
    else:
        click.echo(f"{counts['rows']:,} predictions in {output}")
        if counts["rejected"]:
            click.echo(f"{counts['rejected']:,} rows could not be scored: {rejected}")
    return ExitCode.DONE


COMMANDS = (up, score)
