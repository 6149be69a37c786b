"""Every kind of problem, and the split by entity, through all eight stages."""

import json

import pytest

from octavo.project import load

from .answering import score_events
from .outcome import logging

BINARY_LABEL = (
    'ov.Label("returned", of=returns, on="order_id", value=pl.col("outcome") == "returned")'
)
SIZE = (
    'pl.when(pl.col("amount") < 60).then(pl.lit("small"))'
    '.when(pl.col("amount") < 120).then(pl.lit("middle")).otherwise(pl.lit("large"))'
)


@pytest.mark.parametrize(
    ("kind", "metric", "target", "value", "algorithms"),
    [
        ("multiclass", "accuracy", "at_least=ov.Lift(1.2)", SIZE, '["lightgbm", "logistic"]'),
        ("regression", "mae", "at_least=ov.Lift(1.2)", 'pl.col("amount") * 2', '["linear"]'),
    ],
)
def test_other_kinds(tmp_path, make_project, octavo, kind, metric, target, value, algorithms):
    folder = make_project(
        tmp_path / "shop",
        orders=800,
        edits={
            'kind="binary"': f'kind="{kind}"',
            'metric="average_precision"': f'metric="{metric}"',
            "at_least=ov.Lift(1.3)": target,
            BINARY_LABEL: f'ov.Label("returned", of=orders, on="order_id", value={value})',
            'algorithms=["logistic"], trials=1': f"algorithms={algorithms}, trials=2",
        },
    )
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["answered"]
    project = load(folder)
    scorer = project.scorer()
    order = {"order_id": 9001, "ordered_at": "2024-02-29T12:00:00Z", "customer": "c01"}
    order |= {"product": "p01", "channel": "store", "amount": 33.0}
    asked = scorer.decoder.decode(json.dumps({"events": [order]}).encode())
    with logging(project) as log:
        answer = score_events(scorer, log, asked)
    assert (log.logged, log.not_logged) == (1, {})
    if kind == "multiclass":
        chances = answer.row(0)[2:]
        assert sum(chances) == pytest.approx(1)
        assert answer.columns[2:] == ["returned=large", "returned=middle", "returned=small"]
        assert max(chances) == answer["returned=small"][0]
    else:
        assert answer["returned"][0] == pytest.approx(66, abs=15)


def test_a_split_by_entity_keeps_customers_apart(tmp_path, make_project, octavo):
    folder = make_project(
        tmp_path / "shop",
        customers=300,
        edits={
            'ov.SplitByTime(train=0.6, validation=0.2, test=0.2, gap="1d")': (
                'ov.SplitByHash("customer", train=0.6, validation=0.2, test=0.2)'
            ),
            "ov.Lift(1.3)": "ov.Lift(1.01)",
        },
    )
    done = octavo("run", folder)
    assert done.returncode in (0, 3), done.stderr
    project = load(folder)
    who = project.rows().data("all", "both", [])
    parts = {part: project.data(part, "both") for part in ("train", "validation", "test")}
    assert sum(frame.height for frame in parts.values()) == who.height == 2000
    ids = [set(frame["_event_id"]) for frame in parts.values()]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]
