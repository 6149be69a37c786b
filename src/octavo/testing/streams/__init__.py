"""The conformance suite of streams.

A test module subclasses `StreamSuite`, and says how a new log is made and opened::

    class TestSqlite(StreamSuite):
        @pytest.fixture
        def new_log(self, tmp_path_factory):
            def new(clock):
                folder = tmp_path_factory.mktemp("streams")
                times = {"clock": clock.nanoseconds, "wall": clock.microseconds}
                return lambda: SqliteStream(folder, **times)

            return new

A stream that cannot be told the time overrides the fixture ``let_pass`` with ``time.sleep``, and
`StreamSuite.seconds` with what its leases last. `ProcessSuite` kills processes that use a stream.
"""

from octavo.testing.streams.groups import GroupSuite
from octavo.testing.streams.log import LogSuite
from octavo.testing.streams.machine import MachineSuite
from octavo.testing.streams.processes import ProcessSuite
from octavo.testing.streams.retention import RetentionSuite


class StreamSuite(LogSuite, GroupSuite, RetentionSuite, MachineSuite):
    """All behaviours that need one process."""


__all__ = ["ProcessSuite", "StreamSuite"]
