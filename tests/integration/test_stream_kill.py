"""Processes that use the embedded log, killed at any moment."""

import pytest

from octavo.testing.streams import ProcessSuite


class TestSqliteProcesses(ProcessSuite):
    url = "sqlite:"


@pytest.mark.slow
class TestManyKills(ProcessSuite):
    url = "sqlite:"
    kills = 300
