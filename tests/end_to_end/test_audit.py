"""What was done and decided, after a run, a change of settings and a key."""

import json
import shutil
import sqlite3

import pytest

from octavo.project import load


@pytest.fixture
def shop(tmp_path, finished, octavo):
    folder = tmp_path / "shop"
    shutil.copytree(finished, folder)
    change = ["config", "set", "training.seed", "11", "--comment", "another draw", "--dir", folder]
    for command in (change, ["keys", "create", "till", "--role", "predict", "--dir", folder]):
        done = octavo(*command)
        assert done.returncode == 0, done.stderr
    return folder


def told(octavo, shop, *arguments):
    done = octavo("audit", *arguments, "--dir", shop, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_who_did_what_and_why(shop, octavo):
    kinds = [row["kind"] for row in told(octavo, shop, "list")]
    assert {"problem stated", "deployed", "config changed", "key made"} <= set(kinds)
    assert not {"batch committed", "trial finished"} & set(kinds)
    assert "batch committed" in [row["kind"] for row in told(octavo, shop, "list", "--all")]
    (change,) = told(octavo, shop, "list", "--kind", "config changed")
    assert (change["document"]["comment"], bool(change["actor"])) == ("another draw", True)
    after = [row["kind"] for row in told(octavo, shop, "list", "--since", at(change))]
    assert after[0] == "config changed"
    assert "config changed" not in [
        r["kind"] for r in told(octavo, shop, "list", "--until", at(change))
    ]
    shown = octavo("audit", "list", "--kind", "config changed", "--dir", shop).stdout
    assert "config changed: version 1 — another draw" in shown
    assert told(octavo, shop, "list", "--by", "nobody") == []


def at(row):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(row["at"] / 1e6, UTC).isoformat()


def test_what_was_live_and_on_what_evidence(shop, octavo):
    live = load(shop).status()["deployment"]
    found = told(octavo, shop, "live", "2200-01-01")
    assert (found["candidate_id"], found["live_to"]) == (live["candidate"], None)
    assert found["event"]["kind"] == "deployed"
    assert found["verdict"]["document"]["candidate"] == live["candidate"]
    shown = octavo("audit", "live", "2200-01-01", "--dir", shop).stdout
    assert f"deployed    by {found['event']['actor']}" in shown
    assert "evidence    metric" in shown
    assert told(octavo, shop, "live", "1999-01-01") is None


def test_nothing_changes_unseen(shop, octavo):
    head = octavo("audit", "verify", "--dir", shop)
    assert head.returncode == 0, head.stderr
    assert octavo("audit", "verify", "--head", head.stdout.strip(), "--dir", shop).returncode == 0
    assert octavo("audit", "verify", "--head", "nonsense", "--dir", shop).returncode == 2
    catalog = load(shop).catalog.path
    with sqlite3.connect(catalog) as connection:
        connection.execute("insert into config values (2, '{}', '', 0)")
    unsaid = octavo("audit", "verify", "--dir", shop)
    assert (unsaid.returncode, "version 2 of the settings" in unsaid.stderr) == (1, True)
    with sqlite3.connect(catalog) as connection:
        connection.execute("delete from config where version = 2")
        connection.execute("update deployments set candidate_id = 'candidate-0'")
    other = octavo("audit", "verify", "--dir", shop)
    assert (other.returncode, "deployment-1 of candidate-0" in other.stderr) == (1, True)
    with sqlite3.connect(catalog) as connection:
        connection.execute("delete from deployments")
    gone = octavo("audit", "verify", "--dir", shop)
    assert (gone.returncode, "deployment-1 was deployed" in gone.stderr) == (1, True)
    with sqlite3.connect(catalog) as connection:
        connection.execute("drop trigger events_are_not_changed")
        connection.execute("update events set actor = 'eve' where kind = 'deployed'")
    broken = octavo("audit", "verify", "--dir", shop)
    assert broken.returncode == 1
    assert "it is not what was written, or is not where it was: deployed" in broken.stderr
