"""Quix Streams' share of `online.py`: run in Quix's own environment.

``python quix_windows.py EVENTS.ndjson`` keeps, for each card, the count, mean, and maximum of the
amount over sliding windows of 1 minute, 10 minutes, and 1 hour, answers every event with all
three, and prints how many events in how many seconds.

Quix reads only from Kafka: its file sources write there first. So it gets the broker that its own
client library has for tests, without disk, other processes, or replicas, and filled before the
clock starts: this suits it. All else is its `Application` as it comes: RocksDB, a checkpoint every
5 seconds, at least once; but no changelog topics, and the answers go no further, which suits it
too. That broker can not describe its topics, so their settings are told. Quix's time is whole
milliseconds, and one process works: more would share the partitions.
"""

import json
import sys
import tempfile
import time
from datetime import datetime, timedelta

import quixstreams.dataframe.windows.aggregations as agg
from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.models import Topic, TopicConfig, TopicManager

TOPIC = "events"
PARTITIONS = 4  # what the broker for tests makes; it drops what is over 5 MB of one
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
SPANS = [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)]


class Told(TopicManager):
    """The topic's settings, without asking the broker."""

    def _fetch_topic(self, topic: Topic) -> Topic:
        found = Topic(name=topic.name)
        found.broker_config = TopicConfig(PARTITIONS, replication_factor=1, extra_config=KEPT)
        return found


def broker() -> tuple[Producer, str]:
    """Return a client that lives as long as its broker in memory, and the broker's address."""
    client = Producer(
        {"bootstrap.servers": "-", "test.mock.num.brokers": 1, "compression.type": "gzip"}
    )
    (found,) = client.list_topics(timeout=10).brokers.values()
    return client, f"{found.host}:{found.port}"


def fill(client: Producer, path: str) -> int:
    """Write the file's events to the topic by card, and return how many."""
    rows = 0
    with open(path) as lines:
        for rows, line in enumerate(lines, 1):
            event = json.loads(line)
            at = datetime.fromisoformat(event["at"]).timestamp()
            client.produce(TOPIC, line.strip(), str(event["card"]), timestamp=int(at * 1000))
            if rows % 10_000 == 0:
                client.flush()
    client.flush()
    return rows


class Tally:
    """Notes when the first event was done, and stops the application at the last."""

    def __init__(self, rows: int) -> None:
        self.rows, self.done, self.answers = rows, 0, 0
        self.app: Application | None = None
        self.began = 0.0

    def event(self, *_: object) -> None:
        if self.done == 0:
            self.began = time.perf_counter()
        self.done += 1
        if self.done == self.rows:
            self.app.stop()

    def answer(self, _: object) -> None:
        self.answers += 1


def main() -> None:
    client, address = broker()
    rows = fill(client, sys.argv[1])
    tally = Tally(rows)
    with tempfile.TemporaryDirectory() as folder:
        app = tally.app = Application(
            address,
            consumer_group="windows",
            auto_offset_reset="earliest",
            state_dir=folder,
            use_changelog_topics=False,
            on_message_processed=tally.event,
            topic_manager=Told(topic_admin=None, consumer_group="windows"),
            loglevel="WARNING",
        )
        frame = app.dataframe(app.topic(TOPIC))
        for span in SPANS:
            kept = {"count": agg.Count(), "mean": agg.Mean("amount"), "max": agg.Max("amount")}
            frame.sliding_window(span).agg(**kept).current().update(tally.answer)
        app.run(timeout=30, collect=False)
        seconds = time.perf_counter() - tally.began
    if tally.done < rows:
        raise SystemExit(f"{rows - tally.done} of {rows} events did not arrive.")
    print(json.dumps({"rows": tally.done, "answers": tally.answers, "seconds": seconds}))


if __name__ == "__main__":
    main()
