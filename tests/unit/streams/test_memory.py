"""The log in memory keeps what a stream promises."""

import pytest

from octavo.streams.memory import MemoryStream
from octavo.testing.streams import StreamSuite


class TestMemory(StreamSuite):
    @pytest.fixture
    def new_log(self):
        def new(clock):
            stream = MemoryStream(clock=clock.nanoseconds, wall=clock.microseconds)
            return lambda: stream

        return new
