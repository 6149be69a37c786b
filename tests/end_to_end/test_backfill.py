"""New features are back-filled beside those that are folded live, which go on meanwhile."""

import sys

import pytest

from octavo.errors import DefinitionError
from octavo.project import load
from octavo.services import releasing
from octavo.stages.prep.offline import backfill
from octavo.stores import releases

from .outcome import assert_same
from .shop_project import Shop, Silent
from .test_online_prep import LiveShop

BEFORE = "                ov.Window(\n                    returns,"
SPENT = '                ov.Window(orders, "amount", over="3d", take="max", name="spent"),\n'


def live_shop(folder, make_project):
    shop = LiveShop(folder, make_project)
    shop.project.run(Silent(), first="ingestion", last="ingestion")
    shop.follow()
    return shop


def come(shop, part):
    for name, lines in shop.newer.items():
        shop.send(name, lines[part::6])
        shop.ingest()
    shop.follow()


def changed(shop):
    """Return the project with a feature more, copied for a release that is begun."""
    Shop(shop.folder).edit((BEFORE, SPENT + BEFORE))
    project = load(shop.folder).kept_for_release(None)
    project.begin_release()
    return project


def test_it_is_what_a_prep_of_the_raw_store_gives(tmp_path, make_project):
    shop = live_shop(tmp_path / "live" / "shop", make_project)
    come(shop, 0)
    project = changed(shop)
    position, work = backfill(project.beside_runs(lambda *_: None))
    assert position == shop.project.catalog.barrier()
    assert [each.name for each in work] == ["customer"]
    for part in (1, 2):
        come(shop, part)  # under the old definition, which knows nothing of the new group
        shop.prep.prep()
    releases.go_live(project.catalog, project.release)
    shop.project = project
    shop.begin_prep()
    for part in (3, 4, 5):
        come(shop, part)
    assert "customer__spent_max_3d" in shop.rows().columns
    groups = [g for g in project.catalog.live_groups("customer") if g["cut_over"] == position]
    assert [list(g["columns"]) for g in groups] == [["customer__spent_max_3d"]]
    rows, again = shop.rows(), shop.rebuilt(tmp_path / "again" / "shop")
    assert {*rows.columns} == {*again.columns}
    assert_same(rows.select(again.columns), again)


def test_the_state_that_is_back_filled_is_left_alone(tmp_path, make_project):
    shop = live_shop(tmp_path / "live" / "shop", make_project)
    with shop.project.home.backfilling():
        (half := shop.project.home.state("customer", "half")).mkdir()
        shop.project.home.forget_states(set())
        assert half.exists()
    shop.project.home.forget_states({g["group_id"] for g in shop.project.catalog.live_groups()})
    assert not half.exists()


def test_what_services_could_not_go_on_with_is_refused(tmp_path, make_project):
    shop = live_shop(tmp_path / "live" / "shop", make_project)

    def refused(*edit):
        kept = (shop.folder / "pipeline.py").read_text()
        Shop(shop.folder).edit(edit)
        try:
            releasing.check(load(shop.folder).beside_runs(lambda *_: None))
        finally:
            (shop.folder / "pipeline.py").write_text(kept)

    with pytest.raises(DefinitionError, match="changed since its batches"):
        refused('    available=pl.col("decided_at"),\n', "")
    with pytest.raises(DefinitionError):
        refused('[pl.col("channel"), ', '[pl.col("amount").alias("twice") + pl.col("nowhere"), ')


def test_a_copy_of_the_script_is_run_with_what_it_imports(tmp_path, make_project):
    folder = make_project(tmp_path / "shop", edits={'over=["1d", "7d"]': "over=SPANS"})
    (folder / "spans_of.py").write_text('SPANS = ["1d", "7d"]\n')
    Shop(folder).edit(
        ("import octavo as ov\n", "import octavo as ov\nfrom spans_of import SPANS\n")
    )
    project = load(folder).kept_for_release(None)
    kept = project.home.release(project.release)
    assert sorted(path.name for path in kept.iterdir()) == ["pipeline.py", "spans_of.py"]
    (folder / "pipeline.py").write_text("half-edit(")
    (folder / "spans_of.py").write_text("half-edit(")
    del sys.modules["spans_of"]
    assert load(folder, release=project.release).definition == project.definition
    (kept / "pipeline.py").write_text("\nimport nothing_of_that_name\n")
    with pytest.raises(DefinitionError, match=r"pipeline\.py:2"):
        load(folder, release=project.release)
