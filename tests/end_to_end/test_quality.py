"""Dirty data through a pipeline: found, said, treated; offline as online; nothing lost."""

import json

import polars as pl
import pytest

from .shop_project import Shop

DECLARED = """    event_time="ordered_at",
    checks=[ov.Check("amount is positive", pl.col("amount") > 0)],
"""
TREATED = """    event_time="ordered_at",
    treat=[
        ov.AsNumber("amount", decimal=",", units={"EUR": 1, "ct": 0.01}),
        ov.Normalize("channel", strip=True, case="lower"),
    ],
    checks=[ov.Check("amount is positive", pl.col("amount") > 0)],
"""


def dirty(orders: pl.DataFrame) -> pl.DataFrame:
    """Return the same orders as another shop system writes them."""
    number = pl.int_range(pl.len())
    amount = pl.col("amount").cast(pl.String).str.replace(".", ",", literal=True) + " EUR"
    cents = (pl.col("amount") * 100).cast(pl.Int64).cast(pl.String) + " ct"
    channel = pl.col("channel").str.to_uppercase() + "  "
    return orders.with_columns(
        amount=pl.when(number % 7 == 0).then(cents).otherwise(amount),
        channel=pl.when(number % 5 == 0).then(channel).otherwise("channel"),
    )


@pytest.fixture(scope="module")
def clean(tmp_path_factory, make_project):
    shop = Shop(make_project(tmp_path_factory.mktemp("clean") / "shop", orders=600))
    shop.run()
    return shop


@pytest.fixture(scope="module")
def soiled(tmp_path_factory, make_project):
    shop = Shop(make_project(tmp_path_factory.mktemp("dirty") / "shop", orders=600))
    shop.write("orders.csv", dirty(shop.read("orders.csv")))
    shop.edit((DECLARED, TREATED))
    shop.run()
    return shop


def test_treated_data_give_the_features_of_clean_data(clean, soiled):
    assert soiled.rows.drop("_known_at").equals(clean.rows.drop("_known_at"))


def test_requests_are_treated_by_the_same_code(clean, soiled):
    features = soiled.project.features()
    source = dirty(clean.read("orders.csv")).tail(20)
    source = source.with_columns(
        pl.col("ordered_at").str.to_datetime(time_zone="UTC", time_unit="us")
    )
    found = features.of_rows(source)
    plain = clean.project.features().of_rows(
        clean.read("orders.csv")
        .tail(20)
        .with_columns(pl.col("ordered_at").str.to_datetime(time_zone="UTC", time_unit="us"))
    )
    columns = ["channel", "amount", "customer__amount_mean_7d", "amount_against_usual"]
    assert found.select(columns).equals(plain.select(columns))


def test_the_raw_store_keeps_what_came(soiled, octavo):
    batches = json.loads(octavo("batches", soiled.folder, "--json").stdout)
    (batch,) = [b["batch_id"] for b in batches if b["dataset"] == "orders"]
    rows = json.loads(octavo("batches", soiled.folder, "--batch", batch, "--json").stdout)
    received = soiled.read("orders.csv")
    assert [row["amount"] for row in rows] == received["amount"].to_list()
    assert [row["channel"] for row in rows] == received["channel"].to_list()


def test_the_report_counts_what_was_treated_and_finds_nothing_more(soiled, octavo):
    call = octavo("quality", "orders", "--dir", soiled.folder, "--json")
    (report,) = json.loads(call.stdout)
    channel = soiled.read("orders.csv")["channel"]
    changed = (channel != channel.str.strip_chars().str.to_lowercase()).sum()
    assert report["treated"][1] == {
        "treatment": "Normalize channel", "changed": changed, "nulls": 0,
    }  # fmt: skip
    assert report["treated"][0]["nulls"] == 0
    assert [f["sentence"] for f in report["findings"] if f["weight"] == "fault"] == []
    assert report["columns"]["amount"]["type"] == "Float64"


def test_untreated_dirt_is_told_and_the_proposed_line_is_what_was_declared(
    tmp_path, make_project, octavo
):
    shop = Shop(make_project(tmp_path / "shop", orders=300))
    shop.write("orders.csv", dirty(shop.read("orders.csv")))
    shop.edit(('checks=[ov.Check("amount is positive", pl.col("amount") > 0)],', ""))
    done = octavo("run", shop.folder, "--to", "ingestion")
    assert done.returncode == 0, done.stderr
    octavo("run", shop.folder, "--to", "prep")  # the features cannot be computed from text
    said = octavo("quality", "orders", "--dir", shop.folder).stdout
    assert 'ov.AsNumber("amount", decimal=",", units={' in said
    assert 'ov.Normalize("channel", strip=True)' in said


def test_a_changed_treatment_folds_anew_and_writes_the_report_again(clean, tmp_path):
    shop = clean.copy(tmp_path / "shop")
    before = shop.rows["amount"].max()
    shop.edit(
        (
            DECLARED,
            DECLARED.replace("    checks", '    treat=[ov.Clip("amount", high=20)],\n    checks'),
        )
    )
    assert "customer" in shop.run()["folded"]
    assert before > 20 == shop.rows["amount"].max()
    (batch,) = shop.project.catalog.committed("orders")
    assert batch["quality"]["treated"][0]["treatment"] == "Clip amount"
    assert shop.run() == {}


def test_a_page_is_written_for_a_batch(soiled, octavo, tmp_path):
    page = tmp_path / "orders.html"
    done = octavo("quality", "orders", "--dir", soiled.folder, "-o", page)
    assert done.returncode == 0, done.stderr
    assert page.read_text().startswith("<!doctype html>")
    assert octavo("quality", "nothing", "--dir", soiled.folder).returncode == 2
    assert octavo("quality", "--dir", soiled.folder, "-o", page).returncode == 2


def test_later_batches_are_compared_with_earlier_ones(tmp_path, make_project):
    shop = Shop(make_project(tmp_path / "shop", orders=1200, parts=6)).hold_back("orders-5.csv")
    shop.run()
    shop.deliver("orders-5.csv")
    last = shop.read("orders-5.csv").with_columns(pl.col("amount") * 2.54)
    shop.write("orders-5.csv", pl.concat([last, last.with_columns(pl.col("order_id") + 9000)]))
    shop.run()
    *_, newest = shop.project.catalog.committed("orders")
    rules = {f["rule"] for f in newest["quality"]["findings"] if f["kind"] == "schema"}
    assert rules == {"rows", "shifted"}
