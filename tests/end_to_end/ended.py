"""Ending after one of the durable writes of a prep."""

import threading
from contextlib import contextmanager

import pytest

from octavo.stores.catalog import Catalog
from octavo.stores.delta import DeltaLog
from octavo.stores.state.environment import Environment


class Ended(BaseException):
    """As when the process is killed: nothing that would clean up or record it runs on."""


@contextmanager
def end_after_writes(number):
    """Let what is done in the context end after its n-th durable write, whichever thread made it.

    With that thread all others end, at their next write.
    """
    left = [number]
    told = threading.excepthook

    def count():
        left[0] -= 1
        if left[0] <= 0:
            raise Ended

    def hook(what):
        if what.exc_type is not Ended:
            told(what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", hook)
        count_writes(patch, count)
        yield


def count_writes(monkeypatch, count):
    """Call something after each durable write of a prep."""
    append, write, transaction = DeltaLog.append, Environment.write, Catalog.transaction

    def counting(function):
        def called(*arguments, **options):
            result = function(*arguments, **options)
            count()
            return result

        return called

    @contextmanager
    def committed(self, **options):
        with transaction(self, **options) as connection:
            yield connection
        count()

    monkeypatch.setattr(DeltaLog, "append", counting(append))
    monkeypatch.setattr(Environment, "write", counting(write))
    monkeypatch.setattr(Catalog, "transaction", committed)
