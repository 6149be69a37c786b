"""The pipeline in the README, run end to end on small files: what the README says must be so."""

import csv
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from octavo.project import Project
from octavo.stages.contract import Outcome

README = Path(__file__).parents[2] / "README.md"
STAGES = [
    "problem",
    "ingestion",
    "prep",
    "segregation",
    "training",
    "evaluation",
    "deployment",
    "monitoring",
]
OPENED = datetime(2025, 1, 1)  # noqa: DTZ001  files without a zone are read as UTC
DAYS, CARDS, MERCHANTS = 200, 150, 20
HEAD = "payment_id,paid_at,card,merchant,amount\n"


class Silent:
    """A display that shows nothing."""

    def began(self, stage: str, reason: str) -> None: ...

    def progress(
        self, stage: str, task: str, done: float, total: float, note: str = ""
    ) -> None: ...

    def ended(self, stage: str, outcome: Outcome, seconds: float) -> None: ...

    def unchanged(self, stage: str) -> None: ...

    def notify(self, severity: str, text: str) -> None: ...


def readme_pipeline() -> str:
    """Return the README's one block of Python."""
    (block,) = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    return block


def write_files(folder: Path, *, payments: int = 3000) -> None:
    """Invent payments, of which a quarter of the merchants gets many disputed days later."""
    rng = random.Random(5)
    moments = sorted(rng.uniform(0, DAYS * 86_400) for _ in range(payments))
    paid, disputed = [], []
    for number, second in enumerate(moments):
        merchant = rng.randrange(MERCHANTS)
        at = OPENED + timedelta(seconds=int(second))
        later = at + timedelta(seconds=rng.randrange(86_400, 20 * 86_400))
        amount = round(1 + rng.expovariate(1 / 40), 2)
        card, shop = f"card{rng.randrange(CARDS)}", f"merchant{merchant}"
        paid.append((number, at.isoformat(), card, shop, amount))
        if rng.random() < (0.45 if merchant < 5 else 0.02) and later < OPENED + timedelta(DAYS):
            disputed.append((number, later.isoformat(), shop))
    write_csv(folder / "payments.csv", HEAD.strip().split(","), paid)
    write_csv(folder / "disputes.csv", ["payment_id", "disputed_at", "merchant"], disputed)


def write_csv(path: Path, head: list[str], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give the README's project after its first run."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "pipeline.py").write_text(readme_pipeline())
    write_files(folder)
    found = Project(folder)
    found.config.set("training.threads", "1")  # small data: two threads only wait for each other
    assert found.run(Silent()).ran == STAGES
    return found


def test_the_pipeline_answers_its_problem_and_is_deployed(project: Project) -> None:
    status = project.status()
    assert [stage["state"] for stage in status["stages"]] == ["succeeded"] * 8
    assert status["verdict"]["answered"]
    assert status["verdict"]["test"] >= 1.5 * status["verdict"]["baseline"]
    assert status["deployment"]["candidate"] == status["verdict"]["candidate"]


def test_a_second_run_does_nothing(project: Project) -> None:
    assert project.run(Silent()).ran == []


def test_the_splits_are_disjoint_and_young_payments_are_unlabeled(project: Project) -> None:
    parts = {part: project.data(split=part) for part in ("train", "validation", "test")}
    ids = [event for frame in parts.values() for event in frame["_event_id"]]
    assert len(ids) == len(set(ids)) > 2000
    assert parts["train"]["_event_time"].max() < parts["validation"]["_event_time"].min()
    unlabeled = project.data(labels="without")
    assert "disputed" not in unlabeled.columns
    newest = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(DAYS - 30)
    assert unlabeled["_event_time"].min() > newest - timedelta(days=1)


def test_a_request_gets_the_features_that_training_gets(project: Project) -> None:
    at = OPENED + timedelta(DAYS, hours=1)
    text = f"99999,{at.isoformat()},card17,merchant3,61.5\n"
    asked = pl.DataFrame(
        {
            "payment_id": [99_999],
            "paid_at": [at.replace(tzinfo=UTC)],
            "card": ["card17"],
            "merchant": ["merchant3"],
            "amount": [61.5],
        },
        schema_overrides={"paid_at": pl.Datetime("us", "UTC")},
    )
    served = project.features().of_rows(asked)
    answer = project.scorer().score(asked).predictions
    assert 0.0 < answer[0] < 1.0

    (project.folder / "payments-2.csv").write_text(HEAD + text)
    assert "prep" in project.run(Silent(), last="segregation").ran
    prepped = project.data(labels="without").filter(pl.col("_event_id") == "99999")
    names = project.definition.features
    assert served.select(names).equals(prepped.select(names), null_equal=True)
    assert served["card__amount_count_30d"][0] > 0
