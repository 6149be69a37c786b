"""What the first run takes of files that grow: whole records, up to where each ends just then.

A copy is made, which is what is ingested: a file that grows, or is rotated, is another one at the
next try. Where the copy ends is kept with its batch; from there on the file is followed. It knows
nothing of streams.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
import xxhash

from octavo.definition import Dataset
from octavo.stages.contract import Context
from octavo.stages.ingestion.as_sent import SAMPLE, Form, form_of
from octavo.stages.ingestion.growing import Followed, begun
from octavo.stages.ingestion.offered import Offered
from octavo.stages.ingestion.records import LONGEST_FIELD
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home

PIECE = 1 << 23
"""Bytes that are copied at a time."""


def loads(catalog: Catalog, dataset: str) -> list[tuple[Row, Followed]]:
    """Return the batches of first loads, planned ones too, and how far each read its file."""
    table = tables.batches
    here = (table.c.dataset == dataset) & table.c.topic.is_(None)
    found = catalog.rows(sa.select(table).where(here).order_by(table.c.sequence))
    known = ((row, row["through"]["followed"]) for row in found if is_load(row))
    return [(row, msgspec.convert(file, Followed)) for row, file in known]


def is_load(batch: Row) -> bool:
    """Return whether a batch is of a first load; others have their rows from elsewhere."""
    return "followed" in (batch["through"] or {})


def is_begun(found: Sequence[tuple[Row, Followed]]) -> bool:
    """Return whether some is loaded: new files are followed then, and never loaded."""
    return any(batch["state"] != "planned" for batch, _ in found)


def is_over(catalog: Catalog, home: Home, dataset: str) -> bool:
    """Return whether all of a dataset is loaded, of what the first run found."""
    left, found = home.extracts(dataset), loads(catalog, dataset)
    return is_begun(found) and not any(
        batch["state"] == "planned" and (left / file.id).exists() for batch, file in found
    )


def copies(context: Context, dataset: Dataset, paths: Sequence[Path]) -> list[Offered]:
    """Return what is to be loaded of some files: copies that were planned before, and new ones."""
    folder, found = context.home.extracts(dataset.name), loads(context.catalog, dataset.name)
    kept = {
        file.id: Offered(copy, batch["source"], batch["content_hash"], batch["through"])
        for batch, file in found
        if batch["state"] == "planned"
        and (copy := folder / file.id / Path(batch["source"]).name).exists()
        and file.is_at(Path(file.path))
    }
    for left in folder.glob("*"):  # of a run that was killed, or of a file that was replaced
        if left.name not in kept:
            shutil.rmtree(left)
    if is_begun(found):
        return [*kept.values()]
    done = {each.source for each in kept.values()}
    new = (_copy(dataset, path, folder) for path in paths if str(path) not in done)
    return [*kept.values(), *(each for each in new if each)]


def _copy(dataset: Dataset, path: Path, folder: Path) -> Offered | None:
    """Copy the whole records of a file; None as long as it has none."""
    file = begun(path)
    with path.open("rb") as source:
        form = form_of(dataset, file, source.read(SAMPLE))
        if form is None:
            return None
        copy = folder / file.id / path.name
        copy.parent.mkdir(parents=True)
        state = xxhash.xxh3_128(str(path).encode())
        source.seek(0)
        with copy.open("wb") as target:
            target.write(head := source.read(form.begin))
            file.read_on(head)
            for data in _whole(source.read, form):
                target.write(data)
                state.update(data)
                file.read_on(data)
            target.flush()
            os.fsync(target.fileno())
    if file.end == form.begin:
        shutil.rmtree(copy.parent)
        return None
    return Offered(copy, str(path), state.hexdigest(), {"followed": msgspec.to_builtins(file)})


def _whole(read: Callable[[int], bytes], form: Form) -> Iterator[bytes]:
    """Give whole records, piece by piece, until none comes any more."""
    rest = b""
    while piece := read(PIECE):
        rest += piece
        if cut := form.end(rest, last=len(rest) > LONGEST_FIELD):
            yield rest[:cut]
            rest = rest[cut:]
