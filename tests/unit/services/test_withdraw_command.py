"""A batch that is withdrawn is told of, whatever becomes of the rebuild."""

import json
from types import SimpleNamespace

import pytest

from octavo.cli import withdraw
from octavo.errors import DataError


@pytest.mark.parametrize("as_json", [True, False])
def test_a_rebuild_that_fails_hides_no_withdrawal(monkeypatch, capsys, as_json):
    def run(display, *, first, last):
        raise DataError("there is no row to predict.", fix="Run `octavo ingest`.")

    marks = [{"name": "rows", "key": "*", "batch_id": "b"}]
    catalog = SimpleNamespace(stale=lambda: marks)
    project = SimpleNamespace(withdraw=lambda *_, rebuild: marks, run=run, catalog=catalog)
    found = {"stale": {"rows": 1}, "live": None, "predictions": []}
    monkeypatch.setattr(withdraw, "_found", lambda *_: dict(found))
    monkeypatch.setattr(withdraw, "_tell", lambda _: None)
    with pytest.raises(DataError, match="no row to predict"):
        withdraw.withdrawn(project, "b", "why", rebuild=True, as_json=as_json)
    out, remains = capsys.readouterr().out, "`octavo prep --rebuild` makes their features anew."
    if as_json:
        assert json.loads(out) == found | {"rebuilt": [], "remains": [remains]}
    else:
        assert out == f"Remains: {remains}\n"
