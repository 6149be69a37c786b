"""What comes when no window can see it is told of, once."""

import polars as pl
import sqlalchemy as sa

from octavo.stores import catalog as tables

from .shop_project import Shop


def test_events_that_come_too_late_are_told_of_once(tmp_path, make_project):
    shop = Shop(make_project(tmp_path / "shop", orders=400, parts=2))
    shop.hold_back("orders-0.csv", "returns-0.csv").run(last="prep")
    query = sa.select(tables.events).where(tables.events.c.kind == "late data")
    assert shop.project.catalog.rows(query) == []
    found = shop.deliver("orders-0.csv", "returns-0.csv").run(last="prep")
    (event,) = shop.project.catalog.rows(query)
    assert event["subject"] == f"view 'customer': {found['too_late']:,} observations"
    assert found["too_late"] > 100
    shop.write(
        "orders-2.csv", shop.read("orders-1.csv").tail(1).with_columns(order_id=pl.lit(99_999))
    )
    assert shop.run(last="prep")["too_late"] == found["too_late"], "it counts on"
    assert len(shop.project.catalog.rows(query)) == 1
