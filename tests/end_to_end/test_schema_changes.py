"""Files whose columns are not those of earlier batches, through the command line."""

import json

import polars as pl
import pytest

from .shop_project import Shop

SOURCE = 'ov.Files("data/orders*.csv")'
RENAMED = 'ov.Files("data/orders*.csv", renamed={"amt": "amount"})'


@pytest.fixture(scope="module")
def plain(tmp_path_factory, make_project):
    """Give a shop whose files all have the same columns, taken in one after the other."""
    shop = Shop(make_project(tmp_path_factory.mktemp("plain") / "shop", orders=600, parts=3))
    shop.hold_back("orders-1.csv", "orders-2.csv").run()
    for name in ("orders-1.csv", "orders-2.csv"):
        shop.deliver(name).run()
    return shop


@pytest.fixture
def shop(tmp_path, make_project):
    """Give the same shop before its later files come."""
    shop = Shop(make_project(tmp_path / "shop", orders=600, parts=3))
    shop.hold_back("orders-1.csv", "orders-2.csv").run()
    return shop


def values(shop):
    """Return the features; a widened column by its values."""
    return shop.rows.drop("_known_at").with_columns(pl.col("amount").cast(pl.Float64))


def change(shop, name, *expressions, renamed=None):
    """Deliver a file with other columns."""
    shop.deliver(name)
    shop.write(name, shop.read(name).with_columns(*expressions).rename(renamed or {}))


def test_a_renamed_column_is_refused_and_with_the_line_to_paste_read_as_one(shop, plain, octavo):
    change(shop, "orders-1.csv", renamed={"amount": "amt"})
    done = octavo("run", shop.folder, "--to", "prep")
    assert done.returncode == 1
    assert "orders-1.csv: the file lacks 'amount'" in done.stderr
    assert "renamed={'amt': 'amount'}" in done.stderr
    assert shop.rows.height == 200, "nothing of it was ingested"
    shop.edit((SOURCE, RENAMED)).deliver("orders-2.csv")
    done = octavo("run", shop.folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    assert values(shop).equals(values(plain))
    raw = raw_rows(shop, octavo, 1)
    assert raw["amount"].null_count() == 200
    assert raw["amt"].to_list() == shop.read("orders-1.csv")["amt"].to_list()
    schema = {f["rule"] for f in report(shop, octavo)["findings"] if f["kind"] == "schema"}
    assert not schema & {"lost", "new", "renamed"}


def raw_rows(shop, octavo, number):
    """Return a batch's raw rows."""
    batches = json.loads(octavo("batches", shop.folder, "--json").stdout)
    name = [b["batch_id"] for b in batches if b["dataset"] == "orders"][number]
    return pl.DataFrame(
        json.loads(octavo("batches", shop.folder, "--batch", name, "--json").stdout),
        infer_schema_length=None,
    )


def report(shop, octavo):
    call = octavo("quality", "orders", "--dir", shop.folder, "--json")
    return json.loads(call.stdout)[0]


def test_what_no_feature_needs_comes_and_goes_and_is_told(shop, plain, octavo):
    change(shop, "orders-1.csv", pl.lit("X").alias("coupon"))
    done = octavo("run", shop.folder, "--to", "prep")
    assert "The column `coupon` is new" in done.stderr + done.stdout
    shop.deliver("orders-2.csv")
    done = octavo("run", shop.folder, "--to", "segregation")
    assert "The column `coupon` of earlier batches is gone" in done.stderr + done.stdout
    assert values(shop).equals(values(plain))
    for number, coupon in enumerate([None, "X", None]):
        assert set(raw_rows(shop, octavo, number)["coupon"]) == {coupon}


def test_a_renamed_column_that_nobody_uses_is_told_and_joined_later(shop, octavo):
    notes = pl.Series("note", [f"written on {n % 7}" for n in range(200)])
    first = shop.read("orders-0.csv").with_columns(notes)
    shop.write("orders-9.csv", first.with_columns(pl.col("order_id") + 9000))
    change(shop, "orders-1.csv", notes.alias("remark"))
    shop.run()
    (found,) = (f for f in report(shop, octavo)["findings"] if f["rule"] == "renamed")
    assert found["treatment"] == 'ov.Files(…, renamed={"note": "remark"})'
    shop.edit((SOURCE, 'ov.Files("data/orders*.csv", renamed={"note": "remark"})'))
    shop.edit(('row=[pl.col("channel"),', 'row=[pl.col("channel"), pl.col("remark"),'))
    shop.run()
    assert shop.rows["remark"].null_count() == 200, "the first batch had neither"


def test_whole_numbers_become_numbers_in_all_batches(tmp_path, make_project, octavo, plain):
    shop = Shop(make_project(tmp_path / "shop", orders=600, parts=3))
    for number in range(3):  # whole numbers, written as such
        name = f"orders-{number}.csv"
        shop.write(name, shop.read(name).with_columns(pl.col("amount").cast(pl.Int64)))
    shop.hold_back("orders-1.csv", "orders-2.csv").run()
    before = values(shop)
    assert shop.rows["amount"].dtype == pl.Int64
    change(shop, "orders-1.csv", pl.col("amount") + 0.5)
    done = octavo("run", shop.folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    assert shop.rows["amount"].dtype == pl.Float64
    assert values(shop).head(200).equals(before), "earlier rows are the same to the bit"
    shop.deliver("orders-2.csv")
    assert octavo("run", shop.folder, "--to", "segregation").returncode == 0
    halves = shop.rows["amount"] % 1
    assert halves.to_list() == [0.0] * 200 + [0.5] * 200 + [0.0] * 200
    counts = [s.rows["customer__amount_count_7d"] for s in (shop, plain)]
    assert counts[0].equals(counts[1])


def test_text_among_numbers_rejects_its_rows_and_is_told(shop, octavo):
    number = pl.int_range(pl.len())
    words = pl.when(number % 4 > 0).then(pl.lit("much")).otherwise("amount").alias("amount")
    change(shop, "orders-1.csv", words)
    assert octavo("run", shop.folder, "--to", "prep").returncode == 0
    found = report(shop, octavo)
    assert found["rejected"] == 150
    (told,) = (f for f in found["noticed"] if f["rule"] == "retyped")
    assert "in 150 rows (75 %) 'much' is not a number" in told["sentence"]
    rejected = octavo("batches", shop.folder, "--rejected", "--json")
    assert sum("much" in row["text"] for row in json.loads(rejected.stdout)) == 150


def test_an_event_that_comes_again_is_compared_by_what_the_file_has(shop, octavo):
    first = shop.read("orders-0.csv")
    shop.write("orders-7.csv", first.head(50).rename({"amount": "amt"}))
    shop.edit((SOURCE, RENAMED)).run()
    again = shop.project.catalog.committed("orders")[-1]
    assert (again["rows"], again["duplicates"], again["restated"]) == (0, 50, 0)
    shop.write("orders-8.csv", first.head(50).with_columns(coupon=pl.lit("X")))
    shop.run()
    again = shop.project.catalog.committed("orders")[-1]
    assert (again["rows"], again["duplicates"], again["restated"]) == (0, 0, 50)
    rebuilt = shop.rebuild()
    assert "customer" in rebuilt["rebuilt"]


def test_requests_may_use_either_name(shop, octavo):
    change(shop, "orders-1.csv", renamed={"amount": "amt"})
    shop.edit((SOURCE, RENAMED)).run()
    features = shop.project.features()
    source = shop.read("orders-1.csv").tail(20)
    source = source.with_columns(
        pl.col("ordered_at").str.to_datetime(time_zone="UTC", time_unit="us").dt.offset_by("40d")
    )
    assert features.of_rows(source).equals(features.of_rows(source.rename({"amt": "amount"})))
