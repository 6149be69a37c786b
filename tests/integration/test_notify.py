"""Notifications of a whole run, sent to servers on this machine, and what a home has of them."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

from tests.mail_server import mail_server
from tests.receiver import receiver

from octavo.project import load

SECRET, MAIL = "The/Pass@word", "Another:Password"
VALUES = (SECRET, MAIL, "The%2FPass%40word", "Another%3APassword")
EDITS = {
    "trials=1": "trials=2",
    'monitor=ov.Monitor(window="7d"),': (
        'monitor=ov.Monitor(window="7d", schedule=ov.Schedule(every="1d")),\n'
        "    notify=[\n"
        '        "json://me:${TELL}@HOST/",\n'
        '        ov.Notify("json://me:${TELL}@HOST/no", severity="warning"),\n'
        '        ov.Notify("json://me:${TELL}@127.0.0.1:1/", attempts=1),\n'
        '        "mailto://octavo:${MAIL}@MAIL?from=octavo@example.org&to=ops@example.org",\n'
        '        ov.Notify("${AWAY}"),\n'
        "    ],"
    ),
}


def written(folder, make_project, host, mail):
    edits = {
        old: new.replace("HOST", host).replace("@MAIL", f"@{mail}") for old, new in EDITS.items()
    }
    return make_project(folder, edits=edits)


def secrets_in(home):
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    everything = {path: path.read_bytes() for path in files}
    return [path for path, text in everything.items() if any(v.encode() in text for v in VALUES)]


def test_people_are_told_and_the_home_holds_no_secret(finished, tmp_path, make_project, octavo):
    with receiver() as (host, received), mail_server(MAIL) as (mail, mails):
        shop = shutil.copytree(finished, tmp_path / "shop")
        folder = written(shop, make_project, host, mail)
        environment = {"TELL": SECRET, "MAIL": MAIL}
        refused = octavo("run", folder, environment=environment)
        assert (
            refused.returncode,
            "Pipeline.notify[4]: the environment has no AWAY" in refused.stderr,
        ) == (1, True)
        away = f"json://me:{SECRET.replace('/', '%2F').replace('@', '%40')}@127.0.0.1:1/"
        done = octavo("run", folder, environment=environment | {"AWAY": away})
        tested = octavo("notifications", "test", folder, environment=environment | {"AWAY": away})
        listed = octavo("notifications", "list", folder, "--failed")
    assert done.returncode == 0, done.stderr
    told = [posted.document["message"] for posted in received if posted.path == "/"]
    assert any(message.startswith(("model ready", "champion stays")) for message in told), told
    assert all(posted.authorization.startswith("Basic ") for posted in received)
    texts = [each.get_body(("plain",)).get_content().strip() for each in mails]
    assert texts == told, "the last of each is the test's"
    assert "notification failed: json://127.0.0.1 #3" in done.stderr
    assert "notification delayed: ${AWAY}" in done.stderr
    assert (tested.returncode, "mailto://…: taken" in tested.stdout) == (1, True)
    assert "given up" not in listed.stdout
    assert "json://127.0.0.1 #3" in listed.stdout
    for each in (refused, done, tested, listed):
        assert not [value for value in VALUES if value in each.stderr + each.stdout]
    with closing(sqlite3.connect(folder / ".octavo" / "catalog.db")) as catalog:
        newest = "select document from definitions order by created_at desc"
        stored = catalog.execute(newest).fetchone()[0]
    urls = [each["url"] for each in json.loads(stored)["notify"]]
    assert urls == ["json://127.0.0.1"] * 3 + ["mailto://…", "${AWAY}"]
    assert json.loads(stored)["monitor"]["schedule"]["every"] == "1d"
    assert secrets_in(folder / ".octavo") == []


def test_a_service_sends_what_is_due_when_nothing_happens(finished, tmp_path, make_project):
    """`octavo up` alone: what a target refuses once, it gets; no run comes by."""
    with receiver() as (host, received):
        shop = shutil.copytree(finished, tmp_path / "shop")
        edits = {
            'monitor=ov.Monitor(window="7d"),': (
                f'monitor=ov.Monitor(window="7d"),\n    notify=["json://{host}/second"],'
            )
        }
        folder = make_project(shop, edits=edits)
        command = [sys.executable, "-m", "octavo", "up", "notifications", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "Notifying json://127.0.0.1\n"
            load(folder).catalog.emit("model ready", "candidate-1")
            until = time.monotonic() + 60
            while len(received) < 2:
                assert time.monotonic() < until
                time.sleep(0.05)
            process.terminate()
            assert process.wait(30) == 0
    assert {posted.document["message"] for posted in received} == {"model ready: candidate-1"}
