"""Notifications of a whole run, sent to a server on this machine."""

import json
import shutil
import sqlite3
from contextlib import closing

from tests.receiver import receiver

SECRET = "ThePassword"
EDITS = {
    "import octavo as ov\n": "import octavo as ov\nimport os\n",
    "trials=1": "trials=2",
    'monitor=ov.Monitor(window="7d"),': (
        'monitor=ov.Monitor(window="7d", schedule=ov.Schedule(every="1d")),\n'
        '    notify=[os.environ["TELL"], os.environ["TELL"] + "no"],'
    ),
}


def test_people_are_told_and_the_home_holds_no_secret(finished, tmp_path, make_project, octavo):
    folder = make_project(shutil.copytree(finished, tmp_path / "shop"), edits=EDITS)
    with receiver() as (host, received):
        done = octavo("run", folder, environment={"TELL": f"json://me:{SECRET}@{host}/"})
    assert done.returncode == 0, done.stderr
    told = [posted.document["message"] for posted in received if posted.path == "/"]
    assert any(message.startswith(("model ready", "champion stays")) for message in told), told
    assert {posted.document["title"] for posted in received} == {"octavo: shop"}
    assert "notification failed: json://127.0.0.1" in done.stderr
    assert SECRET not in done.stderr + done.stdout
    with closing(sqlite3.connect(folder / ".octavo" / "catalog.db")) as catalog:
        newest = "select document from definitions order by created_at desc"
        stored = catalog.execute(newest).fetchone()[0]
    assert json.loads(stored)["notify"] == ["json://127.0.0.1"] * 2
    assert json.loads(stored)["monitor"]["schedule"]["every"] == "1d"
    files = [path for path in (folder / ".octavo").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
