"""The state of a view: the online store, one LMDB environment for each view and shard.

One owner writes it, any number of readers in this and other processes read it. One transaction
holds all that belongs together: new observations of every lane, the place in the log and in the
input, the rows emitted (the outbox, which a committer drains into a table), texts of categories.
Aggregates are not kept: they are functions of the observations. Older observations of windows with
a resolution are kept together, as tiles. The newest of the others wait together, of many entities,
until it is worth writing to each.
"""

from octavo.stores.state.records import BEGINNING, Place, Tiling
from octavo.stores.state.snapshot import Snapshot
from octavo.stores.state.store import StateStore
from octavo.stores.state.transaction import Transaction

__all__ = ["BEGINNING", "Place", "Snapshot", "StateStore", "Tiling", "Transaction"]
