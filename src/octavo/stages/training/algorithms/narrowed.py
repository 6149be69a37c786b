"""An algorithm whose parameters are fixed, or searched within other bounds than its own.

It knows an algorithm by its contract alone, so the user's own are narrowed as the library's are.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.definition.parameters import Bounds
from octavo.errors import DefinitionError
from octavo.stages.training.algorithms.contract import Algorithm, Fitted, Task

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class Narrowed:
    """An algorithm, with some of its parameters given.

    Parameters
    ----------
    algorithm
        What trains.
    given
        Parameter to a value, which is fixed, to ``[least, largest]``, or to a list of choices.

    Raises
    ------
    DefinitionError
        If the algorithm has no such parameter, its value is of another kind, or bounds are given
        for one that is not searched.
    """

    def __init__(self, algorithm: Algorithm, given: Mapping[str, Bounds]) -> None:
        self.algorithm = algorithm
        self.name, self.encoder, self.kinds = algorithm.name, algorithm.encoder, algorithm.kinds
        self.bounds = {key: value for key, value in given.items() if isinstance(value, list)}
        self.fixed = {key: value for key, value in given.items() if key not in self.bounds}
        self._check()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "algorithm":  # asked for before there is any: a copy
            raise AttributeError(name)
        return getattr(self.algorithm, name)

    def defaults(self) -> dict[str, Any]:
        """Return the algorithm's defaults, moved to where they may be."""
        defaults = self.algorithm.defaults() | self.fixed
        return defaults | {key: _moved(defaults[key], b) for key, b in self.bounds.items()}

    def space(self, trial: "BaseTrial") -> dict[str, Any]:
        """Draw parameters within the bounds."""
        asking: Any = Asking(trial, self.fixed, self.bounds)
        return self.algorithm.space(asking) | self.fixed

    def fit(self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task) -> Fitted:
        """Train; see `Algorithm.fit`."""
        return self.algorithm.fit(X, y, params, task)

    def _check(self) -> None:
        defaults = self.algorithm.defaults()
        where = f"Training.params.{self.name}"
        for key, value in (self.fixed | self.bounds).items():
            if key not in defaults:
                raise DefinitionError.unknown("parameter", key, defaults, where=where)
            parts = value if isinstance(value, list) else [value]
            if not all(_alike(part, defaults[key]) for part in parts):
                raise DefinitionError(
                    f"{value!r} is not of the kind of its default, {defaults[key]!r}.",
                    where=f"{where}.{key}",
                    fix=f"Give such as {defaults[key]!r}.",
                )
        searched = _Searched(defaults)
        asking: Any = Asking(searched, self.fixed, self.bounds)
        self.algorithm.space(asking)
        for key, bounds in self.bounds.items():
            if key not in searched.asked:
                raise DefinitionError(
                    f"it is not searched, so it has no bounds such as {bounds!r}.",
                    where=f"{where}.{key}",
                    fix=f"Give one value, such as {defaults[key]!r}.",
                )
            if searched.asked[key] and bounds[0] <= 0:
                raise DefinitionError(
                    f"it is searched by orders of magnitude, and {bounds[0]!r} has none.",
                    where=f"{where}.{key}",
                    fix="Let the least be above 0.",
                )


def narrowed(algorithm: Algorithm, given: Mapping[str, Bounds]) -> Algorithm:
    """Return an algorithm with some of its parameters given; see `Narrowed`."""
    return Narrowed(algorithm, given) if given else algorithm


def admits(algorithm: Algorithm, params: Mapping[str, Any]) -> bool:
    """Say whether parameters, such as those of an earlier study, are as they were given."""
    fixed, bounds = getattr(algorithm, "fixed", {}), getattr(algorithm, "bounds", {})
    return all(params.get(key) == value for key, value in fixed.items()) and all(
        params.get(key) == _moved(params.get(key), within) for key, within in bounds.items()
    )


class Asking:
    """A trial that is asked for what is not fixed, within the bounds that were given.

    Everything else of a trial is as it is.
    """

    def __init__(
        self, trial: Any, fixed: Mapping[str, Any], bounds: Mapping[str, Sequence[Any]]
    ) -> None:
        self.trial = trial
        self.fixed = fixed
        self.bounds = bounds

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trial, name)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number; bounds that the step does not divide are searched one by one."""
        if name in self.fixed:
            return self.fixed[name]
        low, high = self.bounds.get(name, (low, high))
        step = 1 if (high - low) % step else step
        return self.trial.suggest_int(name, low, high, step=step, log=log)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw a number; within bounds that were given, any number."""
        if name in self.fixed:
            return self.fixed[name]
        step = None if name in self.bounds else step
        low, high = self.bounds.get(name, (low, high))
        return self.trial.suggest_float(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        if name in self.fixed:
            return self.fixed[name]
        return self.trial.suggest_categorical(name, self.bounds.get(name, choices))


class _Searched:
    """A trial that draws nothing: it keeps what was asked, and whether by orders of magnitude."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self.defaults = defaults
        self.asked: dict[str, bool] = {}

    def suggest_int(self, name: str, low: int, *_: Any, log: bool, **__: Any) -> Any:
        self.asked[name] = log
        return self.defaults.get(name, low)

    suggest_float = suggest_int

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.asked[name] = False
        return self.defaults.get(name, choices[0])


def _moved(default: Any, bounds: Sequence[Any]) -> Any:
    if isinstance(default, int | float):
        return min(max(default, bounds[0]), bounds[1])
    return default if default in bounds else bounds[0]


def _alike(value: Any, default: Any) -> bool:
    """Tell whether a value can stand where a default does; a default of None says nothing."""
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return default is None or type(value) is type(default)
