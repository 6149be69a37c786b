"""All that a report may know, made up: every section has something to tell."""

from typing import Any

from octavo.report.frame import COMMANDS

AT = 1_790_000_000_000_000
HOUR = 3_600_000_000
GAIN = {"gain": 0.125, "interval": [0.0625, 0.25], "p": 0.015, "significant": True}


def verdict(word: str, **given: Any) -> dict[str, Any]:
    """Return a verdict's document."""
    return {
        "candidate": f"candidate-{word}", "algorithm": word, "metric": word, "answered": True,
        "promoted": False, "reason": word, "test": 0.75, "test_interval": [0.5, 0.875],
        "test_rows": 600, "threshold": 0.34375, "baseline": 0.28125, "validation": 0.625,
        "validation_threshold": 0.34375, "validation_baseline": 0.28125, "gain": GAIN,
    } | given  # fmt: skip


def made(word: str = "w", **given: Any) -> dict[str, Any]:
    """Return what a report is drawn of.

    Parameters
    ----------
    word
        Stands wherever text comes from data or from people.
    given
        Takes the place of something.
    """
    batch = {
        "dataset": word, "file": word, "rows": 100, "committed_at": AT - HOUR, "withdrawn": None,
    }  # fmt: skip
    total = {"batches": 5, "rows": 500, "rejected": 15, "duplicates": 10, "newest": AT - HOUR,
             "last": AT - HOUR}  # fmt: skip
    event = {"at": AT, "actor": word, "kind": word, "subject": word, "severity": word,
             "document": {"reason": word, "deployment": "deployment-1"}}  # fmt: skip
    drift = {word: {"psi": 0.5, "nulls": 0.125}, "calm": {"psi": 0.0, "nulls": 0.0}}
    look = {
        "from": "2026-01-01 00:00:00", "to": "2026-01-02 00:00:00", "measure": "psi",
        "threshold": 0.25, "drifted": [word], "drift": drift, "alarms": {"raised": 1, "rows": 9},
        "performance": {"metric": word, "figure": 0.5, "test": 0.75, "labeled": 90},
        "lacking": [word],
    }  # fmt: skip
    trial = {"role": "trial", "algorithm": word, "state": "complete", "seconds": 1.5, "error": None}
    finding = {"weight": "fault", "rows": 2, "sentence": f"`{word}` is odd", "treatment": word,
               "examples": [{"row": 1, "value": word}], "columns": [word]}  # fmt: skip
    deployed = {"candidate_id": f"candidate-{word}", "algorithm": word, "event": event}
    return {
        "pipeline": word, "state": word, "error": word, "target": word, "kind": word,
        "problem": {"question": word, "metric": word, "at_least": 0.5},
        "stages": [
            {"name": name, "state": "succeeded", "seconds": 90.0, "rows_in": 10, "rows_out": 9,
             "rejected": 1, "why": word}
            for name in COMMANDS
        ],
        "verdict": verdict(word), "deployment": {"candidate": f"candidate-{word}"},
        "more_is_better": True, "features": 12,
        "datasets": [word, "missing"], "totals": {word: total},
        "batches": [batch | {"committed_at": AT - n * HOUR} for n in range(5, 0, -1)]
        + [batch | {"withdrawn": 7}],
        "rules": {(word, word): 3}, "quality": {word: {"noticed": [], "findings": [finding]}},
        "streams": [{"dataset": word, "partition": 0, "end": 9, "lag": 4, "freshness": 0.5}],
        "views": [{"view": word, "rows": 4, "waits": 2.5}],
        "groups": [{"name": word, "columns": {word: "f"}, "rows": 9, "too_late": 1, "cause": word,
                    "cut_over": 3, "position": 5, "group_id": word}],
        "stale": [{"name": word, "entities": None, "cause": word, "batch_id": word}],
        "data": {"document": {
            "data_version": word, "batches": [word], "clock": AT, "folds": [1, 2],
            "counts": {word: {"rows": 75, "labeled": 70, "base_rate": 0.25},
                       "test": {"rows": 25, "labeled": 20}},
        }},
        "leaks": [{"kind": word, "what": word, "fix": word}],
        "study": {"study": word, "started_at": AT - HOUR, "finished_at": AT, "trials": [
            trial | {"number": 0, "figure": 0.25}, trial | {"number": 1, "figure": 0.5},
            trial | {"number": 2, "figure": None, "state": "failed", "error": word},
        ]},
        "judged": None,
        "verdicts": 2
        * [{"at": AT, "candidate_id": word, "answered": 0, "document": verdict(word)}],
        "deployments": [
            deployed | {"deployment_id": "deployment-1", "live_from": AT - HOUR, "live_to": AT - 9},
            deployed | {"deployment_id": "deployment-2", "live_from": AT - 9, "live_to": None},
        ],
        "watched": [{"finished_at": AT - n * HOUR, "outputs": look} for n in (2, 1)],
        "jobs": [{"job": word, "state": word, "ended_at": AT, "result": word, "why": word,
                  "on": None, "next": AT}], "told": {word: {"delivered": 3}},
        "failures": {}, "warnings": [event], "decisions": [event],
        "runs": [{"run_id": word, "started_at": AT - HOUR, "finished_at": AT, "state": word,
                  "reason": word, "error": word}],
        "steps": [
            {"stage": name, "state": "failed", "seconds": 9.0, "started_at": AT - HOUR,
             "finished_at": AT} for name in ("problem", word)
        ],
    } | given  # fmt: skip
