"""What is refused, with which reason, and what a clean process says."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from judging import linear, problem

import octavo as ov
from octavo.bundle import check
from octavo.stages.evaluation import servable as module
from octavo.stages.evaluation.servable import ROWS, servable
from octavo.stages.evaluation.verdict import answers, refusal

BETTER = {"gain": 0.1, "interval": (0.05, 0.15), "p": 0.01, "significant": True}
CHANCE = {"gain": 0.1, "interval": (-0.05, 0.25), "p": 0.3, "significant": False}
WORSE = {"gain": -0.1, "interval": (-0.2, 0.0), "p": 0.1, "significant": False}
FIGURES = {"candidate": "candidate-1", "champion": 0.5, "challenger": 0.6}


def refused(gate=None, champion=None, gain=BETTER, leaks=(), servable=None):
    return refusal(
        problem(metric="roc_auc", at_least=0.6),
        gate or ov.Gate(),
        leaks=list(leaks),
        servable={"refused": servable},
        gain=gain,
        champion=champion,
    )


def test_a_miss_is_told_with_what_is_missing():
    asked = problem(metric="roc_auc", at_least=0.7)
    base = {"validation": 0.5, "test": 0.5}
    assert answers(asked, {"validation": 0.72, "test": 0.71}, base)[0]
    found = answers(asked, {"validation": 0.66, "test": 0.9}, base)
    expected = "roc_auc on validation is 0.6600, 0.7000 is needed; it is missed by 0.0400"
    assert found == (False, expected)
    assert "on test is 0.6000" in answers(asked, {"validation": 0.8, "test": 0.6}, base)[1]


@pytest.mark.parametrize(
    ("gate", "gain", "why"),
    [
        ({}, BETTER, None),
        ({}, CHANCE, None),
        ({}, WORSE, "is not beaten: 0.5000 against 0.6000"),
        ({"beat_champion_by": 0.2}, BETTER, "is not beaten"),
        ({"beat_champion_by": -0.2}, WORSE, None),
        ({"significant": True}, BETTER, None),
        ({"significant": True}, CHANCE, "may be beaten by chance only (p = 0.300)"),
    ],
)
def test_the_champion_stays_unless_beaten(gate, gain, why):
    found = refused(ov.Gate(**gate), FIGURES | {"gain": gain})
    assert found is None if why is None else (found[0] == "champion stays" and why in found[1])


def test_without_a_champion_significance_is_against_the_trivial_baseline():
    strict = ov.Gate(significant=True)
    unequal = {"candidate": "candidate-1", "rows": 0, "why": "too few later rows"}
    for champion in (None, unequal):
        assert refused(strict, champion) is None
        assert refused(ov.Gate(), champion, gain=CHANCE) is None
        kind, why = refused(strict, champion, gain=CHANCE)
        assert kind == "candidate refused"
        assert "no better than trivial (p = 0.300)" in why


def test_leaks_and_what_cannot_be_served_are_refused():
    leaks = [{"kind": "duplicate"}]
    assert refused(leaks=leaks) is None
    assert "(duplicate)" in refused(ov.Gate(refuse_leaks=True), leaks=leaks)[1]
    found = refused(servable="it takes 9 s to the first prediction, 1 are allowed")
    assert found[0] == "candidate refused"
    assert found[1].startswith("it cannot be served: it takes 9 s")


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"x": rng.standard_normal(300), "shop": rng.choice(["a", "b"], 300)})
    bundle = linear(rows, [1.0, 0.3])
    bundle.save(tmp_path / "bundle")
    return bundle, tmp_path / "bundle", rows


def test_a_clean_process_predicts_the_same_bits(saved):
    found = servable(*saved, ov.Gate())
    assert found["refused"] is None
    assert found["same_bits"]
    assert found["alone_as_together"]
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert 20 < found["memory_mb"] < 1500, "its own, not the parent's"
    assert found["rows_per_second"] > 1000
    assert "predicted" not in found


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"slowest_load": "1ms"}, "s to the first prediction, 0.001 are allowed"),
        ({"slowest_answer": "1us"}, "ms for a row (p99), 0.001 are allowed"),
        ({"most_memory": 5}, "MB of memory, 5 are allowed"),
    ],
)
def test_limits_are_kept_to(saved, limit, words):
    assert words in servable(*saved, ov.Gate(**limit))["refused"]
    assert servable(*saved, ov.Gate(slowest_load="1h", most_memory=1e6))["refused"] is None


def test_what_differs_or_is_damaged_is_refused(saved):
    bundle, folder, rows = saved
    other = linear(rows, [1.0, 0.4])
    assert "predicts otherwise" in servable(other, folder, rows, ov.Gate())["refused"]
    (folder / "model.npz").write_bytes(b"none")
    found = servable(bundle, folder, rows, ov.Gate())["refused"]
    assert "the file is damaged" in found


def test_no_training_library_can_be_imported_there(saved, tmp_path, monkeypatch):
    bundle, folder, rows = saved
    text = Path(check.__file__).read_text()
    needing = tmp_path / "check.py"
    needing.write_text(text.replace("import polars as pl\n", "import polars as pl, sklearn\n"))
    monkeypatch.setattr(module.check, "__file__", str(needing))
    found = servable(bundle, folder, rows, ov.Gate())["refused"]
    assert "sklearn is a training library" in found


def test_single_rows_are_compared_with_many(saved, monkeypatch):
    found = {"alone_as_together": False, "load_seconds": 1, "p99_ms": 1, "memory_mb": 1}
    assert module._refused(found, ov.Gate(), same=True) == (
        "one row alone is predicted otherwise than among others"
    )


def test_few_rows_are_enough(saved):
    bundle, folder, rows = saved
    assert servable(bundle, folder, rows.head(1), ov.Gate())["refused"] is None
    assert rows.height > ROWS
