"""Windows over texts, times and numbers, through all stages, and the same at request time."""

import json
import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import xxhash

from octavo.bundle import Bundle
from octavo.bundle.profile import load_profile
from octavo.project import load
from octavo.status import outputs
from octavo.stores import catalog as tables
from octavo.stores.predictions import PredictionStore

from .answering import score_events
from .outcome import logging, rows_of

PRODUCT = 'ov.View("product", key="product", windows=[ov.Window(products, "price", take="last")]),'
VIEWS = """ov.View("product", key="product", windows=[
            ov.Window(products, "price", take="last"),
            ov.Window(products, "product", take="last", name="itself"),
        ]),
        ov.View("buyer", key="customer", windows=[
            ov.Window(orders, "channel", over="7d", take=["first", "last", "lag1", "lag2", "top"]),
            ov.Window(orders, "channel", over=None, take=["n_unique", "count", "since_last"]),
            ov.Window(
                orders, pl.when(pl.col("amount") > 90).then(pl.col("product")), name="dear",
                over="20d", take=["last", "top", "n_unique"], current=False,
            ),
            ov.Window(returns, "outcome", over="20d", take=["last", "top"]),
            ov.Window(
                orders, "ordered_at", over="20d",
                take=["first", "last", "lag1", "min", "max", "top", "n_unique"],
            ),
            ov.Window(
                orders, "amount", over="10d", halflife="36h",
                take=["lag1", "n_unique", "top", "q50", "q90",
                      "decayed_count", "decayed_sum", "decayed_mean"],
            ),
            ov.Window(
                orders, "amount", over="2d", take=["count", "sum", "q50"], delay="5h",
                resolution="1d", name="coarse",
            ),
        ]),"""
SINCE = """(pl.col("amount") / pl.col("product__price_last")).alias("pieces"),
        (pl.col("ordered_at") - pl.col("buyer__ordered_at_lag1_20d")).dt.total_seconds()
        .alias("pause"),
        (pl.col("channel") == pl.col("buyer__channel_top_7d")).alias("as_usual"),"""
EDITS = {
    PRODUCT: VIEWS,
    '(pl.col("amount") / pl.col("product__price_last")).alias("pieces"),': SINCE,
    "ov.Lift(1.3)": "ov.Lift(1.01)",
}
TEXTS = {
    *(f"buyer__channel_{taken}_7d" for taken in ("first", "last", "lag1", "lag2", "top")),
    *("buyer__dear_last_20d", "buyer__dear_top_20d"),
    *("buyer__outcome_last_20d", "buyer__outcome_top_20d"),
}
NAMES = ("orders", "returns")
TIMES = {
    f"buyer__ordered_at_{taken}_20d" for taken in ("first", "last", "lag1", "min", "max", "top")
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_project, octavo):
    folder = make_project(tmp_path_factory.mktemp("kinds") / "shop", orders=1200, edits=EDITS)
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    return folder


def test_columns_have_the_types_of_their_values(finished):
    rows = rows_of(load(finished))
    buyer = {name: dtype for name, dtype in rows.schema.items() if name.startswith("buyer__")}
    assert {name for name, dtype in buyer.items() if dtype == pl.String} == TEXTS
    assert {n for n, dtype in buyer.items() if dtype == pl.Datetime("us", "UTC")} == TIMES
    others = set(buyer) - TEXTS - TIMES
    assert {buyer[name] for name in others} == {pl.Float64()}
    assert rows["pause"].dtype.is_numeric()
    parts = pl.concat(load(finished).data(part) for part in ("train", "validation", "test"))
    assert {name: parts.schema[name] for name in buyer} == buyer


def hashed(text):
    return xxhash.xxh3_64_intdigest(text.encode()) & ~(1 << 62)


def top(values, order=lambda value: value):
    return min(values, key=lambda value: (-values.count(value), order(value)), default=None)


def back(values, k):
    return values[-1 - k] if len(values) > k else None


def expected(orders, returns, row):
    """Say in plain Python what the features of one order are."""
    day = timedelta(days=1)
    now, who = row["ordered_at"], row["customer"]
    seen = [o for o in orders if o["customer"] == who]
    seen = [o for o in seen if (o["ordered_at"], o["order_id"]) <= (now, row["order_id"])]

    def column(name, over, of=seen, end=now):
        return [o[name] for o in of if end - over < o["ordered_at"] <= end]

    week = column("channel", 7 * day)
    dear = [o for o in seen if o["amount"] > 90 and o["order_id"] != row["order_id"]]
    dear = column("product", 20 * day, dear)
    ended = [r for r in returns if r["customer"] == who and r["decided_at"] <= now]
    ended = column("outcome", 20 * day, sorted(ended, key=lambda r: r["ordered_at"]))
    times = column("ordered_at", 20 * day)
    amounts = column("amount", 10 * day)
    ages = [(now - at) / timedelta(hours=36) for at in column("ordered_at", 10 * day)]
    weights = [2.0**-age for age in ages]
    decayed = sum(w * a for w, a in zip(weights, amounts, strict=True))
    end = (now - timedelta(hours=5)).replace(hour=0, minute=0, second=0)
    start = (now - timedelta(hours=5) - 2 * day).replace(hour=0, minute=0, second=0)
    coarse = column("amount", end - start, end=end)
    return {
        "buyer__channel_first_7d": week[0],
        "buyer__channel_last_7d": week[-1],
        "buyer__channel_lag1_7d": back(week, 1),
        "buyer__channel_lag2_7d": back(week, 2),
        "buyer__channel_top_7d": top(week, hashed),
        "buyer__channel_n_unique": len({o["channel"] for o in seen}),
        "buyer__channel_count": len(seen),
        "buyer__channel_since_last": 0.0,
        "buyer__dear_last_20d": back(dear, 0),
        "buyer__dear_top_20d": top(dear, hashed),
        "buyer__dear_n_unique_20d": len(set(dear)),
        "buyer__outcome_last_20d": back(ended, 0),
        "buyer__outcome_top_20d": top(ended, hashed),
        "buyer__ordered_at_first_20d": times[0],
        "buyer__ordered_at_last_20d": now,
        "buyer__ordered_at_lag1_20d": back(times, 1),
        "buyer__ordered_at_min_20d": times[0],
        "buyer__ordered_at_max_20d": now,
        "buyer__ordered_at_top_20d": top(times),
        "buyer__ordered_at_n_unique_20d": len(set(times)),
        "buyer__amount_lag1_10d": back(amounts, 1),
        "buyer__amount_n_unique_10d": len(set(amounts)),
        "buyer__amount_top_10d": top(amounts),
        "buyer__amount_q50_10d": np.quantile(amounts, 0.5),
        "buyer__amount_q90_10d": np.quantile(amounts, 0.9),
        "buyer__amount_decayed_count_10d_half1d12h": sum(weights),
        "buyer__amount_decayed_sum_10d_half1d12h": decayed,
        "buyer__amount_decayed_mean_10d_half1d12h": decayed / sum(weights),
        "buyer__coarse_count_2d_delay5h": len(coarse),
        "buyer__coarse_sum_2d_delay5h": math.fsum(coarse) if coarse else None,
        "buyer__coarse_q50_2d_delay5h": np.quantile(rounded(coarse), 0.5) if coarse else None,
    }


def rounded(values):
    """To 8 significant bits, as where a window has a resolution."""
    parts, powers = np.frexp(values)
    return np.ldexp(np.round(parts * 256), powers - 8)


def test_every_feature_is_what_plain_python_says(finished):
    rows = rows_of(load(finished)).sort(pl.col("_event_id").cast(pl.Int64))
    read = [pl.read_csv(finished / f"data/{n}.csv", try_parse_dates=True) for n in NAMES]
    utc = [pl.col(pl.Datetime).dt.replace_time_zone("UTC")]
    orders, returns = (
        frame.with_columns(utc if frame["ordered_at"].dtype == pl.Datetime("us") else []).to_dicts()
        for frame in read
    )
    assert rows["product__itself_last"].to_list() == [row["product"] for row in orders]
    for row in orders:
        wanted = expected(orders, returns, row)
        assert set(wanted) == {c for c in rows.columns if c.startswith("buyer__")}
        found = rows.row(row["order_id"] - 1, named=True)
        for name, value in wanted.items():
            if isinstance(value, float):
                assert found[name] == pytest.approx(value, rel=1e-12), (name, row)
            else:
                assert found[name] == value, (name, row)


def test_models_see_texts_and_durations_but_no_times(finished):
    project = load(finished)
    candidate = project.home.candidate(project.status()["deployment"]["candidate"])
    schema = Bundle.load(candidate).schema
    assert set(project.definition.features) - set(schema) == TIMES
    assert {schema[name] for name in TEXTS} == {"String"}
    described = load_profile(candidate)["features"]
    assert set(described) == set(schema)
    assert described["buyer__channel_top_7d"]["values"] == ["online", "store"]
    drift = outputs(project.catalog, "monitoring")["drift"]
    assert set(drift) >= TEXTS | {"pause", "as_usual"}
    [told] = [e for e in project.catalog.rows(tables.events.select()) if "input" in e["kind"]]
    assert set(told["subject"].split(", ")) == TIMES


def test_an_order_is_scored_with_them_and_logged(finished):
    project = load(finished)
    scorer = project.scorer()
    order = {"order_id": 9001, "ordered_at": "2024-02-29T12:00:00Z", "customer": "c01"}
    order |= {"product": "p01", "channel": "kiosk", "amount": 33.0}
    asked = scorer.decoder.decode(json.dumps({"events": [order]}).encode())
    with logging(project) as log:
        answer = score_events(scorer, log, asked)
    assert (log.logged, log.not_logged) == (1, {})
    assert 0 < answer["returned"][0] < 1
    logged = PredictionStore(project.home).scan().filter(pl.col("origin") == "http").collect()
    features = json.loads(logged["features"][0])
    assert features["buyer__channel_last_7d"] == "kiosk", "a text that no state has seen"


def test_features_get_tells_texts_and_times(finished, octavo):
    arguments = ("features", "get", "c01", "--view", "buyer", "--dir", finished)
    found = json.loads(octavo(*arguments, "--json").stdout)
    assert found["buyer__channel_last_7d"] in ("online", "store", None)
    assert found["buyer__ordered_at_last_20d"].startswith("2024-02")
    assert found["buyer__ordered_at_last_20d"] in octavo(*arguments).stdout


def test_a_request_gets_what_prep_gives_later(tmp_path, make_project, octavo):
    """The last orders of several customers, one of them with a text that was never seen."""
    folder = make_project(tmp_path / "shop", orders=1200, edits=EDITS)
    path = folder / "data/orders.csv"
    table = pl.read_csv(path)
    last = table.tail(40).unique("customer", keep="last", maintain_order=True).tail(8)
    table.filter(~pl.col("order_id").is_in(last["order_id"].to_list())).write_csv(path)
    never = pl.col("order_id") == last["order_id"][3]
    last = last.with_columns(channel=pl.when(never).then(pl.lit("kiosk")).otherwise("channel"))
    assert octavo("run", folder, "--to", "prep").returncode == 0
    last.write_csv(folder / "new.csv")
    schema = dict(pl.read_csv(path, try_parse_dates=True).schema)
    source = pl.read_csv(folder / "new.csv", schema_overrides=schema)
    online = load(folder).features()
    together = online.of_rows(source)
    alone = pl.concat(online.of_rows(source.slice(i, 1)) for i in range(source.height))
    (folder / "new.csv").rename(folder / "data/orders-2.csv")
    done = octavo("run", folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    prepped = rows_of(load(folder)).filter(
        pl.col("_event_id").is_in(together["_event_id"].to_list())
    )
    prepped = together.select("_event_id").join(prepped, on="_event_id", maintain_order="left")
    assert "kiosk" in prepped["buyer__channel_last_7d"].to_list()
    for name in load(folder).definition.features:
        assert bits(together[name]).equals(bits(alone[name]), null_equal=True), name
        assert bits(prepped[name]).equals(bits(together[name]), null_equal=True), name


def bits(column):
    return column.reinterpret(signed=True) if column.dtype == pl.Float64 else column
