"""Rolling-origin folds, purge and strata, through the stages."""

import json

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from sklearn.metrics import average_precision_score

from octavo.bundle import Bundle
from octavo.project import load
from octavo.status import outputs
from octavo.stores import catalog as tables

SPLIT = 'ov.SplitByTime(train=0.6, validation=0.2, test=0.2, gap="1d")'


def test_the_search_validates_on_every_fold_and_test_is_read_once(tmp_path, make_project, octavo):
    split = 'ov.SplitByTime(train=0.6, validation=0.15, test=0.25, gap="1d", folds=3)'
    folder = make_project(tmp_path / "shop", edits={SPLIT: split, "trials=1": "trials=2"})
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    project = load(folder)
    query = sa.select(tables.trials).order_by("number")
    (trial, other, refit) = project.catalog.rows(query)
    assert len(trial["folds"]) == len(other["folds"]) == 3
    assert len(set(trial["folds"])) == 3
    for each in (trial, other):
        assert each["figure"] == pytest.approx(np.mean(each["folds"]))
    bundle = Bundle.load(project.home.candidate(trial["candidate_id"]))
    validation = project.data("validation")
    figure = average_precision_score(validation["returned"], bundle.predict(validation))
    assert trial["folds"][-1] == pytest.approx(figure), "the candidate is that of the last fold"
    verdict = json.loads(done.stdout)["verdict"]
    best = max((trial, other), key=lambda each: each["figure"])
    assert verdict["validation"] == pytest.approx(best["figure"])
    assert verdict["ranking"][0]["folds"] == refit["folds"] == best["folds"]
    rates = [project.data("validation", fold=n)["returned"].mean() for n in (1, 2, 3)]
    assert verdict["validation_baseline"] == pytest.approx(np.mean(rates))
    readings = project.catalog.rows(sa.select(tables.test_readings))
    assert [row["purpose"] for row in readings] == ["verdict"]
    folds = outputs(project.catalog, "segregation")["folds"]
    assert folds[0]["train"] < folds[1]["train"] < folds[2]["train"]
    for n in (1, 2, 3):
        train, newer = project.data("train", fold=n), project.data("validation", fold=n)
        gap = newer["_event_time"].min() - train["_event_time"].max()
        assert gap.total_seconds() >= 86_400
        assert newer["_event_time"].max() < project.data("test")["_event_time"].min()


def test_labels_that_were_not_known_at_the_cut_are_purged(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "shop", edits={SPLIT: SPLIT.replace("1d", "0s")})
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    project = load(folder)
    decided = pl.read_csv(folder / "data/returns.csv", try_parse_dates=True).select(
        pl.col("order_id").cast(pl.String).alias("_event_id"), "decided_at"
    )
    train = project.data("train").join(decided, on="_event_id")
    cut = project.rows().document["cuts"]["validation"]
    assert microseconds(train["decided_at"]).max() <= cut
    everything = project.data("all").join(decided, on="_event_id")
    placed, known = (microseconds(everything[c]) for c in ("_event_time", "decided_at"))
    crossing = ((placed < cut) & (known > cut)).sum()
    assert outputs(project.catalog, "segregation")["left_out"] == crossing > 10


def microseconds(times):
    return times.dt.replace_time_zone(None).dt.cast_time_unit("us").cast(pl.Int64)


def test_immature_rows_are_in_no_part_however_early_their_outcome_came(
    tmp_path, make_project, octavo
):
    """Otherwise the newest rows of a part would be those with an early outcome alone."""
    label = 'value=pl.col("outcome") == "returned"'
    only = 'value=pl.when(pl.col("outcome") == "returned").then(True)'
    folder = make_project(
        tmp_path / "shop", edits={label: f'{only}, mature_after="7d", absent=False'}
    )
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    project = load(folder)
    document = project.rows().document
    test = project.data("test")
    week = 7 * 86_400 * 10**6
    assert test["_event_time"].cast(pl.Int64).max() <= document["clock"] - week
    immature = project.data("all").filter(
        pl.col("_event_time").cast(pl.Int64) > document["clock"] - week
    )
    assert immature.height
    assert immature["returned"].all(), "labeled, since their outcome is known; all of one class"
    newest = project.rows().newest()
    assert newest.join(immature, on="_event_id", how="semi")["returned"].is_null().all(), (
        "monitoring does not measure by them"
    )


def test_strata_of_rows_and_of_entities(tmp_path, make_project, octavo):
    for number, split in enumerate(
        ("ov.SplitStratified()", 'ov.SplitStratified(entity="customer")')
    ):
        folder = make_project(
            tmp_path / f"shop{number}",
            customers=300,
            edits={SPLIT: split, "ov.Lift(1.3)": "ov.Lift(1.01)"},
        )
        done = octavo("run", folder)
        assert done.returncode in (0, 3), done.stderr
        project = load(folder)
        parts = {part: project.data(part) for part in ("train", "validation", "test")}
        assert sum(frame.height for frame in parts.values()) == project.data("all").height
        rates = [frame["returned"].mean() for frame in parts.values()]
        assert max(rates) - min(rates) < (0.005 if number == 0 else 0.1)


def test_an_unknown_entity_is_blamed_on_the_split(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "shop", edits={SPLIT: 'ov.SplitByHash("custmer")'})
    done = octavo("run", folder)
    assert done.returncode == 2
    assert (
        "SplitByHash.entity: there is no column 'custmer'. Did you mean 'customer'" in done.stderr
    )
