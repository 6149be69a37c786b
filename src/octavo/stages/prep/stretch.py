"""A stretch of live prep: what one worker follows as long as nothing needs an offline prep.

Its turns fold what has come; a thread writes what was folded, and lets it count. It knows nothing
of how a piece is folded, or of what an offline prep does.
"""

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import polars as pl

from octavo.definition.events import POSITION
from octavo.definition.versions import ROWS, table_fingerprints
from octavo.stages.contract import Context
from octavo.stages.prep.feed import Feed
from octavo.stages.prep.folding import Group
from octavo.stages.prep.following import Follower, RowsFollower, ViewFollower
from octavo.stages.prep.groups import Work, plan
from octavo.stages.prep.lanes import event_schemas, lanes
from octavo.stages.prep.own import own_columns
from octavo.stages.prep.recording import record, settle
from octavo.stages.prep.sharing import Shares
from octavo.stores.catalog import Row
from octavo.stores.features import WRITER
from octavo.stores.raw import batch_sequence
from octavo.streams import Stream

WRITTEN_EVERY = 1.0
"""Seconds between two appends to the offline feature store."""
SHARED_EVERY = 0.5
"""Seconds between two looks at how many workers there are."""
LOOK_AGAIN = 0.5
"""Seconds after which is looked again although nothing was committed: waiting may have ended."""
MOST = 200_000
"""Rows of a piece, at the most; one batch, however large."""


class Stretch:
    """The groups of the views that this worker owns, followed; a context.

    When it ends without an exception, what was folded is written and counts. After one it waits in
    the states, or is computed again from the raw store.

    Parameters
    ----------
    told
        As `octavo.stages.prep.recording.record` takes it.
    """

    def __init__(self, context: Context, stream: Stream, told: dict[str, int]) -> None:
        self._context, self._catalog = context, context.catalog
        self._session = f"online-{uuid.uuid4().hex[:10]}"
        self._schemas = self._catalog.schemas()
        self._withdrawn = self._catalog.newest_withdrawal()
        self._feed = Feed(context.pipeline, context.raw, stream, self._schemas)
        names = [ROWS, *(view.name for view in context.pipeline.views)]
        self._shares = Shares(context.home, names)
        self._shared = -SHARED_EVERY
        self._looked, self._look_again = -1, 0.0
        self._followers: dict[str, list[Follower]] = {}
        self._told = told
        self._writing = threading.Lock()
        self._open = ExitStack()
        self._stop = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._write_on, name="feature-writer", daemon=True)
        self.is_due = False
        """Whether there is something to do that an offline prep must."""

    def __enter__(self) -> Self:
        self._changes = self._open.enter_context(self._catalog.changes())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        with self._open, self._shares:
            if kind is None:
                self._write()

    def turn(self) -> bool:
        """Take the next batches into all groups that are owned; return whether there were any.

        Raises
        ------
        OctavoError
            Also what has befallen the thread that writes.
        """
        if self._failed is not None:
            raise self._failed
        if time.monotonic() - self._shared >= SHARED_EVERY:
            self._share()
        followers = [each for view in self._followers.values() for each in view]
        if not followers or self.is_due:
            return False
        changes, after = self._changes(), min(each.position for each in followers)
        if changes == self._looked and time.monotonic() < self._look_again:
            return False
        ready, passes = self._catalog.ready(after, self._context.now())
        self.is_due = self._has_changed(ready)
        if self.is_due or not ready:
            self._looked, self._look_again = changes, time.monotonic() + LOOK_AGAIN
            return False
        piece = _piece(ready)
        through = piece[-1]["sequence"]
        if passes or self._catalog.barrier() < through:
            piece = self._catalog.move_barrier(after, through)
        self._fold(followers, piece, through)
        return True

    def _has_changed(self, ready: Sequence[Row]) -> bool:
        """Say whether there is more to do than to go a step further."""
        return (
            any(batch["topic"] is None for batch in ready)
            or self._catalog.newest_withdrawal() != self._withdrawn
            or self._catalog.schemas() != self._schemas
            or bool(self._catalog.pending_rebuilds())
        )

    def _fold(self, followers: Sequence[Follower], batches: Sequence[Row], through: int) -> None:
        events: dict[str, pl.DataFrame] = {}
        for dataset in self._context.pipeline.datasets:
            of = [b for b in batches if b["dataset"] == dataset.name and b["state"] == "committed"]
            if dataset.name in self._schemas:
                events[dataset.name] = self._feed.events(dataset, of)
        first = min(each.position for each in followers)
        for each in followers:
            mine = events if each.position == first else _after(events, each.position)
            each.fold(mine, through)

    def _share(self) -> None:
        """Follow what is owned newly, and let go what is beyond a fair share."""
        for name in self._shares.renew():
            self._let_go(name)
        for name in self._shares.held:
            if name not in self._followers:
                followers = self._following(name)
                with self._writing:
                    self._followers[name] = followers
        self._shared = time.monotonic()

    def _let_go(self, name: str) -> None:
        self._write()
        with self._writing:
            self._followers.pop(name)
        self._shares.release(name)

    def _following(self, name: str) -> list[Follower]:
        """Return what keeps up the groups of a view; or see that an offline prep is due."""
        context = self._context
        settle(context, [name])
        wanted = table_fingerprints(
            context.pipeline, self._catalog.loaded(context.pipeline.datasets)
        )
        found = plan(self._catalog, {name: wanted[name]}, 0, ())
        if any(work.last is None for work in found):
            self.is_due = True
            return []
        followers = [self._follower(work) for work in found]
        # A prep that was killed has written further than it was told of, or has not told the state.
        tables = (context.features.table(name, work.group_id) for work in found)
        written = [table.transaction_version(WRITER) or 0 for table in tables]
        positions = [(each.position, each.work.since) for each in followers]
        if any(at != since for at, since in positions) or any(
            version > at for version, (at, _) in zip(written, positions, strict=True)
        ):
            self.is_due = True
            return []
        return followers

    def _follower(self, work: Work) -> Follower:
        context, pipeline = self._context, self._context.pipeline
        if work.name == ROWS:
            compute = lambda rows: own_columns(pipeline, rows, work)  # noqa: E731
            return RowsFollower(pipeline, context.features, work, compute)
        view, schemas = pipeline.view(work.name), event_schemas(pipeline, self._catalog)
        group = Group.open(context.home, view, lanes(view, schemas, work.wanted.values()), work)
        return ViewFollower(pipeline, context.features, work, group)

    def _write_on(self) -> None:
        while not self._stop.wait(WRITTEN_EVERY):
            try:
                self._write()
            except Exception as error:  # noqa: BLE001 - raised by the next turn
                self._failed = error
                return

    def _write(self) -> None:
        with self._writing:
            followers = [each for view in self._followers.values() for each in view]
            written = [(each.work, each.write()) for each in followers]
            record(self._context, self._session, written, self._told)


def _piece(ready: Sequence[Row]) -> Sequence[Row]:
    """Return the first batches that are one piece."""
    rows = 0
    for number, batch in enumerate(ready):
        rows += batch["rows"] or 0
        if rows > MOST:
            return ready[: max(1, number)]
    return ready


def _after(events: dict[str, pl.DataFrame], position: int) -> dict[str, pl.DataFrame]:
    """Return the events of batches behind a position."""
    behind = batch_sequence(pl.col(POSITION)) > position
    return {name: frame.filter(behind) for name, frame in events.items()}
