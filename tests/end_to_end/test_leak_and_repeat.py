"""Time and idempotence: the future changes nothing, and the same again adds nothing."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from octavo.project import load

from .outcome import assert_same, outcome, rows_of

START = datetime(2024, 1, 1, tzinfo=UTC)


def change_after(folder: Path, moment: datetime) -> int:
    """Change what was observed, of every order placed and every outcome known after a moment."""
    changed = 0
    orders = pl.read_csv(folder / "data/orders.csv", try_parse_dates=True)
    later = pl.col("ordered_at").dt.replace_time_zone("UTC", ambiguous="earliest") > moment
    if orders.schema["ordered_at"].time_zone:
        later = pl.col("ordered_at") > moment
    changed += orders.filter(later).height
    amount = pl.when(later).then(pl.col("amount") * 3 + 1).otherwise(pl.col("amount"))
    customer = pl.when(later).then(pl.lit("c00")).otherwise(pl.col("customer"))
    orders.with_columns(amount, customer).write_csv(folder / "data/orders.csv")
    returns = pl.read_csv(folder / "data/returns.csv", try_parse_dates=True)
    known = pl.col("decided_at") > moment
    changed += returns.filter(known).height
    flipped = (
        pl.when(pl.col("outcome") == "kept").then(pl.lit("returned")).otherwise(pl.lit("kept"))
    )
    outcome = pl.when(known).then(flipped).otherwise(pl.col("outcome")).alias("outcome")
    returns.with_columns(outcome).write_csv(folder / "data/returns.csv")
    return changed


@pytest.fixture(scope="module")
def prepped(tmp_path_factory, make_project, octavo):
    folder = make_project(tmp_path_factory.mktemp("leak") / "shop")
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    return folder


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_what_is_known_after_a_moment_changes_no_feature_before_it(
    prepped, tmp_path, make_project, octavo, share
):
    moment = START + timedelta(days=60 * share)
    folder = make_project(tmp_path / "shop")
    assert change_after(folder, moment) > 100
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    before, after = (
        rows_of(load(path)).filter(pl.col("_event_time") <= moment) for path in (prepped, folder)
    )
    assert before.height > 100
    assert_same(after, before)
    whole = rows_of(load(folder))
    assert not whole.equals(rows_of(load(prepped))), "the change must be visible later"


def test_features_equal_an_inequality_join_in_duckdb(prepped):
    """An independent oracle: what was known before each order, by (known_at, position)."""
    found = rows_of(load(prepped)).select(
        "_event_id", "customer__amount_count_7d", "customer__returned_count_30d",
        "customer__returned_mean_30d",
    )  # fmt: skip
    data = prepped / "data"
    expected = duckdb.sql(f"""
        with o as (select *, row_number() over () as n from read_csv('{data}/orders.csv')),
             r as (select *, row_number() over () as n from read_csv('{data}/returns.csv'))
        select cast(q.order_id as varchar) as _event_id,
          (select count(*)::double from o as u where u.customer = q.customer
            and (u.ordered_at, u.n) <= (q.ordered_at, q.n)
            and u.ordered_at > q.ordered_at - interval 7 days) as customer__amount_count_7d,
          (select count(*)::double from r as u where u.customer = q.customer
            and u.decided_at < q.ordered_at
            and u.ordered_at <= q.ordered_at
            and u.ordered_at > q.ordered_at - interval 30 days) as customer__returned_count_30d,
          (select avg((u.outcome = 'returned')::double) from r as u where u.customer = q.customer
            and u.decided_at < q.ordered_at
            and u.ordered_at <= q.ordered_at
            and u.ordered_at > q.ordered_at - interval 30 days) as customer__returned_mean_30d
        from o as q""").pl()
    joined = found.join(expected, on="_event_id", suffix="_expected", validate="1:1")
    assert joined.height == found.height == 2000
    for name in found.columns[1:]:
        assert joined[name].equals(joined[f"{name}_expected"], null_equal=True), name


def test_the_same_content_is_recognized_under_any_name(prepped, tmp_path, octavo):
    folder = tmp_path / "shop"
    shutil.copytree(prepped, folder)
    before = outcome(folder)["raw"]
    shutil.copy(folder / "data/orders.csv", folder / "data/orders-again.csv")
    (folder / "data/returns.csv").touch()
    done = octavo("run", folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    assert_same(outcome(folder)["raw"], before)
    assert len(load(folder).catalog.committed()) == 3


def test_rows_seen_before_are_kept_aside_not_counted_twice(prepped, tmp_path, octavo):
    folder = tmp_path / "shop"
    shutil.copytree(prepped, folder)
    lines = (folder / "data/orders.csv").read_text().splitlines()
    new = lines[1].replace(lines[1].split(",")[0], "999999", 1)
    restated = lines[3].rsplit(",", 1)[0] + ",12345.0"
    (folder / "data/orders-2.csv").write_text("\n".join([lines[0], lines[2], restated, new]) + "\n")
    done = octavo("run", folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    project = load(folder)
    batch = project.catalog.committed("orders")[-1]
    assert (batch["rows"], batch["rejected"], batch["duplicates"]) == (1, 1, 1)
    shown = octavo("batches", folder, "--rejected", "--batch", batch["batch_id"], "--json").stdout
    assert '"restated"' in shown
    assert "12345.0" in shown
    assert rows_of(project).height == 2001


def test_late_batches_are_known_from_their_arrival_and_prep_again_to_the_same_bits(
    tmp_path, make_project, octavo
):
    import sqlalchemy as sa

    from octavo.stores import catalog as tables

    folder = make_project(tmp_path / "shop", parts=3)
    held = sorted((folder / "data").glob("*-[12].csv"))
    for path in held:
        path.rename(path.with_suffix(".later"))
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    for number in (1, 2):
        for path in (folder / "data").glob(f"*-{number}.later"):
            path.rename(path.with_suffix(".csv"))
        done = octavo("run", folder, "--to", "segregation")
        assert done.returncode == 0, done.stderr
    project = load(folder)
    grown = rows_of(project)
    assert grown.height == 2000
    clocks = [batch["clock"] for batch in project.catalog.committed("orders")]
    assert clocks[0] is None
    assert clocks[1] < clocks[2]
    raw = outcome(folder)["raw"]["returns"]
    late = raw.filter(pl.col("_known_at") > pl.col("decided_at"))
    assert late.height, "an outcome that came late is known from the clock of its arrival"

    with project.catalog.transaction() as connection:
        connection.execute(sa.delete(tables.feature_versions))
        connection.execute(sa.delete(tables.stage_runs))
    shutil.rmtree(project.home.path / "features")
    shutil.rmtree(project.home.path / "state")
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    again = rows_of(load(folder))
    assert_same(again, grown)
