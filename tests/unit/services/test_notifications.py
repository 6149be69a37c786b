import json

from octavo.services.notifications import NotificationService
from octavo.stores.catalog import Catalog


def test_events_are_told_once_and_logged_all(tmp_path):
    catalog, log, said = Catalog(tmp_path / "c.db"), tmp_path / "log", []
    catalog.emit("deployed", "before the service was built")
    service = NotificationService(
        catalog, log, lambda severity, text: said.append((severity, text))
    )
    catalog.emit("model ready", "candidate-1", reason="0.5 on test")
    catalog.emit("trial finished", "lightgbm #0", figure=0.5)
    catalog.emit("rows rejected", "orders: a.csv", severity="warning", rules={"type": 2})
    service.tell()
    service.tell()
    assert said == [
        ("info", "model ready: candidate-1 — 0.5 on test"),
        ("warning", "rows rejected: orders: a.csv — 2 type"),
    ]
    kinds = [json.loads(line)["kind"] for line in log.read_text().splitlines()]
    assert kinds == ["model ready", "trial finished", "rows rejected"]
