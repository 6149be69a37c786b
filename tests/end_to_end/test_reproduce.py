"""A candidate is trained once more: the same bits, or said what differs, or what is missing."""

import json
import os
import shutil

import pytest
import sqlalchemy as sa

from octavo.errors import DataError, DefinitionError
from octavo.project import load
from octavo.services.provenance import libraries
from octavo.stores import catalog as tables
from octavo.stores import compaction

from .shop_project import Shop

BEGUN = {
    'algorithms=["logistic"], trials=1': (
        'algorithms=["lightgbm", "logistic", "extra_trees"], trials=4, '
        'params={"lightgbm": {"num_iterations": 20}, "extra_trees": {"n_estimators": 20}}'
    )
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_project, octavo_apart):
    """A shop trained under another seed than pipeline.py's, said by the environment."""
    folder = make_project(tmp_path_factory.mktemp("trained") / "shop", edits=BEGUN, parts=2)
    shop = Shop(folder).hold_back("orders-1.csv", "returns-1.csv")
    done = octavo_apart("run", folder, environment={"OCTAVO_TRAINING_SEED": "11"})
    assert done.returncode in (0, 3), done.stderr
    return shop


@pytest.fixture
def shop(trained, tmp_path):
    return trained.copy(tmp_path / "shop")


def candidates(folder):
    """Return the candidates, oldest first; that of LightGBM, which draws at random, begins."""
    catalog, table = load(folder).catalog, tables.trials
    rows = catalog.rows(sa.select(table).order_by(table.c.number))
    assert [row["algorithm"] for row in rows][:2] == ["lightgbm", "logistic"]
    return [row["candidate_id"] for row in rows]


def test_every_candidate_is_the_same_to_the_last_bit(trained, octavo):
    rows = load(trained.folder).catalog.rows(sa.select(tables.trials))
    assert {row["role"] for row in rows} == {"trial", "blend", "refit"}
    for candidate in candidates(trained.folder):
        done = octavo("reproduce", candidate, "--dir", trained.folder, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert (found["same"], found["same_bundle"], found["differing_rows"]) == (True, True, 0)
        assert found["rows"] > 100
        assert found["settings"]["seed"] == 11, "as it was said then, not as it holds now"
        assert found["since"] == {}


def test_whatever_was_merged_and_deleted_since(shop, monkeypatch):
    """No data version is a version of a table: its files may go, its rows stay."""
    monkeypatch.setattr(compaction, "FEWEST", 1)
    candidate, project = candidates(shop.folder)[0], load(shop.folder)
    before = {path for table in project.home.tables for path in table.glob("*.parquet")}
    assert len(before) > 4
    stream = project.stream()
    for _ in range(2):
        assert all(done.error is None for done in project.maintenance(stream).turn())
        for path in project.home.path.rglob("*.parquet"):
            os.utime(path, (1, 1))
    stream.close()
    assert not any(path.exists() for path in before)
    assert project.reproduce(candidate).same


def test_whatever_came_since(shop):
    candidate = candidates(shop.folder)[0]
    before = load(shop.folder).catalog.rows(sa.select(tables.candidates))
    shop.edit(
        ('over="30d",\n                    take=["count", "mean"]', 'over="30d",\n'
         '                    take=["mean", "count", "max"]'),
        ("derived=[", 'derived=[(pl.col("amount") * 2).alias("twice"),'),
        ("row=[", 'row=[pl.col("amount").log().alias("magnitude"),'),
        ("ov.Lift(1.3)", "ov.Lift(1.1)"),
        ("trials=4, ", "trials=1, "),
    )  # fmt: skip
    found = load(shop.folder).reproduce(candidate)
    assert found.same, "before the new features are prepped"
    assert list(found.since) == ["definition"]
    shop.deliver("orders-1.csv", "returns-1.csv").run(last="training")
    trained = load(shop.folder).catalog.rows(sa.select(tables.candidates))
    assert len(trained) > len(before)
    shop.project.config.change({"training.rows": 50, "training.threads": 1})
    assert load(shop.folder).reproduce(candidate).same, "and after, with newer data beside"
    after = load(shop.folder).catalog.rows(sa.select(tables.candidates))
    assert after == trained, "reproducing makes no candidate"
    folders = {path.name for path in load(shop.folder).home.path.glob("candidates/*")}
    assert folders == {row["candidate_id"] for row in after}
    assert not list(load(shop.folder).home.path.glob("again-*")), "and leaves nothing behind"


def test_what_is_not_the_same_is_told(shop, octavo):
    candidate = candidates(shop.folder)[0]
    catalog, table = load(shop.folder).catalog, tables.events
    began = catalog.one(sa.select(table).where(table.c.kind == "run began"))
    document = began["document"]
    document["settings"]["seed"] = 12
    document["libraries"] |= {"lightgbm": "0.1", "gone": "3"}
    with catalog.transaction() as connection:
        connection.exec_driver_sql("drop trigger events_are_not_changed")
        changed = table.update().where(table.c.id == began["id"])
        connection.execute(changed.values(document=document))
    done = octavo("reproduce", candidate, "--dir", shop.folder)
    assert done.returncode == 1
    first, second, third, *since = done.stdout.splitlines()
    assert first.startswith(f"{candidate}  lightgbm on data-")
    assert "seed 12" in first
    assert second.startswith("Not the same: ")
    assert third.startswith("  not the same: arrays.")
    assert any(line.startswith("  since then: lightgbm 0.1 → ") for line in since)
    assert "  since then: gone 3 → absent" in since
    told = json.loads(octavo("reproduce", candidate, "--dir", shop.folder, "--json").stdout)
    assert told["same"] is False
    assert told["differing_rows"] > 0
    assert told["largest_difference"] > 0
    assert "arrays.leaf_value" in told["differs"]
    assert not {"encoder", "model"} & {*told["differs"]}


def test_another_processor_is_told(trained, octavo_apart):
    """Libraries multiply in an order of their own on each, and so to other last bits."""
    if libraries().get("processor", "Nehalem") == "Nehalem" or libraries()["machine"] != "x86_64":
        pytest.skip("NumPy cannot be told to multiply as for an older processor")
    logistic = candidates(trained.folder)[1]
    told = {"OPENBLAS_CORETYPE": "Nehalem"}
    done = octavo_apart("reproduce", logistic, "--dir", trained.folder, "--json", environment=told)
    found = json.loads(done.stdout)
    assert found["since"] == {"processor": [libraries()["processor"], "Nehalem"]}
    assert found["same"] or "arrays.coef" in found["differs"], done.stdout


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("dt.hour()", "dt.minute()", "the feature 'hour'"),
        ('pl.col("channel"), ', "", "the feature 'channel'"),
        ('over="30d"', 'over="31d"', "the feature 'customer__returned_count_30d', the feature"),
        ('== "returned")', '!= "kept")', "the label 'returned'"),
        ("train=0.6, validation=0.2, test=0.2", "train=0.5, validation=0.3, test=0.2", "the split"),
    ],
)
def test_what_the_definition_no_longer_gives_is_named(shop, old, new, says):
    script = shop.folder / "pipeline.py"
    text = script.read_text()
    if says.startswith("the label"):
        old, new = f'value=pl.col("outcome") {old}', f'value=pl.col("outcome") {new}'
        old, new = old.rstrip(")"), new.rstrip(")")
    assert old in text
    script.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=says):
        load(shop.folder).reproduce(candidates(shop.folder)[0])


def test_what_is_not_there_is_named(shop, octavo):
    first = candidates(shop.folder)[0]
    done = octavo("reproduce", first[:-1], "--dir", shop.folder)
    assert done.returncode == 2
    assert f"Did you mean '{first}'" in done.stderr
    catalog = load(shop.folder).catalog
    with catalog.transaction() as connection:
        connection.exec_driver_sql("drop trigger events_are_not_deleted")
        connection.execute(tables.events.delete().where(tables.events.c.kind == "run began"))
    with pytest.raises(DataError, match=r"what run-.* was begun with is not in the catalog"):
        load(shop.folder).reproduce(first)
    shutil.rmtree(load(shop.folder).home.path / "candidates" / first)
    with pytest.raises((DataError, DefinitionError), match=r"bundle\.json"):
        load(shop.folder).reproduce(first)
