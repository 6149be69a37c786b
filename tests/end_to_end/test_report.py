"""The report of a real project: all stages, one file, whatever has happened to them."""

import json
import shutil

import pytest

from octavo.project import load
from tests.standing import read_page


@pytest.fixture
def shop(finished, tmp_path):
    """Copy the finished project."""
    return shutil.copytree(finished, tmp_path / "shop")


def test_the_report_is_one_page_beside_the_data(shop, octavo):
    done = octavo("report", shop, "--json")
    assert done.returncode == 0, done.stderr
    project = load(shop)
    path = project.home.path / "report.html"
    page = path.read_text()
    assert json.loads(done.stdout) == {"file": str(path), "bytes": len(page.encode())}
    status = project.status()
    candidate = status["verdict"]["candidate"]
    card = f"candidates/{candidate}/model_card.html"
    assert (project.home.path / card).exists()
    text, tags = read_page(page, [card])
    assert "Which orders will come back?" in text
    assert f"average_precision {status['verdict']['test']:.4f}" in text
    assert tags.count("figure") >= 6, "search and time, and four curves"
    for dataset, rows in (("orders", "2,000"), ("returns", "2,000"), ("products", "12")):
        assert f"{dataset} 1 {rows} 0 0" in text
    assert all(each["subject"] in text for each in project.catalog.rows(_ready()))
    assert str(shop) not in text, "no path of a machine"
    assert len(page) < 2_000_000


def _ready():
    import sqlalchemy as sa

    from octavo.stores import catalog as tables

    table = tables.events
    return sa.select(table).where(table.c.kind.in_(["model ready", "deployed", "drift"]))


def test_elsewhere_it_leads_nowhere(shop, octavo, tmp_path):
    out = tmp_path / "out" / "shop.html"
    done = octavo("report", shop, "-o", out)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    assert "octavo card candidate-" in read_page(out.read_text())[0]
    assert octavo("report", shop, "-o", tmp_path / "shop.pdf").returncode == 2


def test_a_home_that_lost_its_candidates_is_drawn_as_far_as_it_goes(shop, octavo):
    shutil.rmtree(load(shop).home.path / "candidates")
    shutil.rmtree(load(shop).home.path / "state")
    done = octavo("report", shop)
    assert done.returncode == 0, done.stderr
    text, _ = read_page((load(shop).home.path / "report.html").read_text())
    assert "The candidate's folder is there no longer" in text


def test_a_run_that_failed_is_told(make_project, octavo, tmp_path):
    shop = make_project(tmp_path / "shop", orders=50)
    (shop / "data" / "products.csv").unlink()
    failed = octavo("run", shop)
    assert failed.returncode == 1
    done = octavo("report", shop, "-o", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    text, _ = read_page((tmp_path / "r.html").read_text())
    assert "What tries again: octavo ingest" in text
    assert "What runs it: octavo prep" in text


def test_metrics_are_written_whole(finished, octavo, tmp_path):
    out = tmp_path / "octavo.prom"
    done = octavo("metrics", finished, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    told = {(each["family"], *each["labels"]): each["value"] for each in json.loads(done.stdout)}
    assert told["dataset_rows", "orders"] == 2000
    assert told["verdict_answered",] == 1
    assert told["trials", "complete"] > 1
    text = out.read_text()
    assert 'octavo_stage_state{pipeline="shop",stage="monitoring",state="succeeded"} 1.0' in text
    assert octavo("metrics", finished).stdout.splitlines()[0] == text.splitlines()[0]
    assert [path.name for path in tmp_path.iterdir()] == ["octavo.prom"]
