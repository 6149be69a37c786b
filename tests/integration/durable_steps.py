"""The durable steps of ingestion, for whoever wants to end after one of them."""

from contextlib import contextmanager

from octavo.stores.catalog import Catalog
from octavo.stores.delta import DeltaLog
from octavo.stores.staged import Staged

STEPS = ((Staged, "_flush"), (DeltaLog, "_placed"), (DeltaLog, "append"))


def follow(count, patch, *more):
    """Call ``count`` after each data file, move, append and transaction, and what else is named.

    ``patch`` is `setattr`, or what undoes itself.
    """

    def counted(method):
        def done(*arguments, **options):
            result = method(*arguments, **options)
            count()
            return result

        return done

    transaction = Catalog.transaction

    @contextmanager
    def committed(self, **options):
        with transaction(self, **options) as connection:
            yield connection
        count()

    for owner, name in (*STEPS, *more):
        patch(owner, name, counted(getattr(owner, name)))
    patch(Catalog, "transaction", committed)
