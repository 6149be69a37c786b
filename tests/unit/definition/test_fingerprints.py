"""Fingerprints: they change with the meaning and with nothing else."""

import dataclasses
import os
import subprocess
import sys
from datetime import date, time, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
from definitions import label, orders, pipeline, problem, view, window

import octavo as ov
from octavo.definition import document, fingerprint
from octavo.definition.needed import naming_columns, source_columns
from octavo.definition.versions import (
    ROWS,
    feature_fingerprints,
    needed_columns,
    table_fingerprints,
)
from octavo.errors import DefinitionError
from octavo.stores.schemas import widened

amount = pl.col("amount")


def decayed(halflife: str) -> ov.View:
    return view(orders(), take=["count", "mean", "decayed_sum"], halflife=halflife)


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
    "lag": lambda: pipeline(views=[view(orders(), take=["count", "mean", "lag1"])]),
    "half-life": lambda: pipeline(views=[decayed("1d")]),
    "another half-life": lambda: pipeline(views=[decayed("2d")]),
    "resolution": lambda: pipeline(views=[view(orders(), resolution="1h")]),
    "another resolution": lambda: pipeline(views=[view(orders(), resolution="2h")]),
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
    "purge": lambda: pipeline(split=ov.SplitByTime(purge=False)),
    "folds": lambda: pipeline(split=ov.SplitByTime(folds=2)),
    "sliding": lambda: pipeline(split=ov.SplitByTime(sliding="30d")),
    "stratified": lambda: pipeline(split=ov.SplitStratified()),
    "bins": lambda: pipeline(split=ov.SplitStratified(bins=5)),
    "salt": lambda: pipeline(split=ov.SplitByHash("customer", salt="x")),
    "trials": lambda: pipeline(training=ov.Training(algorithms=["logistic"], trials=3)),
    "algorithms": lambda: pipeline(training=ov.Training(algorithms=["lightgbm"])),
    "weights": lambda: pipeline(training=ov.Training(algorithms=["logistic"], weights="balanced")),
    "monotone": lambda: pipeline(
        training=ov.Training(algorithms=["logistic"], monotone={"amount": 1})
    ),
    "encodings": lambda: pipeline(
        training=ov.Training(algorithms=["logistic"], encodings={"hour": "categorical"})
    ),
    "gate": lambda: pipeline(gate=ov.Gate(beat_champion_by=0.01)),
    "gate's limit": lambda: pipeline(gate=ov.Gate(slowest_answer="10ms")),
    "evaluation": lambda: pipeline(evaluation=ov.Evaluation(slices=["hour"])),
    "k": lambda: pipeline(problem=problem(metric="recall_at_k", k=10)),
    "k, a share": lambda: pipeline(problem=problem(metric="recall_at_k", k=0.1)),
    "costs": lambda: pipeline(problem=problem(costs=ov.Costs(1, 2))),
    "other costs": lambda: pipeline(problem=problem(costs=ov.Costs(1, 2, 0.5))),
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
        evaluation=ov.Evaluation(schedule=ov.Schedule(on="upstream")),
        deployment=ov.Replace(schedule=ov.Schedule(on="manual")),
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


def stored(changed=None, loaded=("orders",), widened=()):
    return table_fingerprints(changed or pipeline(), dict.fromkeys(loaded, widened))


def test_only_the_columns_that_a_change_touches_get_new_fingerprints():
    before = stored()
    assert {name: list(columns) for name, columns in before.items()} == {
        ROWS: ["key:order_id", "key:customer", "amount", "hour"],
        "customer": [
            f"customer__amount_{c}" for c in ("count_1d", "mean_1d", "count_7d", "mean_7d")
        ],
    }
    row = stored(pipeline(row=[amount * 2]))
    assert row["customer"] == before["customer"]
    assert row[ROWS]["amount"] != before[ROWS]["amount"]
    assert row[ROWS]["key:customer"] == before[ROWS]["key:customer"]
    longer = stored(pipeline(views=[view(orders(), over=["1d", "8d", "7d"])]))
    assert longer[ROWS] == before[ROWS]
    assert before["customer"].items() <= longer["customer"].items()
    assert len(longer["customer"]) == 6
    checked = orders(checks=[ov.Check("positive", amount > 0)], description="checked")
    assert stored(pipeline(checked)) == before
    trained = pipeline(training=ov.Training(trials=2), split=ov.SplitByTime(gap="2d"))
    assert stored(trained) == before
    late = stored(pipeline(views=[ov.View("customer", "customer", [window(orders())], late="8d")]))
    first_load = stored(loaded=[])
    for other in (late, first_load):
        assert not set(other["customer"].values()) & set(before["customer"].values())


def test_a_column_of_another_type_is_another_one_where_it_is_used():
    before = stored()
    assert stored(widened=["nobody", "uses", "these"]) == before
    wider = stored(widened=["amount"])
    for name, columns in before.items():
        assert not set(columns.values()) & set(wider[name].values())


def test_a_renamed_column_is_another_event_with_the_same_stamps():
    before, after = orders(), orders(offline=ov.Files("orders.csv", renamed={"amt": "amount"}))
    assert before.events_fingerprint != after.events_fingerprint
    assert before.stamps_fingerprint == after.stamps_fingerprint


def test_a_columns_name_does_not_enter_its_fingerprint():
    before = stored()
    renamed = stored(
        pipeline(
            row=[amount.alias("price"), pl.col("at").dt.hour().alias("o_clock")],
            views=[view(orders(), name="paid")],
            derived=[],
        )
    )
    for name, columns in before.items():
        values = [mark for column, mark in columns.items() if not column.startswith("key:")]
        assert values == [m for c, m in renamed[name].items() if not c.startswith("key:")]
    inner = [pl.struct(amount.alias(name)).struct.json_encode().alias("x") for name in "ab"]
    one, two = (stored(pipeline(row=[each]))[ROWS]["x"] for each in inner)
    assert one != two, "a name within the expression is a part of its meaning"


def test_a_derived_feature_changes_with_what_it_is_computed_from():
    def features(**changes):
        changed = pipeline(**changes)
        return feature_fingerprints(changed, stored(changed))

    before = features()
    assert list(before) == pipeline().features
    longer = features(views=[view(orders(), over=["7d", "8d"])])
    assert longer["usual"] == before["usual"]
    other = features(row=[(amount * 2).alias("amount"), pl.col("at").dt.hour().alias("hour")])
    assert other["usual"] != before["usual"]
    assert other["hour"] == before["hour"]


def test_what_features_are_computed_from_is_needed():
    assert needed_columns(pipeline(), ["usual", "hour"]) == {
        "amount", "customer__amount_mean_7d", "hour",
    }  # fmt: skip
    assert needed_columns(pipeline(), ["hour"]) == {"hour"}


def columns_of(**changes):
    """Return the fingerprint of each column of a view by name."""
    on = changes.pop("on", {})
    late = changes.pop("late", "7d")
    made = ov.View("customer", "customer", [window(orders(), **changes)], on=on, late=late)
    return {feature.name: made.feature_fingerprint(feature) for feature in made.features}


def test_a_column_keeps_its_fingerprint_when_others_come_and_go():
    before = columns_of()
    assert len(set(before.values())) == len(before) == 4
    more = columns_of(over=["1h", "7d", "1d"], take=["max", "mean", "count", "lag2", "q50"])
    assert {name: more[name] for name in before} == before
    renamed = columns_of(name="price")
    assert list(renamed.values()) == list(before.values())
    assert "customer__price_mean_1d" in renamed


def test_whatever_a_column_depends_on_is_in_its_fingerprint():
    taken = {"take": ["lag1", "q50", "decayed_sum"], "halflife": "1d"}
    changes = [
        {"where": amount > 0, "name": "amount"}, {"value": "price", "name": "amount"},
        {"delay": "1h"}, {"over": ["2d", "8d"]}, {"current": False},
        {"resolution": "1h", "take": ["q50", "decayed_sum"]},
        {"late": "8d"}, {"on": {"buyer": "customer"}}, {"take": ["lag2", "q49", "decayed_count"]},
    ]  # fmt: skip
    before = set(columns_of(**taken).values())
    for change in changes:
        assert not before & set(columns_of(**(taken | change)).values()), change
    slower = set(columns_of(**(taken | {"halflife": "2d"})).values())
    assert len(before & slower) == 4, "the half-life concerns what decays"


def test_names_of_columns_say_what_they_are():
    named = columns_of(take=["lag1", "q5", "top", "decayed_mean"], halflife="36h", delay="1h")
    assert list(named)[:4] == [
        "customer__amount_lag1_1d_delay1h",
        "customer__amount_q5_1d_delay1h",
        "customer__amount_top_1d_delay1h",
        "customer__amount_decayed_mean_1d_half1d12h_delay1h",
    ]


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
    schedule = found["datasets"][0]["schedule"]
    assert (schedule["is"], schedule["cron"], schedule["every"]) == ("Schedule", "0 * * * *", None)
    assert found["training"]["schedule"]["every"] == "1d"
    assert found["monitor"]["schedule"] is None
    assert made.schedules == {"ingestion/orders": hourly, "training": daily}
    assert [each["url"] for each in found["notify"]] == ["json://host", "tgram://…"]
    assert found["notify"][0]["severity"] == "info"
    assert made.notify == tuple(map(ov.Notify, urls))
    assert "secret" not in repr(made)


def test_schedules_that_mean_the_same_are_equal():
    assert ov.Schedule(every="60m") == ov.Schedule(every=timedelta(hours=1))
    assert ov.Schedule(every="1h") != ov.Schedule(cron="0 * * * *")
    night = ov.Schedule(on="upstream", hours=(time(22), "06:00"), from_=date(2026, 5, 1))
    assert night == ov.Schedule(on="upstream", hours=["22:00", "06:00"], from_="2026-05-01")
    assert ov.Schedule(every="1h", blackouts=["2026-12-25"]) == ov.Schedule(
        every="1h", blackouts=[(date(2026, 12, 25), "2026-12-25")]
    )


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


def test_values_that_name_something_are_never_widened_however_they_are_computed():
    sales = ov.Dataset(
        "sales",
        ov.Files("*.csv", renamed={"no": "raw_id"}),
        columns={"half": pl.col("raw_id").cast(pl.String), "key": "k" + pl.col("half")},
        event_id="key",
        event_time="at",
    )
    label = ov.Label("y", of=sales, value=pl.col("y"))
    problem = ov.Problem("?", target="y", kind="binary", metric="roc_auc", at_least=0.5)
    asked = ov.Pipeline(
        problem=problem, datasets=[sales], rows=sales, label=label, row=[pl.col("x")]
    )
    assert naming_columns(asked, sales) == {"key", "half", "raw_id", "no"}
    assert {"raw_id", "at", "x", "y"} <= source_columns(asked, sales).keys()
    assert "half" not in source_columns(asked, sales)


def test_a_column_of_two_names_is_widened_if_one_brought_whole_numbers():
    stored = {"amount": "integer", "amt": "number", "n": "integer", "w": "widened"}
    assert widened(stored, {"amt": "amount"}) == ["amount", "w"]
    assert widened(stored, {}) == ["w"]
