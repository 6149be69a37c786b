"""What to try next: whose turn it is, and with which parameters.

Trial k is a function of the trials that had to be over before it, and of the seed. It knows
nothing of how trials are run, or of time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octavo.bundle.ranking import ranked
from octavo.definition import Pipeline
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms import Algorithm, get, narrowed, to_try

FIRST = 12
"""Trials of a search without a number of its own, if one of them answers the problem."""
_HOPELESS = 3
"""Failures after which an algorithm that has never succeeded is tried no more."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Proposal:
    """One trial to be run."""

    number: int
    algorithm: Algorithm
    params: dict[str, Any]
    rivals: list[dict[int, float]] = field(default_factory=list)
    """Losses, by step, of the same algorithm's trials so far."""
    error: str | None = None
    """What its ``defaults`` or ``space`` raised, if it is the user's own."""


def chosen(pipeline: Pipeline, settings: Mapping[str, Any]) -> list[Algorithm]:
    """Return the algorithms that the settings name, the user's own among them."""
    own = {getattr(a, "name", a): a for a in pipeline.algorithms}
    given = settings["params"]
    return [narrowed(get(own.get(n, n)), given.get(n, {})) for n in settings["algorithms"]]


def widened(
    searched: Sequence[Algorithm], kind: Kind, given: Mapping[str, Mapping[str, Any]]
) -> list[Algorithm]:
    """Return all that can learn such a problem and is installed, those that are searched first.

    Parameters
    ----------
    given
        For each algorithm, parameters that are fixed or bounded.
    """
    known = {algorithm.name for algorithm in searched}
    others = [narrowed(a, given.get(a.name, {})) for a in to_try(kind) if a.name not in known]
    return [*searched, *others]


@dataclass(frozen=True)
class Search:
    """The rules of one study."""

    searched: Sequence[Algorithm]
    seed: int
    more_is_better: bool
    at_once: int
    """Trials that run side by side: so many, less one, may still run when a next one begins."""
    warm: Mapping[str, list[dict[str, Any]]]
    """For each algorithm what did best in earlier studies of the problem, the best first."""

    def propose(self, number: int, rows: Sequence[Row], begun: Sequence[str]) -> Proposal | None:
        """Return a trial; None if every algorithm has proved hopeless.

        An algorithm begins with its defaults, then takes what did best before; later parameters
        come from a tree-structured Parzen estimator. Source: Bergstra et al., Algorithms for
        Hyper-Parameter Optimization (2011), as in Optuna.

        Parameters
        ----------
        rows
            Trials as the catalog has them; those that need not be over yet are not looked at.
        begun
            The algorithms of trials 0 … number − 1.
        """
        done = [row for row in rows if row["number"] <= number - self.at_once]
        turn = self._turn(done, begun)
        if turn is None:
            return None
        of_it = [row for row in done if row["algorithm"] == turn.name]
        rivals = [{int(k): v for k, v in (row["steps"] or {}).items()} for row in of_it]
        try:
            params = self._params(turn, number, begun.count(turn.name), of_it)
            plain = {name: _plain(value) for name, value in params.items()}
        except Exception as error:  # noqa: BLE001  the user's own code runs here
            return Proposal(number, turn, {}, rivals, f"{type(error).__name__}: {error}")
        return Proposal(number, turn, plain, rivals)

    def _turn(self, done: Sequence[Row], begun: Sequence[str]) -> Algorithm | None:
        """Return whose turn it is: every algorithm once, then the better ones more often.

        The best one's share is a half, the next one's a quarter, and so on.
        """
        able = [a for a in self.searched if not _is_hopeless(a.name, done)]
        for algorithm in able:
            if algorithm.name not in begun:
                return algorithm
        names = list(dict.fromkeys(row["algorithm"] for row in self._ranked(done)))
        place = {name: place for place, name in enumerate(names)}
        by_place = sorted(able, key=lambda a: place.get(a.name, len(place)))
        due = [(0.5**rank / (begun.count(a.name) + 1), a) for rank, a in enumerate(by_place)]
        return max(due, key=lambda pair: pair[0])[1] if due else None

    def _ranked(self, done: Sequence[Row]) -> list[Row]:
        complete = [row for row in done if row["state"] == "complete"]
        return ranked(complete, more_is_better=self.more_is_better)

    def _params(
        self, algorithm: Algorithm, number: int, nth: int, of_it: Sequence[Row]
    ) -> dict[str, Any]:
        warm = self.warm.get(algorithm.name, [])
        if nth == 0:
            return algorithm.defaults()
        if nth <= len(warm):
            return warm[nth - 1]
        return self._suggested(algorithm, number, of_it)

    def _suggested(self, algorithm: Algorithm, number: int, of_it: Sequence[Row]) -> dict[str, Any]:
        import optuna  # only a search of some length pays for loading it

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            seed=self.seed + number, n_startup_trials=5, multivariate=True
        )
        study = optuna.create_study(direction="minimize", sampler=sampler)
        place = {row["number"]: place for place, row in enumerate(self._ranked(of_it))}
        for row in of_it:
            if row["state"] == "complete":
                study.enqueue_trial(row["params"])
                asked = study.ask()
                algorithm.space(asked)
                study.tell(asked, place[row["number"]])  # the estimator looks at the order alone
        return algorithm.space(study.ask())


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's own, which the catalog can hold."""
    return value.item() if hasattr(value, "item") else value


def _is_hopeless(name: str, done: Sequence[Row]) -> bool:
    """Say whether an algorithm that never succeeded ran out of time, or has failed often."""
    if any(_is_of(row, name, "complete") for row in done):
        return False
    failures = sum(_is_of(row, name, "failed") for row in done)
    return failures >= _HOPELESS or any(_is_of(row, name, "stopped") for row in done)


def _is_of(row: Row, name: str, state: str) -> bool:
    return row["algorithm"] == name and row["state"] == state
