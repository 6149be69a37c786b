"""A claim and whether it holds: one line for people, one for machines."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Claim:
    """Ours beside the peer's, in the same unit."""

    claim: str
    ours: float
    peer: float
    goal: float
    """The ratio from which the claim holds, or up to which (`at_most`)."""
    unit: str = "s"
    at_most: bool = False
    """Whether the claim is that ours / peer is small, rather than peer / ours large."""

    @property
    def ratio(self) -> float:
        """How many times better than the peer; with `at_most`, how many times dearer."""
        return self.ours / self.peer if self.at_most else self.peer / self.ours

    @property
    def holds(self) -> bool:
        """Whether the goal is met."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    def show(self, *, as_json: bool) -> None:
        """Print the line for people and, if wanted, the one for machines after it."""
        sign = "≤" if self.at_most else "≥"
        print(
            f"{self.claim}: octavo {self.ours:,.4g} {self.unit}, peer {self.peer:,.4g} "
            f"{self.unit}, {self.ratio:.2f} × (goal {sign} {self.goal:g})"
        )
        if as_json:
            found: dict[str, Any] = {"claim": self.claim, "ours": self.ours, "peer": self.peer}
            found |= {"ratio": self.ratio, "goal": self.goal, "holds": self.holds}
            print(json.dumps(found), flush=True)


def medians(*works: Callable[[], object], repeats: int) -> list[float]:
    """Run works in turn, several times over, and return the median seconds of each."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, taken in zip(works, seconds, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in seconds]
