"""The embedded log keeps what a stream promises."""

import pytest

from octavo.streams.sqlite import SqliteStream
from octavo.testing.streams import StreamSuite


class TestSqlite(StreamSuite):
    @pytest.fixture
    def new_log(self, tmp_path_factory):
        def new(clock):
            folder = tmp_path_factory.mktemp("streams")
            clocks = {"clock": clock.nanoseconds, "wall": clock.microseconds}
            return lambda: SqliteStream(folder, **clocks)

        return new
