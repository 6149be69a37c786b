"""Stages 5, 7 and 8: what is tried and for how long, how it goes live, what is watched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octavo.definition.arguments import instance, listed, whole_number
from octavo.definition.dataset import Check
from octavo.definition.durations import Duration, written
from octavo.definition.fingerprint import Declaration, beside
from octavo.definition.names import unique
from octavo.definition.parameters import Bounds, parameters
from octavo.definition.schedule import DRIFT, UPSTREAM, Schedule, check_schedule
from octavo.errors import DefinitionError

ENCODINGS = ("numeric", "categorical", "target")
"""A number (of a date or time the seconds since 1970, or since midnight); a category (of a whole
number, too); a category by the mean target of its training rows."""


OF_FEATURES = {"setting": False}
"""Metadata of fields that tell of features, which are prepped and checked by them: these belong to
``pipeline.py`` and are no settings."""


@dataclass(frozen=True, eq=False)
class Training(Declaration):
    """Which algorithms are searched, and how far.

    Every value but those that tell of features is the default of a setting of the config service
    (``octavo config set training.trials 30``); the version of the settings used is recorded with
    each run.
    """

    algorithms: Sequence[Any] | None = None
    """Names from the library, or objects with its protocol
    (``octavo.stages.training.algorithms.Algorithm``); None: gradient boosting and a linear model,
    as suit the problem's kind."""
    trials: int | None = None
    """Trials at the most, over all algorithms. None: twelve, if one of them answers the problem;
    while none does, the search goes on, among all algorithms there are, until one answers or the
    budget is spent. Each algorithm begins with its defaults."""
    budget: Duration = "10m"
    """How long training may take; trials that still run then are stopped. A run that must be
    repeated exactly ends by ``trials``; in any case the number of trials done is recorded, and a
    resumed run does that many."""
    parallel: int = 1
    """Trials that run side by side, each in a process and with ``threads`` of its own."""
    blend: bool = True
    """Whether the best candidates are also put together: averaged with weights chosen on
    validation, or stacked, where that does better there."""
    refit: bool = True
    """Whether what is best on validation is trained once more, with the parameters found, on train
    and validation together. How good it is there stays to be what it was before, and test is seen
    by neither."""
    bag: bool = False
    """Whether, where the split has folds, that is done fold by fold instead: what is trained on
    each of them is averaged."""
    rows: int = 1_000_000
    """Rows of train, and of validation, that a search uses at the most. Of a larger part so many
    are drawn, always the same; test is judged on all rows."""
    seed: int = 7
    threads: int = 2
    """Threads of one fit; fixed, since a sum's order, and so its last bit, depends on it."""
    params: Mapping[str, Mapping[str, Bounds]] = field(default_factory=dict)
    """Parameters that are not searched, or within other bounds than the algorithm's own:
    ``{"lightgbm": {"num_leaves": 31, "learning_rate": [0.01, 0.1]}}``."""
    weights: str | None = field(default=None, metadata=OF_FEATURES)
    """What a training row weighs: ``"balanced"``, so that every class weighs the same, or the name
    of a feature of positive numbers, which no model then sees. None: all rows the same."""
    monotone: Mapping[str, int] = field(default_factory=dict, metadata=OF_FEATURES)
    """Features of which more may only raise the answer (1), or only lower it (−1), all else being
    the same. Algorithms that cannot promise it are refused."""
    encodings: Mapping[str, str] = field(default_factory=dict, metadata=OF_FEATURES)
    """How models see a feature, where its type does not say it or is not meant: one of
    `ENCODINGS`."""
    schedule: Schedule | None = beside(None)
    """When a search is begun, with segregation before it; None: whenever prep has run."""

    def __post_init__(self) -> None:
        if self.algorithms is not None:
            if not isinstance(self.algorithms, list | tuple) or not self.algorithms:
                raise DefinitionError(
                    "algorithms is not a list.", where="Training", fix='algorithms=["lightgbm"].'
                )
            object.__setattr__(self, "algorithms", tuple(self.algorithms))
        object.__setattr__(self, "budget", written(self.budget, where="Training.budget"))
        if self.budget == "0s":
            raise DefinitionError(
                "no trial could begin.", where="Training.budget", fix='budget="10m".'
            )
        if self.trials is not None:
            whole_number(self.trials, least=1, where="Training.trials")
        whole_number(self.parallel, least=1, where="Training.parallel")
        instance(self.blend, bool, where="Training.blend")
        instance(self.refit, bool, where="Training.refit")
        instance(self.bag, bool, where="Training.bag")
        whole_number(self.rows, least=1, where="Training.rows")
        whole_number(self.threads, least=1, where="Training.threads")
        whole_number(self.seed, least=0, where="Training.seed")
        object.__setattr__(self, "params", parameters(self.params, where="Training.params"))
        self._check_columns()
        check_schedule(self.schedule, where="Training.schedule", on=(UPSTREAM, DRIFT))

    def _check_columns(self) -> None:
        if self.weights is not None:
            instance(self.weights, str, where="Training.weights")
        for name, allowed in (("monotone", (1, -1)), ("encodings", ENCODINGS)):
            told = getattr(self, name)
            instance(told, Mapping, where=f"Training.{name}")
            object.__setattr__(self, name, dict(told))
            for feature, value in told.items():
                if value not in allowed:
                    raise DefinitionError(
                        f"{value!r} is none of {', '.join(map(repr, allowed))}.",
                        where=f"Training.{name}[{feature!r}]",
                        fix="Write one of them.",
                    )


@dataclass(frozen=True, eq=False)
class Replace(Declaration):
    """Stage 7: the passed candidate takes the champion's place at once."""

    check_inputs: Sequence[Check] = beside(())
    """Conditions on the features that a prediction is made from. A request of which a row fails one
    is refused, or, with severity ``flag``, answered with its name beside the prediction."""
    check_outputs: Sequence[Check] = beside(())
    """The same on what is answered, by its names there, and on features."""
    schedule: Schedule | None = beside(None)
    """When it is looked for a passed candidate, and the newest rows are scored; None: whenever
    evaluation has run."""

    def __post_init__(self) -> None:
        check_schedule(self.schedule, where="Replace.schedule")
        for name in ("check_inputs", "check_outputs"):
            checks = listed(getattr(self, name), Check, where=f"Replace.{name}")
            object.__setattr__(self, name, checks)
            unique((check.name for check in checks), kind="check", where=f"Replace.{name}")
            for check in checks:
                if check.severity == "stop":
                    raise DefinitionError(
                        "a request is no batch that could be stopped.",
                        where=f"Replace.{name}, {check.name!r}",
                        fix='severity="reject" refuses it, "flag" tells.',
                    )


@dataclass(frozen=True, eq=False)
class Monitor(Declaration):
    """Stage 8: what is watched after deployment."""

    window: Duration = "7d"
    """How much of the newest data is compared with the training data."""
    drift: str = "psi"
    """The figure that raises the alarm: ``psi``, ``js`` or ``ks``."""
    threshold: float = 0.25
    """Drift from which a feature counts as drifted (0.25 is the customary PSI for a shift)."""
    schedule: Schedule | None = beside(None)
    """When it is looked; None: whenever deployment has run."""

    def __post_init__(self) -> None:
        if self.drift not in ("psi", "js", "ks"):
            raise DefinitionError.unknown(
                "drift measure", str(self.drift), ("psi", "js", "ks"), where="Monitor.drift"
            )
        instance(self.threshold, (int, float), where="Monitor.threshold")
        check_schedule(self.schedule, where="Monitor.schedule")
        object.__setattr__(self, "window", written(self.window, where="Monitor.window"))
        if self.window == "0s":
            raise DefinitionError("window is empty.", where="Monitor", fix='window="7d".')
