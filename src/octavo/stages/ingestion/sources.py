"""What the sources of all datasets have to offer: files, and what is new in databases.

It knows nothing of how rows are read or kept.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from octavo.definition import Dataset, Files, Sql, fingerprint
from octavo.errors import DataError, OctavoError
from octavo.stages.contract import Context
from octavo.stages.ingestion import sql
from octavo.stages.ingestion.files import changing, content_hash, expand
from octavo.stages.ingestion.first_load import copies, is_load, is_over
from octavo.stages.ingestion.offered import Offered
from octavo.stages.parts import Part


def details(context: Context) -> list[str]:
    """Say which databases will be asked."""
    return [
        f"{dataset.name} asks {sql.called(dataset.offline)}"
        for dataset in context.ingested
        if isinstance(dataset.offline, Sql)
    ]


def offer(context: Context, dataset: Dataset) -> Part:
    """Return what changes when a source has something new, or its rows are stamped otherwise."""
    found = _seen(context, dataset)
    declared = {"stamps": dataset.stamps_fingerprint, "text": dataset.kept_as_text}
    kept = {"declared": fingerprint(declared), "files": None}
    if isinstance(found, list):
        kept["files"] = len(found)
    return Part(declared | {"files": found}, kept, partial(_told, dataset))


def _told(dataset: Dataset, before: Any, now: Any) -> str:
    if before["declared"] != now["declared"]:
        return f"rows of {dataset.name} are stamped otherwise"
    if isinstance(dataset.offline, Sql):
        return f"{dataset.name} comes from a database"
    if now["files"] is None:
        return f"the source of {dataset.name} changed"
    more = now["files"] - (before["files"] or 0)
    if more <= 0:
        return f"files of {dataset.name} changed"
    return f"{more:,} new file{'s' * (more > 1)} of {dataset.name}"


def _seen(context: Context, dataset: Dataset) -> Any:
    """Return, as JSON, what changes when a source has something new."""
    if dataset.offline is None:
        return "stream" if dataset.name in context.catalog.schemas() else "nothing yet"
    if isinstance(dataset.offline, Sql):
        return {"asked": context.now()}
    if dataset.is_followed and is_over(context.catalog, context.home, dataset.name):
        return "followed"
    try:
        files = [
            (path, changing(path).stat()) for path in _files(context, dataset.offline, dataset)
        ]
    except DataError as error:
        return str(error)  # the run says so, after it has ingested the other datasets
    return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in files]


def sources_of(context: Context) -> tuple[dict[str, list[Offered]], list[OctavoError]]:
    """Return what every dataset's source has to offer, and which cannot be read."""
    sources: dict[str, list[Offered]] = {}
    failed: list[OctavoError] = []
    hashes: dict[Path, str] = {}
    for dataset in context.ingested:
        sources[dataset.name] = []
        try:
            if dataset.offline is None:
                _check_stream(context, dataset)
            elif isinstance(dataset.offline, Sql):
                sources[dataset.name] = _loaded(context, dataset, dataset.offline)
            elif dataset.is_followed:
                sources[dataset.name] = _first(context, dataset, dataset.offline)
            else:
                paths = _files(context, dataset.offline, dataset)
                hashes |= {path: content_hash(path) for path in paths if path not in hashes}
                sources[dataset.name] = [Offered(p, str(p), hashes[p]) for p in paths]
        except OctavoError as error:
            failed.append(error)
    return sources, failed


def _first(context: Context, dataset: Dataset, files: Files) -> list[Offered]:
    """Return what files that grow have, before they are followed."""
    if is_over(context.catalog, context.home, dataset.name):
        # A kill may have left the copy that was ingested last.
        shutil.rmtree(context.home.extracts(dataset.name), ignore_errors=True)
        return []
    before = [b for b in context.catalog.committed(dataset.name) if b["topic"] is None]
    if not (dataset.event_id or all(map(is_load, before))):
        raise DataError(
            "its files were loaded before they were followed, and nothing tells which rows came.",
            where=f"dataset {dataset.name!r}",
            fix="Take out follow=True; or run `octavo run --fresh` to load them anew.",
        )
    found = copies(context, dataset, _files(context, files, dataset))
    if not found and not is_over(context.catalog, context.home, dataset.name):
        raise DataError(
            "its files have no whole record yet.",
            where=f"dataset {dataset.name!r}",
            fix="Run `octavo run` again when there are some.",
        )
    return found


def _check_stream(context: Context, dataset: Dataset) -> None:
    """Refuse to go on without a row of a dataset that comes by its stream alone."""
    if dataset.name not in context.catalog.schemas():
        raise DataError(
            "nothing has come in by its stream that can be used.",
            where=f"dataset {dataset.name!r}",
            fix=f"Start `octavo up`, and POST its rows to /v1/datasets/{dataset.name}/events.",
        )


def _loaded(context: Context, dataset: Dataset, source: Sql) -> list[Offered]:
    """Read what is new in a database, from where the batches that count have ended."""
    before = context.catalog.batches(dataset.name)
    ends = [b["through"] for b in before if "cursor" in (b["through"] or {})]
    offered = sql.offered(
        source,
        context.databases,
        Path(context.folder),
        context.home.extracts(dataset.name),
        context.engine,
        f"dataset {dataset.name!r}",
        after=next((e["value"] for e in reversed(ends) if e["cursor"] == source.cursor), None),
        identified=bool(dataset.event_id),
        progress=lambda done, total: context.progress(
            dataset.name, done, max(done, total), f"{done:,} rows read"
        ),
    )
    if offered is None:
        return []
    if any(b["content_hash"] == offered.content for b in before):
        shutil.rmtree(offered.path)
        return []
    if source.cursor is None and before and not dataset.event_id:
        raise DataError(
            "it has changed, and nothing tells which rows came before.",
            where=f"dataset {dataset.name!r}, {offered.source}",
            fix="Declare event_id, or a cursor; or run `octavo run --fresh` to read it anew.",
        )
    return [offered]


def _files(context: Context, files: Files, dataset: Dataset) -> list[Path]:
    try:
        return expand(files.patterns, Path(context.folder))  # type: ignore[arg-type]
    except DataError as error:
        where = f"dataset {dataset.name!r}, {error.where}"
        raise DataError(error.what, where=where, fix=error.fix) from error
