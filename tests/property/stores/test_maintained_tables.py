"""Whatever is appended, merged, deleted and read in whatever order: the rows are those of a list.

The list is the oracle: no merge, no deletion and no kill changes it.
"""

import math
import os
import shutil
import struct
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from octavo.stores import compaction, delta
from octavo.stores.compaction import compact, delete, unread
from octavo.stores.delta import DeltaLog
from octavo.stores.staged import Staged

FLOATS = [0.5, -0.0, 0.0, math.nan, math.inf, None]
KEEP = 3600.0


def bits(value):
    return struct.pack("<d", value).hex() if isinstance(value, float) else value


def rows_of(frame):
    frame = frame.select(c for c in ("_position", "x", "text") if c in frame.columns)
    frame = frame.match_to_schema(
        {"_position": pl.Int64, "x": pl.Float64, "text": pl.String}, missing_columns="insert"
    )
    return [tuple(map(bits, row)) for row in frame.sort("_position").iter_rows()]


class Killed(BaseException):
    """Stands for SIGKILL."""


class Tables(RuleBasedStateMachine):
    @initialize(size=st.sampled_from([200, 1 << 27]), fewest=st.integers(2, 4))
    def begin(self, size, fewest):
        self.folder = Path(tempfile.mkdtemp()) / "table"
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(delta, "CHECKPOINT", 3)
        forgets = dict.fromkeys(
            ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"),
            "interval 0 seconds",
        )
        self.patch.setattr(delta, "_CONFIGURATION", {**delta._CONFIGURATION, **forgets})
        self.patch.setattr(compaction, "FEWEST", fewest)
        self.patch.setitem(Staged.__init__.__kwdefaults__, "size", size)
        self.logs = [DeltaLog(self.folder), DeltaLog(self.folder)]
        self.rows, self.appended, self.pinned = [], [], []
        self.append(0, [(0.5, "a")], False)

    @rule(
        which=st.integers(0, 1),
        rows=st.lists(st.tuples(st.sampled_from(FLOATS), st.sampled_from(["", "a", None]))),
        text=st.booleans(),
    )
    def append(self, which, rows, text):
        number = len(self.appended)
        frame = pl.DataFrame(
            {
                "_position": [(number << 32) + n for n in range(len(rows))],
                "x": [x for x, _ in rows],
                **({"text": [text for _, text in rows]} if text else {}),
            },
            schema={"_position": pl.Int64, "x": pl.Float64} | ({"text": pl.String} if text else {}),
        )
        assert self.logs[which].append(frame, app_id=f"{number}", version=1, merge=True)
        self.appended.append(frame)
        self.rows += rows_of(frame)

    @rule(which=st.integers(0, 1), data=st.data())
    def append_again(self, which, data):
        number = data.draw(st.integers(0, len(self.appended) - 1))
        frame = self.appended[number]
        assert self.logs[which].append(frame, app_id=f"{number}", version=1, merge=True) is None

    @rule(which=st.integers(0, 1))
    def merge(self, which):
        compact(self.logs[which], self.folder)

    @rule(which=st.integers(0, 1), step=st.integers(1, 6))
    def merge_and_be_killed(self, which, step):
        left = [step]

        def dying(function):
            def call(*arguments, **options):
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
                return function(*arguments, **options)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in ("_placed", "_commit", "_checkpoint", "_settled"):
                patch.setattr(DeltaLog, name, dying(getattr(DeltaLog, name)))
            patch.setattr(compaction, "TemporaryDirectory", Lasting)
            try:
                compact(self.logs[which], self.folder)
            except Killed:
                self.logs[which] = DeltaLog(self.folder)

    @rule(which=st.integers(0, 1))
    def tidy(self, which):
        delete(unread(self.logs[which], self.folder, KEEP))

    @rule()
    def time_passes(self):
        for path in self.folder.rglob("*"):
            at = path.stat().st_mtime - 2 * KEEP
            os.utime(path, (at, at))
        self.pinned = []  # no read takes as long

    @rule()
    def begin_to_read(self):
        self.pinned.append((DeltaLog(self.folder).scan(), [*self.rows]))

    @precondition(lambda self: self.pinned)
    @rule()
    def read_on(self):
        for scan, rows in self.pinned:
            assert rows_of(scan.collect()) == rows

    @invariant()
    def rows_are_those_of_the_list(self):
        if hasattr(self, "logs"):
            assert rows_of(DeltaLog(self.folder).scan().collect()) == self.rows

    def teardown(self):
        if hasattr(self, "patch"):
            self.patch.undo()
            shutil.rmtree(self.folder.parent)


class Lasting:
    """A folder that is left as it is, as a kill leaves it."""

    def __init__(self, prefix, dir):
        self.path = tempfile.mkdtemp(prefix=prefix, dir=dir)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        pass


TestTables = Tables.TestCase
TestTables.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
