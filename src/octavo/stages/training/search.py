"""What to try next: defaults first, then Optuna's tree-structured Parzen estimator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octavo.definition import Pipeline
from octavo.stages.training.algorithms import Algorithm, get, narrowed


@dataclass(frozen=True)
class Proposal:
    """One trial to be run."""

    number: int
    algorithm: Algorithm
    params: dict[str, Any]


def chosen(pipeline: Pipeline, settings: Mapping[str, Any]) -> list[Algorithm]:
    """Return the algorithms that the settings name, the user's own among them."""
    own = {getattr(a, "name", a): a for a in pipeline.algorithms}
    given = settings["params"]
    return [
        narrowed(get(own.get(name, name)), given.get(name, {})) for name in settings["algorithms"]
    ]


def propose(
    number: int, done: Sequence[Mapping[str, Any]], pipeline: Pipeline, settings: Mapping[str, Any]
) -> Proposal:
    """Return trial ``number``, a function of the trials before it and the seed.

    Algorithms take turns; each begins with its defaults. Source of the sampler: Bergstra et al.,
    Algorithms for Hyper-Parameter Optimization (2011), as in Optuna.
    """
    searched = chosen(pipeline, settings)
    algorithm = searched[number % len(searched)]
    if number < len(searched):
        return Proposal(number, algorithm, algorithm.defaults())
    return Proposal(number, algorithm, _suggested(number, algorithm, done, pipeline, settings))


def _suggested(
    number: int,
    algorithm: Algorithm,
    done: Sequence[Mapping[str, Any]],
    pipeline: Pipeline,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    import optuna  # only a search of some length pays for loading it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    more = pipeline.problem.more_is_better
    study = optuna.create_study(
        direction="maximize" if more else "minimize",
        sampler=optuna.samplers.TPESampler(seed=settings["seed"] + number, n_startup_trials=3),
    )
    for trial in done:
        if trial["algorithm"] == algorithm.name and trial["state"] == "complete":
            study.enqueue_trial(trial["params"])
            asked = study.ask()
            algorithm.space(asked)
            study.tell(asked, trial["figure"])
    return algorithm.space(study.ask())
