"""Rows by a stream, and in files under the same clocks: the same features, bit by bit."""

import json

import polars as pl

from octavo.project import load
from octavo.stages.ingestion.files import content_hash
from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stages.ingestion.received import NDJSON
from octavo.stores import catalog as tables
from octavo.streams import Block

from .outcome import assert_same, rows_of

ONLINE = {
    f'ov.Files("data/{name}*.csv"),': (
        f'ov.Files(["data/{name}*.csv", "data/live-{name}*.ndjson"][:FILES]), '
        'online=ov.Stream(age="1us"),'
    )
    for name in ("orders", "returns")
}


class Quiet:
    """Shows nothing of a run."""

    def __getattr__(self, name):
        return lambda *_, **__: None


def begun(folder, make_project, files):
    """Write a shop, run it over the older half of its history; return it and the newer half."""
    more = {"import octavo as ov\n": f"import octavo as ov\n\nFILES = {files}\n"}
    make_project(folder, parts=2, orders=500, edits={**ONLINE, **more})
    newer = {}
    for name in ("orders", "returns"):
        path = folder / "data" / f"{name}-1.csv"
        newer[name] = pl.read_csv(path, infer_schema=False).to_dicts()
        path.unlink()
    return newer


def lines_of(rows):
    return [json.dumps(_typed(row)) for row in rows]


def _typed(row):
    numbers = {"order_id": int, "amount": float}
    return {name: numbers.get(name, str)(value) for name, value in row.items()}


def test_streamed_rows_are_prepped_as_files_of_the_same_clocks(tmp_path, make_project):
    newer = begun(tmp_path / "live" / "shop", make_project, 1)
    live = load(tmp_path / "live" / "shop")
    live.run(Quiet(), last="prep")
    stream = live.stream()
    service = OnlineIngestion(
        live.definition, live.home, live.catalog, stream, tell=print, notify=lambda: None
    )
    service.turn()
    sent = {}
    for part in range(3):
        for name, rows in newer.items():
            lines = lines_of(rows[part::3])
            block = Block(
                rows=len(lines), data="\n".join(lines).encode(), metadata={"format": NDJSON}
            )
            stream.append(f"incoming.{name}", [block])
            assert service.turn(flush=True)
            batch = live.catalog.committed(name)[-1]
            assert batch["rows"] == len(lines)
            sent[batch["batch_id"]] = (batch, lines)
    stream.append("incoming.returns", [Block(rows=1, data=b"no", metadata={"format": NDJSON})])
    assert service.turn(flush=True)  # a batch of which nothing is accepted
    stream.close()
    live.run(Quiet(), last="segregation")

    begun(tmp_path / "files" / "shop", make_project, 1)
    load(tmp_path / "files" / "shop").run(Quiet(), last="prep")
    begun(tmp_path / "files" / "shop", make_project, 2)
    files = load(tmp_path / "files" / "shop")
    for batch, lines in sent.values():
        path = files.folder / "data" / f"live-{batch['dataset']}-{batch['sequence']:03}.ndjson"
        path.write_text("\n".join(lines) + "\n")
        names = ("batch_id", "dataset", "sequence", "state", "run_id", "clock", "planned_at")
        planned = {name: batch[name] for name in names} | {"state": "planned"}
        told = {"source": str(path), "content_hash": content_hash(path)}
        files.catalog.insert(tables.batches, **planned, **told)
    files.run(Quiet(), last="segregation")
    assert_same(rows_of(live), rows_of(files))
    assert rows_of(live).height == 500
    known = [len(project.catalog.committed()) for project in (live, files)]
    assert known == [3 + 6 + 1, 3 + 6]
