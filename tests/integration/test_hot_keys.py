"""A key that stands for most of the data is named wherever people look."""

import json

from octavo.cli.display import TerminalDisplay
from octavo.project import load
from octavo.stages.prep import hot


def test_a_hot_key_is_told_of_on_the_console_in_the_log_and_in_the_status(
    tmp_path, make_project, octavo, monkeypatch, capsys
):
    folder = make_project(tmp_path / "shop", orders=300, customers=3)
    monkeypatch.setattr(hot, "COLD", 60)
    project = load(folder)
    project.run(TerminalDisplay(), last="prep")
    said = capsys.readouterr().err
    assert "hot entity: view 'customer', returns: customer=c0" in said
    assert "exclude it with where=" in said
    logged = [json.loads(line) for line in project.home.log.read_text().splitlines()]
    subjects = [event["subject"] for event in logged if event["kind"] == "hot entity"]
    assert len(subjects) == len(set(subjects)) >= 3
    status = octavo("status", folder)
    assert status.stdout.count("Hot ") == len(subjects), status.stdout
    assert "customer=c00 in view 'customer'" in status.stdout
