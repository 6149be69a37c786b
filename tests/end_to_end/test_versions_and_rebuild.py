"""Features that are added or changed, rows that are corrected, batches that are taken back.

Each is compared, to the last bit, with a project that was right from the beginning.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.cli.main import main
from octavo.errors import DataError, DefinitionError
from octavo.runner import STAGES
from octavo.services.scoring import score
from octavo.stages.ingestion import offline as ingestion
from octavo.stages.prep import offline
from octavo.stages.segregation.api import SplitRows
from octavo.stores import catalog as tables
from octavo.stores.delta import DeltaLog
from octavo.stores.versions import latest

from .outcome import assert_same
from .shop_project import Shop, Silent

SIZE = {"orders": 600, "customers": 12, "days": 60, "parts": 2}
LONGER = ('over=["1d", "7d"], take', 'over=["1d", "7d", "30d"], take')
DOUBLE = (
    'row=[pl.col("channel")',
    'row=[(pl.col("amount") * 2).alias("double"), pl.col("channel")',
)
OTHER_DAY = ('over=["1d", "7d"], take', 'over=["2d", "7d"], take')
RENAMED = ('name="returned",\n', 'name="sent_back",\n')
DRIVER = Path(__file__).parent / "killed_run.py"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_project) -> Shop:
    """Give a shop whose whole past was prepped at once; copy it before changing anything."""
    shop = Shop(make_project(tmp_path_factory.mktemp("whole") / "shop", **SIZE))
    shop.run()
    return shop


@pytest.fixture(scope="module")
def half(tmp_path_factory, make_project) -> Shop:
    """Give a shop that was prepped up to the middle, the later files held back."""
    shop = Shop(make_project(tmp_path_factory.mktemp("half") / "shop", **SIZE))
    shop.hold_back("orders-1.csv", "returns-1.csv")
    shop.run()
    return shop


@pytest.fixture
def fresh(tmp_path, make_project):
    """Give a shop that has not run yet."""
    return lambda name="fresh": Shop(make_project(tmp_path / name / "shop", **SIZE))


def tables_of(shop: Shop, name: str) -> dict[str, int]:
    """Return the groups of a view with the versions of their Delta tables."""
    home = shop.project.home
    groups = shop.project.catalog.groups(name)
    return {g["group_id"]: DeltaLog(home.features(name, g["group_id"])).version() for g in groups}


# --- Features that are added, renamed, changed --------------------------------------------------


def test_new_features_are_back_filled_beside_the_live_ones(whole, fresh, tmp_path):
    shop = whole.copy(tmp_path / "shop")
    before = {name: tables_of(shop, name) for name in ("rows", "customer", "product")}
    done = shop.edit(LONGER, DOUBLE).run()
    assert done["folded"] == {
        "rows": ["double"],
        "customer": ["customer__amount_count_30d", "customer__amount_mean_30d"],
    }
    after = {name: tables_of(shop, name) for name in before}
    for name, groups in before.items():
        assert {group: after[name][group] for group in groups} == groups, "nothing was written"
    assert [len(after[name]) for name in before] == [2, 2, 1]
    assert_same(shop.rows, fresh().edit(LONGER, DOUBLE).run_and_read())
    groups = [g for g in shop.project.status()["feature_groups"] if g["cause"] == "changed"]
    assert [(g["name"], g["cut_over"]) for g in groups] == [("rows", 5), ("customer", 5)]
    assert "back-fills customer: 2 columns" in shop.project.home.log.read_text()


def test_explain_says_what_would_be_back_filled(whole, tmp_path):
    shop = whole.copy(tmp_path / "shop").edit(LONGER)
    prep = dict(shop.project.runner(Silent()).plan(list(STAGES)))["prep"]
    assert "back-fills customer: 2 columns (customer__amount_count_30d" in prep
    assert "at position 5" in prep


def test_a_renamed_feature_is_not_computed_again(whole, tmp_path):
    shop = whole.copy(tmp_path / "shop").edit(RENAMED)
    assert shop.run()["folded"] == {}
    found, before = shop.rows, whole.rows
    for name in ("count_30d", "mean_30d"):
        assert found[f"customer__sent_back_{name}"].equals(before[f"customer__returned_{name}"])
    online, same = shop.online("c01"), whole.online("c01")
    assert online["customer__sent_back_mean_30d"] == same["customer__returned_mean_30d"]


def test_a_changed_feature_is_cut_over_and_the_others_go_on(half, fresh, tmp_path):
    shop = half.copy(tmp_path / "shop").edit(OTHER_DAY)
    names = ["customer__amount_count_2d", "customer__amount_mean_2d"]
    assert shop.run()["folded"] == {"customer": names}
    done = shop.deliver("orders-1.csv", "returns-1.csv").run()
    assert done["folded"] == {}
    assert sorted(done["extended"]) == ["customer", "customer", "product", "rows"]
    other = fresh().hold_back("orders-1.csv", "returns-1.csv").edit(OTHER_DAY)
    other.run()
    other.deliver("orders-1.csv", "returns-1.csv").run()
    assert_same(shop.rows, other.rows)
    kept = [g["columns"] for g in shop.project.catalog.live_groups("customer")]
    assert sorted(len(columns) for columns in kept) == [2, 4], "the old group no longer has 1d"
    back = shop.edit(OTHER_DAY[::-1]).run()
    gone = ["customer__amount_count_1d", "customer__amount_mean_1d"]
    assert back["folded"] == {"customer": gone}, "what was not kept up is folded again"


def test_features_do_not_depend_on_those_they_are_folded_with(fresh):
    """Queries that come later than `late`: each window sees what it alone would have kept."""

    def shop(name: str, *edits: tuple[str, str]) -> Shop:
        made = fresh(name).edit(('late="14d"', 'late="1d"'), *edits)
        newer = made.read("orders-1.csv")
        odd = pl.col("order_id") % 2 == 1
        made.write("orders-1.csv", newer.filter(~odd))
        made.write("orders-odd.csv", newer.filter(odd))
        made.hold_back("orders-odd.csv").run()
        return made

    grown, together, alone = shop("grown"), shop("together", LONGER), shop("alone")
    grown.edit(LONGER).run()
    rows = [each.deliver("orders-odd.csv").run_and_read() for each in (grown, together, alone)]
    assert_same(rows[0], rows[1])
    assert_same(rows[0].select(rows[2].columns), rows[2])


def test_a_deployed_bundle_goes_on_while_features_are_added(tmp_path, make_project):
    shop = Shop(make_project(tmp_path / "shop", **SIZE | {"orders": 2000}))
    shop.run("deployment")
    shop.read("orders-1.csv").tail(50).write_csv(tmp_path / "in.csv")

    def scored() -> pl.DataFrame:
        files = tmp_path / "in.csv", tmp_path / "out.parquet"
        score(shop.project.scorer(), shop.project.home, *files)
        return pl.read_parquet(files[1])

    before = scored()
    assert before["returned"].n_unique() > 40
    shop.edit(LONGER, DOUBLE)
    assert scored().equals(before), "before the new features are prepped"
    shop.run()
    assert scored().equals(before)
    shop.run("evaluation")
    champion = shop.project.status()["verdict"]["champion"]
    assert "champion" in champion, "it can still be compared"
    shop.edit(('over="30d"', 'over="31d"'))
    with pytest.raises(DataError, match="customer__returned_mean_30d"):
        shop.project.scorer()


def states_of(shop: Shop) -> set[str]:
    return {folder.name for folder in (shop.project.home.path / "state").glob("*/*")}


def test_a_group_that_nothing_wants_ends_when_it_would_fall_behind(half, tmp_path):
    """Until then it may be wanted again, and is as stale as it was."""
    others = [('late="14d"', 'late="13d"')]
    shop = half.copy(tmp_path / "shop")
    new = restate(shop)
    shop.run()
    (before,) = shop.project.catalog.live_groups("customer")
    stale = {"customer": new["customer"].n_unique(), "rows": None}
    assert shop.edit(*others).run()["folded"].keys() == {"customer"}
    assert len(shop.project.catalog.live_groups("customer")) == 2
    assert shop.edit(*(edit[::-1] for edit in others)).run()["folded"] == {}
    assert shop.stale() == stale
    shop.edit(*others).deliver("orders-1.csv", "returns-1.csv").run()
    (after,) = shop.project.catalog.live_groups("customer")
    assert before["group_id"] != after["group_id"]
    assert shop.stale() == {"rows": None}
    assert before["group_id"] not in states_of(shop)


# --- Restated rows ------------------------------------------------------------------------------


def corrected(orders: pl.DataFrame) -> pl.DataFrame:
    """Give every 40th order another amount."""
    chosen = pl.col("order_id") % 40 == 3
    amount = pl.when(chosen).then(pl.col("amount") + 1000).otherwise(pl.col("amount"))
    return orders.with_columns(amount.alias("amount"))


def restate(shop: Shop, name: str = "orders-0.csv") -> pl.DataFrame:
    """Deliver corrections of a file's rows; return these."""
    old = shop.read(name)
    new = corrected(old).join(old, on=old.columns, how="anti")
    assert new.height >= 7
    shop.write("orders-corrected.csv", new)
    return new


def test_a_restated_row_marks_its_entities_and_changes_nothing(half, tmp_path, octavo):
    shop = half.copy(tmp_path / "shop")
    new = restate(shop)
    done = shop.run()
    assert done["folded"] == {}
    assert_same(shop.rows, half.rows)
    assert shop.stale() == {"customer": new["customer"].n_unique(), "rows": None}
    customer = new["customer"][0]
    arguments = ("features", "get", customer, "--view", "customer", "--dir", shop.folder, "--json")
    assert "restated" in json.loads(octavo(*arguments).stdout)["_stale"]
    others = set(shop.rows["key:customer"]) - set(new["customer"])
    assert others
    found = shop.project.features().lookup("customer", [min(others)], None)
    assert "_stale" not in found
    assert "features stale" in shop.project.home.log.read_text()
    again = shop.read("orders-corrected.csv")
    shop.write("orders-again.csv", again.reverse())
    shop.run()
    batch = shop.project.catalog.committed("orders")[-1]
    assert (batch["restated"], batch["duplicates"]) == (0, again.height), "known by now"


@pytest.mark.parametrize("rebuilt_before", [True, False])
def test_a_rebuild_takes_restatements_in_from_when_they_were_known(
    half, fresh, tmp_path, rebuilt_before
):
    shop = half.copy(tmp_path / "shop")
    before = half.rows
    new = restate(shop)
    shop.run()
    later = ("orders-1.csv", "returns-1.csv")
    if rebuilt_before:
        assert sorted(shop.rebuild()["rebuilt"]) == ["customer", "rows"]
        shop.deliver(*later).run()
    else:
        shop.deliver(*later).run()
        done = shop.rebuild()
        assert sorted(done["rebuilt"]) == ["customer", "rows"]
        assert done["extended"] == ["product"]
    assert shop.stale() == {}
    right = fresh().hold_back(*later)
    right.write("orders-0.csv", corrected(right.read("orders-0.csv")))
    right.run()
    right.deliver(*later).run()
    restated = pl.col("_event_id").is_in(new["order_id"].cast(pl.String).implode())
    old = pl.col("_event_id").is_in(before["_event_id"].implode())
    found, expected = (s.rows.drop("_position") for s in (shop, right))
    assert_same(found.filter(~old), expected.filter(~old))
    past = found.filter(old & ~restated)
    assert_same(past, before.drop("_position").filter(~restated))
    own = ["_event_id", "_event_time", "_known_at", "amount", "channel", "hour"]
    assert_same(found.select(own), expected.select(own))
    for customer in new["customer"].head(2):
        assert shop.online(customer) == right.online(customer)


def test_a_restated_outcome_is_the_label_after_the_rebuild(half, tmp_path):
    shop = half.copy(tmp_path / "shop")
    old = shop.read("returns-0.csv").head(5)
    flipped = (
        pl.when(pl.col("outcome") == "kept").then(pl.lit("returned")).otherwise(pl.lit("kept"))
    )
    shop.write("returns-corrected.csv", old.with_columns(flipped.alias("outcome")))
    shop.run()
    ids = old["order_id"].cast(pl.String)
    labels = [
        dict(shop.project.data().select("_event_id", "returned").rows())
        for _ in (0, 1)
        if _ == 0 or shop.rebuild()
    ]
    for event in ids:
        assert labels[0][event] != labels[1][event]
    rest = [{k: v for k, v in each.items() if k not in set(ids)} for each in labels]
    assert rest[0] == rest[1]


# --- Withdrawn batches --------------------------------------------------------------------------


def spoil(shop: Shop) -> str:
    """Deliver orders that never were, of half the customers; return the batch ID."""
    orders = shop.read("orders-0.csv").tail(40).filter(pl.col("customer") < "c06")
    wrong = orders.with_columns(pl.col("order_id") + 100_000, pl.col("amount") * 7)
    shop.write("orders-wrong.csv", wrong)
    shop.run()
    return shop.project.catalog.committed("orders")[-1]["batch_id"]


def test_a_withdrawn_batch_is_after_a_rebuild_as_if_it_never_came(half, fresh, tmp_path, octavo):
    shop = half.copy(tmp_path / "shop")
    batch = spoil(shop)
    assert shop.rows.height > half.rows.height
    why = ("--reason", "a test till", "--no-rebuild")
    done = octavo("batches", shop.folder, "--withdraw", batch, *why, "--json")
    assert done.returncode == 0, done.stderr
    withdrawn = json.loads(done.stdout)
    assert withdrawn["stale"] == {"rows": 1, "customer": len({f"c{n:02}" for n in range(6)})}
    assert shop.stale()["customer"] == 6
    assert "a test till" in shop.project.home.log.read_text()
    shop.run()
    ids = set(half.rows["_event_id"])
    assert set(shop.rows["_event_id"]) == ids, "its rows are left out at once"
    touched = shop.read("orders-wrong.csv")["customer"][-1]
    assert shop.online(touched) != half.online(touched)
    before = shop.rows
    assert sorted(shop.rebuild()["rebuilt"]) == ["customer", "rows"]
    assert shop.online(touched) == half.online(touched)
    assert_same(shop.rows, half.rows)
    assert shop.stale() == {}
    untouched = pl.col("key:customer") >= "c06"
    assert_same(shop.rows.filter(untouched), before.filter(untouched))
    assert (
        latest(shop.project.catalog)["data_version"] == latest(half.project.catalog)["data_version"]
    )
    assert shop.run() == {}, "its file lies there still, and is recognized"
    with pytest.raises(DataError, match="withdrawn before: a test till"):
        shop.project.withdraw(batch, "twice")


def test_a_batch_withdrawn_after_a_killed_prep_is_in_no_state(half, tmp_path, monkeypatch):
    shop = half.copy(tmp_path / "shop")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(offline, "_cut_over", killed)
        with pytest.raises(KeyboardInterrupt):
            spoil(shop)
    (batch,) = [b["batch_id"] for b in shop.project.catalog.batches() if "wrong" in b["source"]]
    shop.project.withdraw(batch, "a test till")
    shop.run()
    assert shop.stale() == {}
    assert_same(shop.rows, half.rows)
    assert shop.online("c03") == half.online("c03")


def test_what_comes_after_a_withdrawal_is_as_if_it_never_came(half, fresh, tmp_path):
    shop = half.copy(tmp_path / "shop")
    shop.project.withdraw(spoil(shop), "wrong")
    later = ("orders-1.csv", "returns-1.csv")
    shop.deliver(*later).run()
    shop.rebuild()
    right = fresh().hold_back(*later)
    right.run()
    right.deliver(*later).run()
    assert_same(shop.rows.drop("_position"), right.rows.drop("_position"))


def test_a_restatement_outlives_the_withdrawal_of_what_it_restates(half, tmp_path):
    shop = half.copy(tmp_path / "shop")
    batch = spoil(shop)
    right = shop.read("orders-wrong.csv").with_columns(pl.col("amount") / 7)
    shop.write("orders-right.csv", right)
    shop.run()
    shop.project.withdraw(batch, "wrong amounts")
    shop.rebuild()
    found = shop.rows.filter(pl.col("_event_id").cast(pl.Int64) > 100_000)
    assert found["amount"].to_list() == right.sort("order_id")["amount"].to_list()
    assert not found["product__price_last"].null_count(), "of a view that observes no orders"


# --- Rebuilds -----------------------------------------------------------------------------------


def test_data_versions_made_before_a_rebuild_stay_readable(half, tmp_path):
    shop = half.copy(tmp_path / "shop")
    batch = spoil(shop)
    project = shop.project
    old = latest(project.catalog)
    before = SplitRows(project.definition, project.home, project.catalog, old).data("all", "both")
    project.withdraw(batch, "wrong")
    shop.rebuild()
    again = SplitRows(project.definition, project.home, project.catalog, old).data("all", "both")
    assert_same(again, before)
    now = shop.project.data("all", "both")
    assert now.height < before.height


def test_a_rebuild_of_what_is_not_stale_changes_no_bit(whole, tmp_path):
    shop = whole.copy(tmp_path / "shop")
    assert shop.rebuild()["folded"] == {}, "nothing is stale"
    assert shop.rebuild("product", "rows")["rebuilt"] == ["rows", "product"]
    assert_same(shop.rows, whole.rows)
    assert shop.run() == {}
    with pytest.raises(DefinitionError, match="Did you mean 'product'"):
        shop.rebuild("produkt")


def test_states_that_are_not_live_go_and_who_reads_them_reads_on(half, tmp_path):
    shop = half.copy(tmp_path / "shop")
    features, at = shop.project.features(), None
    before = features.lookup("customer", ["c03"], at)
    left_behind = shop.project.home.state("customer", "of-a-killed-prep")
    left_behind.mkdir()
    (left_behind / "data.mdb").write_bytes(b"half")
    assert shop.rebuild("customer")["rebuilt"] == ["customer"]
    live = {g["group_id"] for g in shop.project.catalog.live_groups() if g["state"]}
    assert states_of(shop) == live
    assert features.lookup("customer", ["c03"], at) == before
    assert shop.project.features().lookup("customer", ["c03"], at) == before


@pytest.mark.parametrize("number", [2, -1])
def test_a_killed_rebuild_leaves_the_old_features_and_is_taken_up_again(half, tmp_path, number):
    shop = half.copy(tmp_path / "shop")
    restate(shop)
    shop.run()
    before = {g["group_id"] for g in shop.project.catalog.live_groups()}
    undisturbed = shop.copy(tmp_path / "calm")
    undisturbed.rebuild()
    shop.project.ask_rebuild()
    driver = [sys.executable, str(DRIVER), str(shop.folder), "prep", str(number)]
    killed = subprocess.run(driver, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    live = {g["group_id"] for g in shop.project.catalog.live_groups()}
    if number > 0:
        assert live == before
        assert_same(shop.rows, half.rows)
        assert shop.stale()
    shop.run()
    assert_same(shop.rows, undisturbed.rows)
    assert shop.stale() == {}
    assert shop.run() == {}
    catalog = shop.project.catalog
    assert [r["position"] for r in catalog.rows(sa.select(tables.rebuilds))] == [4]
    assert states_of(shop) == {g["group_id"] for g in catalog.live_groups() if g["state"]}


# --- Commands, and what went before -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["prep", "--view", "customer"], "Add --rebuild."),
        (["prep", "--rebuild", "--view", "custommer"], "Did you mean 'customer'?"),
        (["batches", "--withdraw", "x"], "--withdraw ID --reason"),
        (["batches", "--withdraw", "x", "--reason", "y"], "there is no batch 'x'"),
    ],
)
def test_what_cannot_be_asked_for(half, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(half.folder)
    monkeypatch.setattr("sys.argv", ["octavo", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert says in capsys.readouterr().err
    assert half.project.catalog.pending_rebuilds() == []


def test_a_batch_that_failed_while_prep_went_on_comes_later(fresh, monkeypatch):
    shop = fresh()
    ingest = ingestion._ingest_batch

    def failing(context, dataset, batch, path):
        if path.name == "returns-1.csv":
            raise DataError("the disk was away for a moment.")
        ingest(context, dataset, batch, path)

    monkeypatch.setattr(ingestion, "_ingest_batch", failing)
    with pytest.raises(DataError, match="away"):
        shop.run("ingestion")
    shop.project.run(Silent(), first="prep", last="prep")
    monkeypatch.undo()
    assert sorted(shop.run()["extended"]) == ["customer", "product", "rows"]
    *_, last = shop.project.catalog.committed()
    assert (last["dataset"], last["sequence"]) == ("returns", 6)
    assert last["rows"] == 300
    assert shop.run() == {}
