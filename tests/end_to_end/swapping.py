"""Two models of one project that tell each other apart, and clients that ask all the time."""

import dataclasses
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import polars as pl

from octavo.bundle import Bundle
from octavo.project import Project, load
from octavo.stores import catalog as tables
from octavo.stores import deployments

SECOND = "second"


def with_a_second(folder: Path) -> Project:
    """Deploy, beside what a run has deployed, the same model with another intercept."""
    project = load(folder)
    live = project.catalog.live_deployment()
    bundle = Bundle.load(project.home.candidate(live["candidate_id"]))
    other = dataclasses.replace(bundle.model, intercept=bundle.model.intercept + 3.0)
    dataclasses.replace(bundle, model=other).save(project.home.candidate(SECOND))
    profile = project.home.candidate(live["candidate_id"]) / "profile.json"
    shutil.copy(profile, project.home.candidate(SECOND))
    with project.catalog.transaction(alone=True) as connection:
        deployments.replace(connection, SECOND, live["run_id"], at=tables.now())
    return project


def newest(folder: Path, count: int) -> list[dict[str, Any]]:
    return pl.read_csv(folder / "data/orders.csv").tail(count).to_dicts()


def expected(project: Project, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return what each candidate predicts for some events."""
    scorer = project.scorer()
    features = scorer.features.answer(
        scorer.decoder.frame(scorer.decoder.decode(_body(rows)).events)
    )
    found = {}
    for candidate in {row["candidate_id"] for row in deployments.history(project.catalog)}:
        bundle = Bundle.load(project.home.candidate(candidate))
        found[candidate] = bundle.predict(features.features).tolist()
    return found


def _body(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return httpx.Request("POST", "http://test", json={"events": rows}).content


class Asking:
    """Clients that post the same events until the block ends.

    Parameters
    ----------
    tolerant
        Whether one whose connection is lost connects anew: its worker was killed.
    """

    def __init__(
        self, address: str, path: str, rows: Sequence[Any], clients: int = 4, *, tolerant: bool
    ) -> None:
        self.answers: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self.lost = 0
        self._told = address, path, _body(rows)
        self._tolerant = tolerant
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        address, path, body = self._told
        with httpx.Client(base_url=address, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(path, content=body)
                except httpx.TransportError as error:
                    self.lost += 1
                    if not self._tolerant:
                        self.failed.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answers.append(answer.json())
                else:
                    self.failed.append(answer.text)

    def more(self, count: int, within: float = 60) -> None:
        """Wait until so many more were answered."""
        wanted, until = len(self.answers) + count, time.monotonic() + within
        while len(self.answers) < wanted:
            assert time.monotonic() < until, self.failed[:3]
            time.sleep(0.01)


def of_one_version(
    answers: Sequence[Mapping[str, Any]], told: Mapping[str, Sequence[float]]
) -> int:
    """Check that each answer is wholly of the candidate that it names; return how many are."""
    seen = set()
    for answer in answers:
        found = [each["returned"] for each in answer["predictions"]]
        assert found == told[answer["candidate"]], answer
        seen.add(answer["candidate"])
    assert len({tuple(each) for each in told.values()}) == len(told), "they differ"
    return len(seen)
