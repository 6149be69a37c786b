"""What the ingestion service says of an error names the dataset, and the batch it was at."""

import json
import logging

from streaming import Live

from octavo.errors import ResourceError
from octavo.logs import LOG, begin
from octavo.stages.ingestion.micro_batch import MicroBatches
from octavo.stores import catalog as tables


class Aloud(list):
    """What is told is logged too."""

    def append(self, text):
        super().append(text)
        LOG.error(text)


def test_an_error_says_what_it_is_about(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise ResourceError.disk_full(where="raw")

    before = logging.getLogger().handlers[:]
    live = Live(tmp_path)
    live.told = Aloud()
    live.begin()
    live.send('{"id": 1, "at": "2026-01-01T00:00:00Z", "amount": 5}')
    begin("json", "ingestion", "shop")
    with monkeypatch.context() as patched:
        patched.setattr(MicroBatches, "write", full)
        while not live.told:
            live.service.turn(flush=True)
    LOG.error("something else")
    logging.getLogger().handlers = before
    first, last = map(json.loads, capsys.readouterr().err.splitlines())
    (batch,) = live.catalog.rows(tables.batches.select())
    assert first["message"].startswith("payments: ")
    about = {"stage": "ingestion", "dataset": "payments", "batch_id": batch["batch_id"]}
    assert about.items() <= first.items()
    assert not about.keys() & last.keys()
