"""What a rebuild changes was marked: any history of batches, corrections, preps and rebuilds.

The model is a fold of its own over lists: which observations a row sees, where, and what is known
of it. It shares no code with prep.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import polars as pl
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, TIMESTAMP
from octavo.definition.versions import ROWS
from octavo.stages.prep.groups import Work
from octavo.stages.prep.stale import ALL, WITHDRAWN, Correction, marks, new_marks

PAYMENTS = ov.Dataset("payments", ov.Files("p.csv"), event_id="id", event_time="at")
OUTCOMES = ov.Dataset("outcomes", ov.Files("o.csv"), event_id="id", event_time="at")
OBSERVES = {
    "own": ("card", ["payments"]),
    "others": ("card", ["outcomes"]),
    "both": ("shop", ["payments", "outcomes"]),
    ROWS: (None, []),
}
PIPELINE = ov.Pipeline(
    problem=ov.Problem("?", target="bad", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[PAYMENTS, OUTCOMES],
    rows=PAYMENTS,
    label=ov.Label("bad", of=OUTCOMES, on="id", value=pl.col("x") > 0),
    views=[
        ov.View(
            name, key, [ov.Window({"payments": PAYMENTS, "outcomes": OUTCOMES}[d]) for d in seen]
        )
        for name, (key, seen) in OBSERVES.items()
        if name != ROWS
    ],
)
ENDLESS = 2**62


@dataclass(frozen=True)
class Version:
    """One raw row: what it says of an event, and since when."""

    id: str
    card: str
    shop: str
    x: int
    at: int | None
    """None: no event of the dataset."""
    dataset: str
    batch: int
    position: int
    again: bool

    @property
    def content(self):
        return self.card, self.shop, self.x, self.at


@dataclass
class Group:
    """What one view has folded."""

    cut_over: int
    since: int
    seen: list[tuple[Version, int]]
    """What it observes, and the position from which that is not seen any more."""
    rows: dict[int, Any]
    """For each place in the log, what was asked there, and what was seen."""


@dataclass
class World:
    batches: list[dict[str, Any]] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    groups: dict[str, list[Group]] = field(default_factory=lambda: {name: [] for name in OBSERVES})
    marked: list[dict[str, Any]] = field(default_factory=list)
    clock: int = 0

    # What happens

    def deliver(self, dataset, rows):
        self.clock += 1
        restated = 0
        for number, (name, *content) in enumerate(rows):
            known = [v for v in self.standing(dataset) if v.id == name]
            if known and known[-1].content == tuple(content):
                continue
            restated += bool(known)
            position = self.clock * 2**32 + number
            new = Version(name, *content, dataset, self.clock, position, bool(known))
            self.versions.append(new)
        self.batches.append(
            {
                "batch_id": f"b{self.clock}", "dataset": dataset, "sequence": self.clock,
                "restated": restated, "withdrawn": None,
            }
        )  # fmt: skip

    def withdraw(self, choice):
        left = [b for b in self.batches if b["withdrawn"] is None]
        if not left:
            return
        batch = left[choice % len(left)]
        self.clock += 1
        folded = [
            name
            for name, groups in self.groups.items()
            if any(group.since >= batch["sequence"] for group in groups)
        ]
        correction = Correction(batch | {"withdrawn": self.clock}, WITHDRAWN)
        self.mark(marks(PIPELINE, self, self.batches, correction, folded))
        batch["withdrawn"] = self.clock

    def prep(self):
        extended = [
            Work(name, "", {}, {}, {"position": group.since})
            for name, groups in self.groups.items()
            for group in groups
        ]
        position = self.catalog.position()
        self.mark(new_marks(PIPELINE, self, self.catalog, extended, position))
        for name, groups in self.groups.items():
            if not groups:
                groups.append(self.folded(name))
            for group in groups:
                self.extend(name, group)

    def add_features(self, name):
        self.prep()
        self.groups[name].append(self.folded(name))

    def rebuild(self, name):
        self.prep()
        self.groups[name] = [self.folded(name)]
        self.marked = [mark for mark in self.marked if mark["name"] != name]

    def mark(self, found):
        known = {(m["name"], m["batch_id"], m["cause"]) for m in self.marked}
        self.marked += [m for m in found if (m["name"], m["batch_id"], m["cause"]) not in known]

    # What prep asks

    @property
    def catalog(self):
        return SimpleNamespace(batches=lambda: self.batches, position=self.position)

    def position(self):
        return max((max(b["sequence"], b["withdrawn"] or 0) for b in self.batches), default=0)

    def scan(self, dataset, batches):
        return self.table(dataset, batches, again=False)

    def restated(self, dataset, batches):
        return self.table(dataset, batches, again=True)

    def table(self, dataset, batches, *, again):
        of = {batch["batch_id"] for batch in batches}
        found = [
            (v.id, v.card, v.shop, v.x, v.at, v.id, v.at, v.at, v.position, f"b{v.batch}")
            for v in self.versions
            if v.dataset == dataset and v.again == again and f"b{v.batch}" in of
        ]
        text, number = pl.String, pl.Int64
        schema = {
            "id": text, "card": text, "shop": text, "x": number, "at": number, EVENT_ID: text,
            EVENT_TIME: number, KNOWN_AT: number, POSITION: number, "_batch_id": text,
        }  # fmt: skip
        frame = pl.DataFrame(found, schema=schema, orient="row").lazy()
        return frame.with_columns(pl.col("at", EVENT_TIME, KNOWN_AT).cast(TIMESTAMP))

    # What is right, by the plainest fold

    def standing(self, dataset):
        gone = {b["sequence"] for b in self.batches if b["withdrawn"] is not None}
        return [v for v in self.versions if v.dataset == dataset and v.batch not in gone]

    def folded(self, name):
        key, observes = OBSERVES[name]
        seen, rows = [], {}
        for dataset in ("payments", "outcomes"):
            histories = {}
            for version in self.standing(dataset):
                histories.setdefault(version.id, []).append(version)
            for history in histories.values():
                ends = [later.position for later in history[1:]] + [ENDLESS]
                if dataset in observes:
                    pairs = zip(history, ends, strict=True)
                    seen += [(v, end) for v, end in pairs if v.at is not None]
                if dataset == "payments" and history[-1].at is not None:
                    first = next(v.position for v in history if v.at is not None)
                    rows[first] = history[-1]
        answers = {place: _answer(key, row, place, seen) for place, row in rows.items()}
        return Group(self.position(), self.position(), seen, answers)

    def extend(self, name, group):
        key, observes = OBSERVES[name]
        new = [
            version
            for dataset in ("payments", "outcomes")
            for version in self.standing(dataset)
            if version.batch > group.since and not version.again and version.at is not None
        ]
        group.seen += [(v, ENDLESS) for v in new if v.dataset in observes]
        for row in new:
            if row.dataset == "payments":
                group.rows[row.position] = _answer(key, row, row.position, group.seen)
        group.since = self.position()


def _answer(key, row, place, seen):
    """Return what a row asks and sees; of the rows themselves, their content."""
    if key is None:
        return row.id, row.content
    entity = getattr(row, key)
    visible = {
        (v.dataset, v.id, v.x, v.at)
        for v, end in seen
        if getattr(v, key) == entity and v.position <= place < end and v.at <= row.at
    }
    return row.id, entity, row.at, visible


def _kept(key, seen):
    """Return what the state has of every entity."""
    found = {}
    for v, end in seen:
        if end == ENDLESS:
            found.setdefault(getattr(v, key), set()).add((v.dataset, v.id, v.x, v.at))
    return found


def differing(name, group, right):
    """Return the entities of which a rebuild would change a row or the state."""
    key, _ = OBSERVES[name]
    if key is None:
        return {ALL for place, row in right.rows.items() if group.rows.get(place) != row}
    found = {row[1] for place, row in right.rows.items() if group.rows.get(place) != row}
    kept, wanted = _kept(key, group.seen), _kept(key, right.seen)
    return found | {
        entity
        for entity in kept.keys() | wanted.keys()
        if kept.get(entity, set()) != wanted.get(entity, set())
    }


# Mostly of one content, so that often one thing alone differs.
row = st.tuples(
    st.sampled_from("12"),
    st.sampled_from(["c1", "c1", "c1", "c2"]),
    st.sampled_from(["s1", "s1", "s1", "s2"]),
    st.integers(0, 3),
    st.sampled_from([5, 5, 5, 6, None]),
)
some_view = st.sampled_from(list(OBSERVES))
deliver = st.tuples(
    st.just("deliver"),
    st.sampled_from(["payments", "payments", "outcomes"]),
    st.lists(row, min_size=1, max_size=2),
)
withdraw = st.tuples(st.just("withdraw"), st.integers(0, 3))
prep = st.just(("prep",))
refold = st.tuples(st.sampled_from(["rebuild", "add_features"]), some_view)
actions = st.one_of(deliver, deliver, withdraw, prep, refold)


def _restated(*then):
    first, second = ("1", "c1", "s1", 0, 5), ("1", "c1", "s1", 1, 5)
    before = [("deliver", "payments", [("2", "c2", "s1", 0, 5)]), ("prep",)]
    return [*before, ("deliver", "payments", [first]), *then, ("deliver", "payments", [second])]


@settings(max_examples=400, deadline=None)
@example([*_restated(), ("withdraw", 1)])
@example([*_restated(("prep",)), ("prep",), ("withdraw", 1)])
@given(st.lists(actions, min_size=3, max_size=12))
def test_whom_a_rebuild_changes_was_marked(steps):
    world = World()
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.prep()
    for name, groups in world.groups.items():
        right = world.folded(name)
        marked = {mark["key"] for mark in world.marked if mark["name"] == name}
        for group in groups:
            changed = differing(name, group, right)
            event(f"{name}: {'something' if changed else 'nothing'} changes")
            assert ALL in marked or changed <= marked
