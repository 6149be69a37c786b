"""The queue of what people are told: on a clock of the test's own, with real servers."""

import subprocess
import sys
import time

import pytest
import sqlalchemy as sa
from tests.mail_server import USER, mail_server
from tests.receiver import receiver

import octavo as ov
from octavo.services.deliveries import LEASE, Deliveries, listed, undelivered
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it
SECOND = 1_000_000


class Clock:
    """Ahead of the events that a test writes, and standing still."""

    def __init__(self):
        self.at = tables.now() + 60 * SECOND

    def __call__(self):
        return self.at

    def later(self, seconds):
        self.at += round(seconds * SECOND)
        return self


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "c.db")


@pytest.fixture
def clock():
    return Clock()


def queue(catalog, clock, *notifies, **environment):
    given = [ov.Notify(each) if isinstance(each, str) else each for each in notifies]
    return Deliveries(catalog, given, "shop", environment, clock)


def states(catalog):
    return [(row["kind"], row["state"], row["attempts"]) for row in listed(catalog)]


def kinds(catalog):
    return [row["kind"] for row in catalog.rows(sa.select(tables.events))]


def test_what_is_refused_twice_arrives_at_the_third_attempt_and_once(catalog, clock):
    with receiver() as (host, received):
        waiting = queue(catalog, clock, f"json://{host}/third")
        catalog.emit("model ready", "candidate-1")
        assert waiting.deliver() == [("json://127.0.0.1", "HTTP 500")]
        assert waiting.deliver() == [], "not before the pause is over"
        assert states(catalog) == [("model ready", "waiting", 1)]
        clock.later(10.1)
        assert waiting.deliver() == [("json://127.0.0.1", "HTTP 500")]
        clock.later(20.1)
        assert waiting.deliver() == []
        assert waiting.deliver() == []
    assert len(received) == 3
    assert states(catalog) == [("model ready", "delivered", 3)]
    assert kinds(catalog) == ["model ready", "notification delayed"], "told once, not each time"


def test_that_nobody_could_be_told_of_what_failed_is_told_to_nobody(catalog, clock):
    kinds_ = ["notification failed", "notification delayed", "model ready"]
    with receiver() as (host, _):
        urls = [f"json://one@{host}/no", f"json://two@{host}/no"]
        waiting = queue(catalog, clock, *(ov.Notify(u, kinds=kinds_, attempts=1) for u in urls))
        catalog.emit("model ready", "candidate-1")
        for _ in range(6):
            waiting.deliver()
            clock.later(7200)
    assert kinds(catalog) == ["model ready"] + ["notification failed"] * 2
    assert undelivered(catalog)["waiting"] == 0


def test_a_message_is_of_so_many_events_at_the_most(catalog, clock, monkeypatch):
    monkeypatch.setattr("octavo.services.deliveries.TOGETHER", 3)
    with receiver() as (host, received):
        waiting = queue(catalog, clock, ov.Notify(f"json://{host}/", digest="1m"))
        for number in range(7):
            catalog.emit("model ready", f"candidate-{number}")
        clock.later(7200)
        assert waiting.deliver() == []
    assert [posted.document["message"].count("candidate-") for posted in received] == [3, 3, 1]
    assert states(catalog) == [("model ready", "delivered", 1)] * 7


def test_it_is_given_up_and_said_so(catalog, clock):
    with receiver() as (host, received):
        waiting = queue(catalog, clock, ov.Notify(f"json://{host}/no", attempts=2))
        catalog.emit("model ready", "candidate-1")
        for _ in range(5):
            waiting.deliver()
            clock.later(3600)
    assert len(received) == 2
    assert states(catalog) == [("model ready", "failed", 2)]
    assert undelivered(catalog) == {"waiting": 0, "failed": 1}
    assert kinds(catalog) == ["model ready", "notification delayed", "notification failed"]
    (failed,) = listed(catalog, failed=True)
    assert failed["error"] == "HTTP 500"


def test_another_process_takes_up_what_was_not_delivered(tmp_path, catalog, clock):
    catalog.emit("model ready", "candidate-1")
    queue(catalog, clock, "json://127.0.0.1:1/").deliver()
    clock.later(11)
    with receiver() as (host, received):
        queue(Catalog(tmp_path / "c.db"), clock, f"json://{host}/").deliver()
    assert [posted.document["message"] for posted in received] == ["model ready: candidate-1"]


def test_two_processes_send_each_event_once(tmp_path, catalog, clock):
    with receiver() as (host, received):
        both = [queue(Catalog(tmp_path / "c.db"), clock, f"json://{host}/") for _ in range(2)]
        for number in range(6):
            catalog.emit("model ready", f"candidate-{number}")
        for each in both * 2:
            each.deliver()
    assert len(received) == 6


APART = """
import sys
import octavo as ov
from pathlib import Path
from octavo.services.deliveries import Deliveries
from octavo.stores.catalog import Catalog
Deliveries(Catalog(Path(sys.argv[1])), [ov.Notify(sys.argv[2])], "shop", {}).deliver()
"""


def test_what_a_killed_process_was_sending_is_sent_when_its_lease_ends(tmp_path, catalog, clock):
    catalog.emit("model ready", "candidate-1")
    with receiver() as (host, received):
        command = [sys.executable, "-c", APART, str(tmp_path / "c.db"), f"json://{host}/never"]
        process = subprocess.Popen(command)
        until = time.monotonic() + 60
        while not received:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
        process.wait()
        now = Clock()
        taking_up = queue(catalog, now, f"json://{host}/")
        taking_up.deliver()
        assert len(received) == 1, "whoever sends may be alive"
        now.later(LEASE / SECOND)
        taking_up.deliver()
    assert [posted.path for posted in received] == ["/never", "/"]
    assert states(catalog) == [("model ready", "delivered", 2)]


def test_a_target_that_is_away_is_tried_once_for_all_that_waits(catalog, clock):
    with receiver() as (host, received):
        waiting = queue(catalog, clock, f"json://{host}/no", f"json://{host}/yes")
        for number in range(5):
            catalog.emit("model ready", f"candidate-{number}")
        waiting.deliver()
        assert [posted.path for posted in received] == ["/no", *["/yes"] * 5]
        clock.later(10.1)
        waiting.deliver()
    refused = [posted.document["message"] for posted in received if posted.path == "/no"]
    assert len(refused) == len(set(refused)) == 2, "another message has its turn"
    assert kinds(catalog).count("notification delayed") == 1


def test_who_is_told_of_what(catalog, clock):
    with receiver() as (host, received):
        waiting = queue(
            catalog,
            clock,
            ov.Notify(f"json://{host}/grave", severity="error"),
            ov.Notify(f"json://{host}/prep", stages=["prep"]),
            ov.Notify(f"json://{host}/ready", kinds=["features ready"]),
            ov.Notify(f"json://{host}/bad", kinds=["rows rejected"], share=0.1),
        )
        catalog.emit("features ready", "12 features")
        catalog.emit("hot entity", "view 'a'", severity="warning")
        catalog.emit("run failed", "prep", severity="error", error="no disk")
        for rejected in (5, 20):
            told = {"severity": "warning", "rules": {"type": rejected}, "rejected": rejected}
            catalog.emit("rows rejected", f"{rejected} of them", rows=100 - rejected, **told)
        waiting.deliver()
    found = sorted((posted.path, posted.document["message"]) for posted in received)
    assert found == [
        ("/bad", "rows rejected: 20 of them — 20 type"),
        ("/grave", "run failed: prep — no disk"),
        ("/prep", "hot entity: view 'a'"),
        ("/prep", "run failed: prep — no disk"),
        ("/ready", "features ready: 12 features"),
    ]


def test_a_digest_is_one_message_in_the_words_of_its_templates(catalog, clock):
    with receiver() as (host, received):
        rule = ov.Notify(
            f"json://{host}/",
            digest="1h",
            at_once="error",
            title="{pipeline}: {count} × {severity}",
            body="{stage}/{kind} {subject} at {at:%Y}",
        )
        waiting = queue(catalog, clock, rule)
        catalog.emit("deployed", "candidate-1")
        catalog.emit("drift", "3 of 9 features", severity="warning", drifted=["a"])
        waiting.deliver()
        catalog.emit("run failed", "prep", severity="error", error="no disk")
        waiting.deliver()
        clock.later(3601)
        waiting.deliver()
    year = time.strftime("%Y", time.gmtime())
    assert [(p.document["title"], p.document["message"]) for p in received] == [
        ("shop: 1 × error", f"prep/run failed prep at {year}"),
        (
            "shop: 2 × warning",
            f"deployment/deployed candidate-1 at {year}\n"
            f"monitoring/drift 3 of 9 features at {year}",
        ),
    ]


def test_a_missing_variable_is_a_failed_delivery_that_names_it(catalog, clock):
    with receiver() as (host, received):
        url = f"json://me:${{TELL_PASSWORD}}@{host}/"
        catalog.emit("model ready", "candidate-1")
        assert queue(catalog, clock, url).deliver() == [
            ("json://127.0.0.1", "the environment has no TELL_PASSWORD.")
        ]
        clock.later(11)
        assert queue(catalog, clock, url, TELL_PASSWORD="a/b@c:d").deliver() == []
    assert received[0].authorization == "Basic bWU6YS9iQGM6ZA==", "me:a/b@c:d"


def test_a_mail_server_with_a_password_gets_it(catalog, clock):
    password = "s3c/r@t:x"
    with mail_server(password) as (host, received):
        url = f"mailto://{USER}:${{SMTP}}@{host}?from=octavo@example.org&to=ops@example.org"
        waiting = queue(catalog, clock, url, SMTP=password)
        catalog.emit("model ready", "candidate-1 (a < b)")
        assert waiting.deliver() == []
        assert waiting.test() == [("mailto://…", "")]
    assert [mail["Subject"] for mail in received] == ["octavo: shop"] * 2
    assert received[0]["To"] == "ops@example.org"
    text = received[0].get_body(("plain",)).get_content().strip()
    assert text == "model ready: candidate-1 (a < b)"
    assert password not in str(catalog.rows(sa.select(tables.events)))


def test_a_target_is_not_told_of_what_did_not_reach_it(catalog, clock):
    rule = {"kinds": ["notification failed"], "attempts": 1}
    with receiver() as (host, received):
        away = ov.Notify("json://localhost:1/", attempts=1)
        waiting = queue(catalog, clock, away, ov.Notify(f"json://{host}/", **rule))
        catalog.emit("model ready", "candidate-1")
        for _ in range(3):
            waiting.deliver()
            clock.later(3600)
    messages = [posted.document["message"] for posted in received]
    assert len(messages) == 1
    assert messages[0].startswith("notification failed: json://localhost — it did not take")


def test_nobody_is_told_of_what_was_before(tmp_path):
    """As a home of an older Octavo has it: the queue begins with the newest event."""
    from alembic import command
    from alembic.config import Config

    catalog = Catalog(tmp_path / "c.db")
    catalog.emit("model ready", "long ago")
    config = Config()
    folder = __import__("octavo").__path__[0]
    config.set_main_option("script_location", f"{folder}/stores/catalog/migrations")
    with catalog.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0011")
        command.upgrade(config, "head")
    with receiver() as (host, received):
        queue(catalog, Clock(), f"json://{host}/").deliver()
    assert received == []
