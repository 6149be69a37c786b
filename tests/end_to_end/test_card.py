"""A model card is there when a candidate was judged, and can be asked for of any other."""

import json
import shutil

import pytest
import sqlalchemy as sa

from octavo.project import load
from octavo.stores import catalog as tables
from tests.standing import read_page


@pytest.fixture
def shop(finished, tmp_path):
    """Copy the finished project."""
    return shutil.copytree(finished, tmp_path / "shop")


def test_a_judged_candidate_has_its_card(finished):
    project = load(finished)
    verdict = project.status()["verdict"]
    text, tags = read_page(
        (project.home.candidate(verdict["candidate"]) / "model_card.html").read_text()
    )
    low, high = verdict["test_interval"]
    assert "Which orders will come back?" in text
    assert f"{verdict['test']:.4f} (95 % interval {low:.4f} to {high:.4f}" in text
    assert tags.count("figure") == 4
    times = project.data("test")["_event_time"]
    assert f"{times.min():%Y-%m-%d %H:%M} {times.max():%Y-%m-%d %H:%M}" in text
    assert all(feature in text for feature in project.definition.features)
    assert all(batch["batch_id"] in text for batch in project.catalog.committed())
    assert str(finished) not in text, "no path of a machine"
    assert "polars" in text.split("Versions")[1]


def test_the_command_writes_the_card_of_the_newest_judged(shop, octavo):
    candidate = load(shop).status()["verdict"]["candidate"]
    done = octavo("card", "--dir", shop, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    path = load(shop).home.candidate(candidate) / "model_card.html"
    assert told == {"candidate": candidate, "file": str(path)}
    text, _ = read_page(path.read_text())
    assert "deployment" in text, "the run has gone on since it was judged"


def test_a_candidate_that_was_not_judged_has_a_card_on_demand(finished, octavo, tmp_path):
    project = load(finished)
    judged = project.status()["verdict"]["candidate"]
    rows = project.catalog.rows(sa.select(tables.candidates))
    other = next(row for row in rows if row["candidate_id"] != judged)
    out = tmp_path / "cards" / "other.html"
    done = octavo("card", other["candidate_id"], "--dir", finished, "-o", out)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    text, tags = read_page(out.read_text())
    assert "Not judged" in text
    assert "Test was not read for it." in text
    assert f"{other['validation']:.4f}" in text
    assert "figure" not in tags
    assert not (project.home.candidate(other["candidate_id"]) / "model_card.html").exists()


def test_what_cannot_be_drawn_is_refused(finished, octavo, make_project, tmp_path):
    unknown = octavo("card", "candidate-0", "--dir", finished)
    assert unknown.returncode == 2
    assert "candidate-0" in unknown.stderr
    assert octavo("card", "--dir", finished, "-o", tmp_path / "card.pdf").returncode == 2
    early = octavo("card", "--dir", make_project(tmp_path / "shop", orders=50))
    assert early.returncode == 1
    assert "no candidate was judged yet" in early.stderr


def test_a_candidate_whose_folder_is_gone_is_told(shop, octavo):
    project = load(shop)
    candidate = project.status()["verdict"]["candidate"]
    shutil.rmtree(project.home.candidate(candidate))
    done = octavo("card", "--dir", shop)
    assert done.returncode == 1
    assert "there no longer" in done.stderr
