"""Leaks put into the shop's own files are found by the stage, told, and may keep a model back."""

import json

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.project import load
from octavo.stages.segregation import api, examine
from octavo.stores import catalog as tables
from octavo.stores.raw import RawStore

from .shop_project import Silent

ROW = 'row=[pl.col("channel")'
SPLIT = 'split=ov.SplitByTime(train=0.6, validation=0.2, test=0.2, gap="1d")'
MODEL = "training="


def shop(make_project, folder, edits=None, orders=None, products=None):
    """Write the shop, with its definition edited and columns added to its files."""
    make_project(folder, edits=edits)
    for name, change in (("orders", orders), ("products", products)):
        path = folder / f"data/{name}.csv"
        if change is not None:
            change(pl.read_csv(path), pl.read_csv(folder / "data/returns.csv")).write_csv(path)
    return folder


def with_outcome(orders, returns):
    return orders.join(returns.select("order_id", "decided_at", "outcome"), on="order_id")


def refunded(orders, returns):
    """A column that is filled when an order comes back."""
    back = pl.when(pl.col("outcome") == "returned").then(pl.col("amount"))
    return with_outcome(orders, returns).with_columns(back.alias("refund")).drop(
        "decided_at", "outcome"
    )  # fmt: skip


def copied(orders, returns):
    return with_outcome(orders, returns).rename({"outcome": "state"}).drop("decided_at")


def updated(products, returns):
    """A snapshot of later: each product's newest update is after most orders of it."""
    newest = pl.lit(returns["decided_at"].max())
    return products.with_columns(newest.alias("updated_at"))


def found(octavo, folder):
    done = octavo("run", folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    return done, json.loads(octavo("leaks", folder, "--json").stdout)


@pytest.mark.parametrize(
    ("kind", "columns", "change"),
    [
        ("post-event column", ["refund"], {"orders": refunded}),
        ("target copy", ["state"], {"orders": copied}),
        ("future-dated join", ["product__price_last"], {"products": updated}),
        (
            "future-dated join",
            ["customer__returned_count_30d", "customer__returned_mean_30d"],
            {"edits": {'    available=pl.col("decided_at"),\n': ""}},
        ),
        (
            "entity overlap",
            ["key:customer"],
            {
                "edits": {SPLIT: 'split=ov.SplitByHash("customer")'},
                "orders": lambda orders, _: orders.with_columns(
                    pl.when(pl.col("order_id") % 2 == 0)
                    .then(pl.col("customer").str.to_uppercase())
                    .otherwise("customer")
                ),
            },
        ),
    ],
)
def test_what_is_put_in_is_found_by_the_run(tmp_path, make_project, octavo, kind, columns, change):
    edits = dict(change.get("edits", {}))
    if "orders" in change and kind != "entity overlap":
        edits[ROW] = f'row=[pl.col("{columns[0]}"), pl.col("channel")'
    folder = shop(
        make_project, tmp_path / "shop", edits, change.get("orders"), change.get("products")
    )
    done, leaks = found(octavo, folder)
    assert [leak["kind"] for leak in leaks] == [kind], leaks
    assert leaks[0]["columns"] == columns
    assert f"leak suspected: {kind}" in done.stderr
    events = load(folder).catalog.rows(
        sa.select(tables.events).where(tables.events.c.kind == "leak suspected")
    )
    assert [(event["subject"], event["severity"]) for event in events] == [(kind, "warning")]
    assert load(folder).status()["leaks"] == leaks


def prepared(orders, returns):
    """Columns as somebody leaves them who prepares a whole table: scaled, and encoded."""
    back = (pl.col("outcome") == "returned").cast(pl.Float64)
    n, total = pl.len().over("product"), back.sum().over("product")
    amount = pl.col("amount").log()
    return with_outcome(orders, returns).with_columns(
        ((amount - amount.mean()) / amount.std()).alias("scaled"),
        (total / n).alias("usual"),
        ((total - back) / (n - 1)).alias("others"),
    ).drop("decided_at", "outcome")  # fmt: skip


@pytest.mark.parametrize(("looked", "held"), [(10**6, 10**8), (400, 10**8), (400, 0)])
def test_of_many_rows_some_are_looked_at_and_all_where_it_takes_all(
    tmp_path, make_project, monkeypatch, looked, held
):
    monkeypatch.setattr(examine, "LOOKED", looked)
    monkeypatch.setattr(api, "HELD", held)
    given = ", ".join(f'pl.col("{name}")' for name in ("scaled", "usual", "others", "product"))
    again = 'take="last"), ov.Window(products, "price", take="last", name="again")]'
    edits = {ROW: f'row=[{given}, pl.col("channel")', 'take="last")]': again}
    folder = shop(make_project, tmp_path / "shop", edits, prepared)
    project = load(folder)
    read = []
    events = RawStore.events

    def counted(store, dataset, *arguments):
        read.append(dataset.name)
        return events(store, dataset, *arguments)

    project.run(Silent(), last="prep")
    monkeypatch.setattr(RawStore, "events", counted)
    project.run(Silent(), last="segregation")
    assert read == ["products"], "once, however many windows look it up"
    found = {(leak["kind"], *leak["columns"]) for leak in project.rows().leaks}
    assert found == {
        ("scaling fitted on all rows", "scaled"),
        ("encoding fitted on all rows", "usual"),
        ("encoding fitted on all rows", "others"),
    }


def test_the_shop_as_it_is_has_none(finished, octavo):
    assert json.loads(octavo("leaks", finished, "--json").stdout) == []
    assert octavo("leaks", finished).stdout == "No leak is suspected.\n"


def test_a_gate_may_refuse_what_leaks(tmp_path, make_project, octavo):
    edits = {ROW: 'row=[pl.col("refund"), pl.col("channel")'}
    folder = shop(make_project, tmp_path / "shop", edits, refunded)
    done = octavo("run", folder)
    assert done.returncode == 0, "a warning by default"
    assert "Leak?     post-event column: whether 'refund' is filled tells 'returned'." in " ".join(
        done.stdout.split("\n")
    )
    assert load(folder).status()["deployment"]
    script = folder / "pipeline.py"
    gate = f"gate=ov.Gate(refuse_leaks=True),\n    {MODEL}"
    script.write_text(script.read_text().replace(MODEL, gate))
    done = octavo("run", folder, "--fresh", "--json")
    document = json.loads(done.stdout)
    assert document["verdict"]["answered"]
    assert not document["verdict"]["promoted"]
    assert document["deployment"] is None
    assert "leaks are suspected (post-event column)" in document["verdict"]["reason"]
    assert "candidate refused" in done.stderr
