import json
import sys
from importlib.abc import MetaPathFinder

import pytest
import sqlalchemy as sa
from tests.receiver import receiver

import octavo as ov
from octavo.errors import DefinitionError, ResourceError
from octavo.services.addresses import check
from octavo.services.deliveries import Deliveries
from octavo.services.notifications import NotificationService
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "c.db")


def quiet(severity, text):
    pass


def sending(catalog, *urls):
    """Return what sends to some URLs."""
    return Deliveries(catalog, [ov.Notify(url) for url in urls], "flights", {})


def test_events_are_told_once_and_logged_all(tmp_path, catalog):
    log, said = tmp_path / "log", []
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


def test_a_catalog_that_is_busy_fails_nothing_and_is_told_of_later(tmp_path, catalog, monkeypatch):
    said = []
    service = NotificationService(catalog, tmp_path / "log", lambda _, text: said.append(text))
    catalog.emit("deployed", "candidate-1")

    def busy(query):
        raise ResourceError("the catalog is busy.", fix="Try again.")

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "rows", busy)
        service.tell()
    service.tell()
    assert said == ["deployed: candidate-1"]


def test_events_are_sent_to_urls(tmp_path, catalog):
    with receiver() as (host, received):
        service = NotificationService(
            catalog,
            tmp_path / "log",
            quiet,
            deliveries=sending(catalog, f"json://me:secret@{host}/yes"),
        )
        catalog.emit("trial finished", "lightgbm #0")
        catalog.emit("model ready", "candidate-1", reason="0.5 on test")
        catalog.emit("run failed", "prep", severity="error", error="no disk")
        service.tell()
        service.tell()
    found = [(body["title"], body["message"], body["type"]) for _, _, body in received]
    assert found == [
        ("octavo: flights", "model ready: candidate-1 — 0.5 on test", "info"),
        ("octavo: flights", "run failed: prep — no disk", "failure"),
    ]
    assert received[0].authorization.startswith("Basic "), "the URL's user and password are used"


def test_a_url_that_fails_is_logged_without_its_secrets_and_fails_nothing(tmp_path, catalog, capfd):
    log, said = tmp_path / "log", []
    with receiver() as (host, received):
        urls = [f"json://me:secret@{host}/no", "json://me:secret@127.0.0.1:1/"]
        service = NotificationService(
            catalog,
            log,
            lambda severity, text: said.append((severity, text)),
            deliveries=sending(catalog, *urls, f"json://{host}/yes"),
        )
        catalog.emit("model ready", "candidate-1")
        service.tell()
    assert [path for path, _, _ in received] == ["/no", "/yes"]
    delayed = "notification delayed: json://127.0.0.1{} — it did not take 'model ready': {}; "
    again = [
        delayed.format("", "HTTP 500"),
        delayed.format(" #2", "no connection, or it was ended"),
    ]
    told = [("warning", f"{text}it is tried again") for text in again]
    assert said == [("info", "model ready: candidate-1"), *told]
    kinds = [json.loads(line)["kind"] for line in log.read_text().splitlines()]
    assert kinds == ["model ready", "notification delayed", "notification delayed"]
    stored = catalog.rows(sa.select(tables.events))
    everything = [log.read_text(), str(stored), str(said), *capfd.readouterr()]
    assert not [text for text in everything if "secret" in text]


def test_a_log_that_cannot_be_written_hides_nothing(tmp_path, catalog):
    said = []
    service = NotificationService(catalog, tmp_path, lambda severity, text: said.append(text))
    catalog.emit("deployed", "deployment-1")
    service.tell()
    assert said == ["deployed: deployment-1"]


def test_a_service_that_apprise_does_not_know():
    with pytest.raises(
        DefinitionError, match=r"Pipeline\.notify\[0\]: .*no such service"
    ) as raised:
        check([ov.Notify("carrier://secret@pigeon")], {})
    assert "secret" not in str(raised.value)


def test_without_the_extra_its_name_is_said(monkeypatch):
    class Missing(MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "apprise":
                raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "apprise", raising=False)
    with pytest.raises(ResourceError, match=r"needs Apprise.*'octavo\[notify\]'"):
        check([ov.Notify("json://localhost")], {})
    check([], {})
