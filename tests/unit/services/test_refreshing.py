"""What is deployed while a server begins, or fails once to be loaded, is served all the same."""

import time

import pytest

from octavo.services import refreshing
from octavo.services.refreshing import Refreshing, deployed


class Catalog:
    """Stands for one in which others deploy."""

    def __init__(self):
        self.deployment, self.groups = "d1", ["g1"]

    def live_deployment(self):
        return self.deployment and {"deployment_id": self.deployment}

    def live_groups(self):
        return [{"group_id": group} for group in self.groups]


@pytest.fixture
def catalog(monkeypatch):
    monkeypatch.setattr(refreshing, "EVERY", 0.01)
    return Catalog()


def wait(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def begin(catalog, seen, errors=()):
    """Return what looks, what was used, and what was told."""
    used, told, errors = [], [], [*errors]

    def load():
        if errors:
            raise errors.pop(0)
        return catalog.deployment

    return Refreshing(catalog, seen, load, used.append, told.append), used, told


def test_only_what_is_new_is_loaded(catalog):
    looking, used, _ = begin(catalog, deployed(catalog))
    time.sleep(0.1)
    assert used == []
    catalog.groups = ["g2", "g1"]
    wait(lambda: used == ["d1"])
    catalog.deployment = None
    time.sleep(0.1)
    catalog.deployment = "d2"
    wait(lambda: used == ["d1", "d2"])
    looking.close()
    assert used == ["d1", "d2"]


def test_what_is_deployed_while_the_first_is_loaded_is_served(catalog):
    seen = deployed(catalog)
    catalog.deployment = "d2"
    looking, used, _ = begin(catalog, seen)
    wait(lambda: used == ["d2"])
    looking.close()


def test_what_cannot_be_loaded_is_told_and_tried_again(catalog):
    seen = deployed(catalog)
    catalog.deployment = "d2"
    looking, used, told = begin(catalog, seen, [FileNotFoundError("gone"), ValueError("odd")])
    wait(lambda: used == ["d2"])
    looking.close()
    assert told == ["gone", "odd"]
