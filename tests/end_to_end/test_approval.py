"""A gate that needs a person: asked, shown, approved, served."""

import json
import shutil
import time

import pytest
import sqlalchemy as sa

from octavo.services.audit import verify
from octavo.stores import approvals
from octavo.stores import catalog as tables
from tests.receiver import receiver

from .server_process import serving
from .swapping import SECOND, with_a_second

GATE = {
    'monitor=ov.Monitor(window="7d"),': (
        'monitor=ov.Monitor(window="7d"),\n'
        "    gate=ov.Gate(approval=True),\n"
        '    notify=[ov.Notify("${TELL}", kinds=["approval asked", "approved", "deployed"])],'
    )
}


def test_a_candidate_waits_for_approval(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "shop", edits=GATE)
    with receiver() as (host, received):
        environment = {"TELL": f"json://{host}/"}

        def told(*arguments, code=0):
            done = octavo(*arguments, "--json", environment=environment)
            assert done.returncode == code, done.stderr
            return json.loads(done.stdout) if code == 0 else done.stderr

        asked = told("run", folder)
        assert asked["verdict"]["promoted"]
        assert asked["deployment"] is None
        candidate = asked["approval"]["candidate_id"]
        assert (asked["approval"]["state"], candidate) == ("asked", asked["verdict"]["candidate"])
        assert octavo("run", folder, environment=environment).returncode == 0, "nothing new"
        assert f"Awaiting approval: {candidate}" in octavo("status", folder).stdout
        (ranked,) = [row for row in told("candidates", folder) if row["candidate_id"] == candidate]
        assert ranked["state"] == "asked"
        live = told("approve", candidate, "--reason", "looks right", "--dir", folder)
        assert live["candidate_id"] == candidate
        assert "it was approved by" in told("approve", "--dir", folder, code=1)
        scored = told("run", folder)
        assert next(row for row in scored["stages"] if row["name"] == "deployment")["rows_out"] > 0
        assert "Nothing new" in octavo("run", folder, environment=environment).stdout
        found = told("audit", "live", "2200-01-01", "--dir", folder)
        assert found["event"]["document"]["reason"] == found["approval"]["reason"] == "looks right"
        assert found["approval"]["asked_at"] == found["verdict"]["at"]
        listed = told("notifications", "list", folder)
        assert [row["state"] for row in listed] == ["delivered"] * 3
    messages = [posted.document["message"].split(":")[0] for posted in received]
    assert messages == ["approval asked", "approved", "deployed"]


@pytest.fixture
def waiting(tmp_path, finished):
    """Give a project whose first model is live, and whose second waits for approval."""
    folder = tmp_path / "shop"
    shutil.copytree(finished, folder)
    project = with_a_second(folder)
    project.rollback()
    with project.catalog.transaction() as connection:
        approvals.ask(connection, SECOND, "run-1", at=tables.now(), reason="0.5 on test")
    return project


def test_what_is_approved_answers_at_once_and_going_back_needs_nobody(waiting, octavo):
    with serving(waiting.folder) as client:
        done = octavo("approve", "--reason", "looks right", "--dir", waiting.folder)
        assert done.returncode == 0, done.stderr
        until = time.monotonic() + 30
        while client.get("/health").json()["deployment"] != "deployment-4":
            assert time.monotonic() < until, "the server does not follow"
            time.sleep(0.05)
        assert client.get("/v1/pipelines/shop").json()["candidate"] == SECOND
    assert octavo("rollback", waiting.folder).returncode == 0
    assert waiting.catalog.live_deployment()["candidate_id"] != SECOND
    assert verify(waiting.catalog).length


def test_what_is_declined_is_never_deployed(waiting, octavo):
    before = waiting.catalog.live_deployment()
    done = octavo("decline", "--reason", "too dear", "--dir", waiting.folder)
    assert (done.returncode, "is declined" in done.stdout) == (0, True)
    assert waiting.catalog.live_deployment() == before
    query = sa.select(tables.events).where(tables.events.c.kind == "declined")
    assert waiting.catalog.rows(query)[0]["document"]["reason"] == "too dear"
