"""Fingerprints: they change with the meaning and with nothing else."""

import dataclasses
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
from definitions import label, orders, pipeline, problem, view, window

import octavo as ov
from octavo.definition import document, fingerprint
from octavo.definition.versions import ROWS, feature_fingerprints
from octavo.errors import DefinitionError

amount = pl.col("amount")

OTHER = {
    "question": lambda: pipeline(problem=dataclasses.replace(problem(), question="Which stay?")),
    "at_least": lambda: pipeline(problem=problem(at_least=0.8)),
    "lift": lambda: pipeline(problem=problem(at_least=ov.Lift(2))),
    "metric": lambda: pipeline(problem=problem(metric="average_precision")),
    "event time": lambda: pipeline(orders(event_time="placed")),
    "available": lambda: pipeline(orders(available="1h")),
    "available by column": lambda: pipeline(orders(available=pl.col("known"))),
    "where": lambda: pipeline(orders(where=amount > 0)),
    "computed column": lambda: pipeline(orders(columns={"twice": amount * 2})),
    "check": lambda: pipeline(orders(checks=[ov.Check("positive", amount > 0)])),
    "check's severity": lambda: pipeline(orders(checks=[ov.Check("positive", amount > 0, "flag")])),
    "types": lambda: pipeline(
        dataclasses.replace(orders(), offline=ov.Files("orders.csv", types={"amount": pl.Int64}))
    ),
    "source columns": lambda: pipeline(
        dataclasses.replace(orders(), offline=ov.Files("orders.csv", columns=["amount", "at"]))
    ),
    "label": lambda: pipeline(label=label(orders(), value=pl.col("outcome") == "kept")),
    "absent": lambda: pipeline(label=label(orders(), absent=False, mature_after="30d")),
    "absent later": lambda: pipeline(label=label(orders(), absent=False, mature_after="31d")),
    "absent is a date": lambda: pipeline(
        label=label(orders(), absent=date(2024, 1, 1), mature_after="31d")
    ),
    "over": lambda: pipeline(views=[view(orders(), over=["1d", "7d", "8d"])]),
    "take": lambda: pipeline(views=[view(orders(), take=["count", "mean", "max"])]),
    "delay": lambda: pipeline(
        views=[view(orders(), name="amount"), ov.View("v", "x", [window(orders(), delay="1h")])]
    ),
    "current": lambda: pipeline(views=[view(orders(), current=False)]),
    "on": lambda: pipeline(
        views=[ov.View("customer", "customer", [window(orders())], on={"buyer": "customer"})]
    ),
    "late": lambda: pipeline(
        views=[ov.View("customer", "customer", [window(orders())], late="8d")]
    ),
    "row feature": lambda: pipeline(row=[amount]),
    "row feature's value": lambda: pipeline(row=[amount * 2, pl.col("at").dt.hour().alias("hour")]),
    "derived": lambda: pipeline(derived=[]),
    "split": lambda: pipeline(split=ov.SplitByTime(gap="1d")),
    "split's kind": lambda: pipeline(split=ov.SplitByHash("customer")),
    "salt": lambda: pipeline(split=ov.SplitByHash("customer", salt="x")),
    "trials": lambda: pipeline(training=ov.Training(algorithms=["logistic"], trials=3)),
    "algorithms": lambda: pipeline(training=ov.Training(algorithms=["lightgbm"])),
    "gate": lambda: pipeline(gate=ov.Gate(beat_champion_by=0.01)),
    "monitor": lambda: pipeline(monitor=ov.Monitor(drift="ks")),
}

SAME = {
    "description": lambda: pipeline(orders(description="something else")),
    "path": lambda: pipeline(
        dataclasses.replace(orders(), offline=ov.Files(["/x/*.csv", "y.csv"]))
    ),
    "schedules": lambda: pipeline(
        orders(schedule=ov.Schedule(every="1h")),
        training=ov.Training(algorithms=["logistic"], schedule=ov.Schedule(cron="0 3 * * *")),
        monitor=ov.Monitor(schedule=ov.Schedule(every="1d")),
    ),
    "notify": lambda: pipeline(notify=["json://localhost"]),
    "built again": pipeline,
    "a list of one": lambda: pipeline(orders(event_id=["order_id"])),
    "tuples": lambda: pipeline(views=(view(orders(), over=("1d", "7d")),)),
    "the same length": lambda: pipeline(views=[view(orders(), over=["24h", timedelta(weeks=1)])]),
    "the default said": lambda: pipeline(gate=ov.Gate(beat_champion_by=0.0)),
}


@pytest.mark.parametrize("changed", OTHER.values(), ids=OTHER)
def test_another_meaning_is_another_fingerprint(changed):
    assert changed().fingerprint != pipeline().fingerprint
    assert changed().fingerprint == changed().fingerprint
    assert changed() != pipeline()


def test_no_two_meanings_share_a_fingerprint():
    found = [make().fingerprint for make in OTHER.values()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_the_same_meaning_is_the_same_fingerprint(changed):
    assert changed().fingerprint == pipeline().fingerprint
    assert changed() == pipeline()
    assert hash(changed()) == hash(pipeline())


def test_lengths_of_a_window_are_told_apart_however_they_are_given():
    """A timedelta is no nameless object: two of them are two windows."""
    one, two = (window(orders(), over=timedelta(hours=n)) for n in (1, 2))
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one) == fingerprint(window(orders(), over="60m"))


def test_a_users_algorithm_is_told_by_its_fields():
    @dataclasses.dataclass
    class Own:
        depth: int
        name: ClassVar[str] = "own"

    def trained(algorithm):
        return fingerprint(ov.Training(algorithms=[algorithm]))

    assert trained(Own(3)) == trained(Own(3))
    assert trained(Own(3)) != trained(Own(4))


def test_what_has_no_fixed_meaning_is_refused_when_declared():
    with pytest.raises(DefinitionError, match="has no fixed meaning"):
        pipeline(label=label(orders(), absent=object(), mature_after="1d"))


def test_only_the_tables_that_a_change_touches_get_new_fingerprints():
    before = feature_fingerprints(pipeline(), ["orders"])
    assert set(before) == {ROWS, "customer"}
    row = feature_fingerprints(pipeline(row=[amount]), ["orders"])
    assert row["customer"] == before["customer"]
    assert row[ROWS] != before[ROWS]
    longer = feature_fingerprints(
        pipeline(views=[view(orders(), over=["1d", "8d", "7d"])]), ["orders"]
    )
    assert longer["customer"] != before["customer"]
    assert longer[ROWS] == before[ROWS]
    checked = orders(checks=[ov.Check("positive", amount > 0)], description="checked")
    assert feature_fingerprints(pipeline(checked), ["orders"]) == before
    trained = pipeline(training=ov.Training(trials=2), split=ov.SplitByTime(gap="2d"))
    assert feature_fingerprints(trained, ["orders"]) == before
    assert feature_fingerprints(pipeline(), [])["customer"] != before["customer"], "first load"


def test_the_document_is_plain_and_names_each_dataset_once():
    found = document(pipeline())
    assert found["rows"] == "orders"
    assert found["label"]["of"] == "orders"
    assert [d["name"] for d in found["datasets"]] == ["orders"]
    assert "description" not in found["datasets"][0]


def test_what_is_beside_the_meaning_is_in_the_document_without_secrets():
    urls = ["json://user:secret@host:1/secret?key=secret", "tgram://secret:token/chat"]
    hourly, daily = ov.Schedule(cron=" 0  * * * *"), ov.Schedule(every="24h")
    made = pipeline(
        orders(schedule=hourly),
        training=ov.Training(algorithms=["logistic"], schedule=daily),
        notify=urls,
    )
    found = document(made)
    assert found["datasets"][0]["schedule"] == {
        "is": "Schedule",
        "cron": "0 * * * *",
        "every": None,
    }
    assert found["training"]["schedule"]["every"] == "1d"
    assert found["monitor"]["schedule"] is None
    assert made.schedules == {"dataset orders": hourly, "training": daily}
    assert found["notify"] == ["json://host", "tgram://…"]
    assert made.notify == tuple(urls)
    assert "secret" not in repr(made)


def test_schedules_that_mean_the_same_are_equal():
    assert ov.Schedule(every="60m") == ov.Schedule(every=timedelta(hours=1))
    assert ov.Schedule(every="1h") != ov.Schedule(cron="0 * * * *")


PRINTED = """
import polars as pl
from definitions import orders, pipeline, view
import octavo as ov
known = pl.col("channel").is_in({"online", "store", "phone", "fax", "letter"})
made = pipeline(row=[known], views=[view(orders(where=known), where=known, name="n")],
                derived=[], rows=orders(where=known))
print(made.fingerprint, [d.stamps_fingerprint for d in made.datasets])
"""


def test_the_same_in_every_process():
    """Neither the hash seed nor the order of a Python set may enter."""
    printed = set()
    for seed in ("0", "1", "2"):
        printed.add(
            subprocess.run(
                [sys.executable, "-c", PRINTED],
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parent,
                env={**os.environ, "PYTHONHASHSEED": seed},
            ).stdout
        )
    assert len(printed) == 1
