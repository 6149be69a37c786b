"""Services take up a script whenever it is saved, if they can go on with it."""

import re
import time

import httpx

from octavo.project import load
from octavo.stores import releases

from .service_trees import Tree
from .shop_project import Shop
from .test_release import BEFORE, ONLINE, SPENT

NEW = (BEFORE, SPENT.format("3d") + BEFORE)
OTHER = [('over=["1d", "7d"]', 'over=["1d", "6d"]'), ("amount_mean_7d", "amount_mean_6d")]


def said(tree, text, within=90.0):
    """Wait until a tree says something; return what it has said until then."""
    until = time.monotonic() + within
    while not re.search(text, tree.output.read_text()):
        assert tree.process.poll() is None, tree.output.read_text()
        assert time.monotonic() < until, tree.output.read_text()
        time.sleep(0.1)
    return tree.output.read_text()


def test_what_is_saved_is_taken_up_and_what_is_wrong_is_refused(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "live" / "shop", orders=1500, edits=ONLINE)
    assert octavo("run", folder).returncode == 0
    shop, script = Shop(folder), folder / "pipeline.py"
    with Tree(folder, "--reload") as first:
        address = first.address(within=60)
        with Tree(folder, "ingestion", "prep", name="second") as second:
            said(second, "Ingesting")
            shop.edit(NEW)
            for tree in (first, second):
                said(tree, "All services run release-")
        catalog = load(folder).catalog
        live = releases.live(catalog)
        columns = {c for group in catalog.live_groups() for c in group["columns"]}
        assert "customer__spent_max_3d" in columns

        good = script.read_text()
        script.write_text(good[: len(good) // 2])
        said(first, "release +octavo: pipeline.py:[0-9]+: SyntaxError")
        script.write_text(good)
        shop.edit(*OTHER)
        text = said(first, "trained on features that the definition no longer gives, or defines")
        assert "customer__amount_mean_7d" in text
        ran = octavo("run", folder)
        assert ran.returncode == 2
        assert "it declares other features than the services that run" in ran.stderr
        assert releases.live(catalog) == live
        assert httpx.get(f"{address}/health").is_success
        assert first.stop() == 0
