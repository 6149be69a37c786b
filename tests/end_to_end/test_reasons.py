"""A run says what changed; what an earlier Octavo recorded still means that nothing did."""

import shutil

import pytest
import sqlalchemy as sa

from octavo.definition import fingerprint
from octavo.project import load
from octavo.runner import STAGES, Unseen
from octavo.stores import catalog as tables


@pytest.fixture
def shop(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "shop")
    load(tmp_path / "shop").runner(Unseen()).run(["ingestion"])  # the copies are other files
    return tmp_path / "shop"


def plan(folder, stages=STAGES, **options):
    return dict(load(folder).runner(Unseen(), **options).plan(list(stages)))


def replay(file, folder):
    """Offer a file of one row that came before, under another name."""
    lines = (folder / "data" / file).read_text().splitlines()
    (folder / "data" / file.replace(".csv", "-again.csv")).write_text(f"{lines[0]}\n{lines[1]}\n")


def edit(folder, old, new):
    script = (folder / "pipeline.py").read_text()
    assert script.count(old) == 1
    (folder / "pipeline.py").write_text(script.replace(old, new))


def test_reasons_name_what_changed(shop):
    for file in ("orders.csv", "returns.csv"):
        (shop / "data" / file).touch()
    assert plan(shop)["ingestion"] == "files of orders changed; files of returns changed"
    replay("orders.csv", shop)
    assert "1 new file of orders" in plan(shop, ["ingestion"])["ingestion"]
    assert plan(shop, ["ingestion"], only=["returns"]) == {"ingestion": "files of returns changed"}
    project = load(shop)
    project.config.set("training.trials", "2")
    assert plan(shop, ["training"])["training"] == (
        "training settings version 1: setting trials changed"
    )
    edit(shop, 'pl.col("amount") / pl.col("product__price_last")', 'pl.col("amount") * 2.0')
    edit(shop, 'metric="average_precision"', 'metric="log_loss"')
    edit(shop, "at_least=ov.Lift(1.3)", "at_most=0.9")
    assert plan(shop, ["prep"])["prep"] == "feature pieces changed"
    assert plan(shop)["problem"] == "parts problem, derived changed"
    assert plan(shop, ["evaluation"])["evaluation"] == "part problem changed"


def test_one_dataset_alone_is_ingested_and_the_others_are_still_due(shop):
    replay("orders.csv", shop)
    replay("returns.csv", shop)
    project = load(shop)
    stages = ["ingestion", "prep"]
    assert project.runner(Unseen(), ["orders"]).run(stages).ran == stages
    assert plan(shop, ["ingestion"]) == {"ingestion": "1 new file of returns"}
    assert plan(shop, ["ingestion"], only=["orders"]) == {}
    reasons = sa.select(tables.stage_runs.c.reason).order_by(tables.stage_runs.c.id.desc())
    assert project.catalog.one(reasons) == {"reason": "1 new batch of orders"}
    began = sa.select(tables.events).where(tables.events.c.kind == "stage began")
    told = [(e["subject"], e["document"]["reason"]) for e in project.catalog.rows(began)][-2:]
    assert told == [("ingestion", "1 new file of orders"), ("prep", "1 new batch of orders")]


def test_a_run_recorded_without_parts_is_comparable(shop):
    project, table = load(shop), tables.stage_runs
    runner = project.runner(Unseen())
    with project.catalog.transaction() as connection:
        for stage in STAGES:
            values = {name: part.value for name, part in runner.step(stage).parts.items()}
            written = values if stage == "ingestion" else [*values.values()]
            mine = table.update().where(table.c.stage == stage)
            connection.execute(mine.values(parts=sa.null(), inputs=fingerprint(written)))
    assert plan(shop) == {}
    (shop / "data" / "orders.csv").touch()
    assert plan(shop, ["ingestion"]) == {"ingestion": "what it reads has changed"}
