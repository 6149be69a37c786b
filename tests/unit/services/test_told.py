"""Errors of a service: each is told, and one that goes on is not told without end."""

from octavo import logs
from octavo.cli import services
from octavo.cli.services import REPEATED, _telling


def test_an_error_that_goes_on_is_told_once_a_minute(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(services.time, "monotonic", lambda: clock[0])
    logs.begin("text", "prep")
    tell = _telling()
    for seconds in range(0, 130, 2):
        clock[0] = float(seconds)
        tell("prep: the disk is full.")
        if seconds == 10:
            tell("prep: something else.")
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "error: prep: the disk is full.",
        "error: prep: something else.",
        *["error: prep: the disk is full."] * (129 // int(REPEATED)),
    ]
