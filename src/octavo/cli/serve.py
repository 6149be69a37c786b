"""Commands that predict: up, score."""

import json
from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.run import Home, Json
from octavo.errors import ExitCode, ResourceError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("score")(score)


def up(
    folder: Annotated[Path, typer.Argument(help="Folder of pipeline.py.")] = Path(),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    home: Home = None,
) -> int:
    """Serve the live deployment over HTTP until stopped."""
    import signal
    import socket

    import uvicorn

    from octavo.project import Project
    from octavo.server import App
    from octavo.services.serving import PredictionLog
    from octavo.stores.predictions import PredictionStore

    project = Project(folder, home)
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
    app = App(project.name, scorer, PredictionLog(PredictionStore(project.home)))
    typer.echo(f"Serving {scorer.candidate_id} ({scorer.bundle.algorithm}), {scorer.deployment_id}")
    typer.echo(f"  POST {address}/v1/pipelines/{project.name}/predict")
    typer.echo(f"  GET  {address}/health   {address}/metrics")
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn drains, then raises the signal again for whoever was there before: stopping a
        # server is no failure.
        signal.signal(stop, lambda *_: None)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])
    return ExitCode.DONE


def score(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file of raw events.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help=".parquet, .csv, .ndjson")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder of pipeline.py.")] = Path(),
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Predict for every event of a file; what cannot be read is kept beside the answers."""
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
        typer.echo(json.dumps(counts))
    else:
        typer.echo(f"{counts['rows']:,} predictions in {output}")
        if counts["rejected"]:
            typer.echo(f"{counts['rejected']:,} rows could not be scored: {rejected}")
    return ExitCode.DONE
