"""What a person decides: once, for one candidate and one verdict, with an event."""

import pytest
import sqlalchemy as sa

from octavo.errors import DataError, DefinitionError
from octavo.services.approval import approve, asked, decline
from octavo.stores import approvals, deployments
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog

JANE = {"actor": "jane", "reason": "looks right"}


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "c.db")


def ask(catalog, name, at=1):
    with catalog.transaction() as connection:
        approvals.supersede(connection)
        about = {"candidate_id": name, "study": "s", "run_id": "run-1", "algorithm": "logistic"}
        about |= {"params": {}, "data_version": "d", "config_version": 0, "validation": 0.5}
        tables.put(connection, tables.candidates, **about, seconds=1.0, created_at=0)
        approvals.ask(connection, name, "run-1", at=at, reason="0.5 on test")


def able(deployment):
    pass


def told(catalog):
    rows = catalog.rows(sa.select(tables.events).order_by(tables.events.c.id))
    return [(row["kind"], row["subject"], row["document"].get("reason")) for row in rows]


def test_what_is_approved_is_live_and_says_by_whom(catalog):
    ask(catalog, "candidate-1")
    row = approve(catalog, able, "", **JANE)
    assert catalog.live_deployment() == row
    assert row["candidate_id"] == "candidate-1"
    assert told(catalog)[1:] == [
        ("approved", "candidate-1", "looks right"),
        ("deployed", "candidate-1", "looks right"),
    ]
    actors = catalog.rows(sa.select(tables.events.c.actor).where(tables.events.c.id > 1))
    assert {each["actor"] for each in actors} == {"jane"}


def test_what_is_declined_changes_nothing(catalog):
    ask(catalog, "candidate-1")
    decline(catalog, "candidate-1", actor="joe", reason="too dear")
    assert catalog.live_deployment() is None
    assert told(catalog)[1:] == [("declined", "candidate-1", "too dear")]
    with pytest.raises(DataError, match="candidate-1: it was declined by joe at 20"):
        approve(catalog, able, "", **JANE)


def test_twice_is_refused(catalog):
    ask(catalog, "candidate-1")
    approve(catalog, able, "", **JANE)
    for decide in (
        lambda: approve(catalog, able, "", **JANE),
        lambda: decline(catalog, "", **JANE),
    ):
        with pytest.raises(DataError, match=r"it was approved by jane at .* Only a new verdict"):
            decide()
    assert len(deployments.history(catalog)) == 1


def test_what_nobody_asks_for_is_refused(catalog):
    with pytest.raises(DataError, match="nobody asks for approval"):
        approve(catalog, able, "", **JANE)
    with pytest.raises(DefinitionError, match="there is no candidate 'candidate-9'"):
        approve(catalog, able, "candidate-9", **JANE)
    ask(catalog, "candidate-1")
    ask(catalog, "candidate-2", at=2)
    with pytest.raises(DefinitionError, match="candidate-1") as refused:
        approve(catalog, able, "candidate-9", **JANE)
    assert "candidate-2" in str(refused.value), "also where another one is asked for"


def test_a_newer_verdict_supersedes(catalog):
    ask(catalog, "candidate-1")
    ask(catalog, "candidate-2", at=2)
    with pytest.raises(DataError, match=r"superseded the request\. Asked for is candidate-2 now"):
        approve(catalog, able, "candidate-1", **JANE)
    assert asked(catalog)["candidate_id"] == "candidate-2"
    with catalog.transaction() as connection:  # a verdict that asks for nothing
        approvals.supersede(connection)
    with pytest.raises(DataError, match=r"superseded the request\. Only a new verdict"):
        approve(catalog, able, "", **JANE)


def test_an_approval_counts_for_its_verdict_alone(catalog):
    ask(catalog, "candidate-1", at=1)
    approve(catalog, able, "", **JANE)
    verdict = {"candidate_id": "candidate-1"}
    assert approvals.of_verdict(catalog, verdict | {"at": 1})["state"] == "approved"
    assert approvals.of_verdict(catalog, verdict | {"at": 2}) is None
    ask(catalog, "candidate-1", at=2)
    assert approvals.of_verdict(catalog, verdict | {"at": 2})["state"] == "asked"


def test_what_cannot_answer_is_not_deployed_and_waits_on(catalog):
    ask(catalog, "candidate-1")

    def unable(deployment):
        raise DataError(f"{deployment['candidate_id']} cannot answer.")

    with pytest.raises(DataError, match="candidate-1 cannot answer"):
        approve(catalog, unable, "", **JANE)
    assert asked(catalog)["state"] == "asked"
    assert catalog.live_deployment() is None


def test_a_verdict_that_comes_while_it_is_loaded_is_not_overtaken(catalog):
    ask(catalog, "candidate-1")
    with pytest.raises(DataError, match="superseded"):
        approve(catalog, lambda deployment: ask(catalog, "candidate-2", at=2), "", **JANE)
    assert catalog.live_deployment() is None
