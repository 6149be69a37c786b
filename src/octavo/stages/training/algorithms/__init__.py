"""The library of algorithms: interchangeable, by name, the user's own among them.

Importing it loads no training library; fitting loads the one that is used.
"""

from importlib.util import find_spec

from octavo.definition.problem import Kind
from octavo.errors import DefinitionError, ResourceError
from octavo.stages.training.algorithms.contract import (
    TOLERANCE,
    Algorithm,
    Fitted,
    Pruned,
    Task,
    Watch,
    take_over,
)
from octavo.stages.training.algorithms.forests import ExtraTrees, RandomForest
from octavo.stages.training.algorithms.hist_gradient_boosting import HistGradientBoosting
from octavo.stages.training.algorithms.lightgbm import LightGBM
from octavo.stages.training.algorithms.linear import Logistic, Ridge
from octavo.stages.training.algorithms.narrowed import admits, narrowed
from octavo.stages.training.algorithms.tails import Tails
from octavo.stages.training.algorithms.xgboost import XGBoost

_LIBRARY: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        ExtraTrees(),
        HistGradientBoosting(),
        LightGBM(),
        Logistic(),
        RandomForest(),
        Ridge(),
        Tails(),
        XGBoost(),
    )
}


def names() -> list[str]:
    """List the algorithms of the library."""
    return sorted(_LIBRARY)


def get(algorithm: str | Algorithm) -> Algorithm:
    """Return an algorithm by its name, or a user's own as it is.

    Raises
    ------
    DefinitionError
        If there is none of that name, or the object lacks a member of `Algorithm`.
    """
    if isinstance(algorithm, str):
        if algorithm not in _LIBRARY:
            raise DefinitionError.unknown(
                "algorithm", algorithm, names(), where="Training.algorithms"
            )
        return _LIBRARY[algorithm]
    if isinstance(algorithm, type) or not isinstance(algorithm, Algorithm):
        raise DefinitionError(
            f"{algorithm!r} is not an algorithm.",
            where="Training.algorithms",
            fix="Give a name, or an object with name, encoder, kinds, defaults, space and fit.",
        )
    return algorithm


def suited(algorithm: str | Algorithm, kind: Kind) -> Algorithm:
    """Return an algorithm as `get` does, refusing one that cannot learn this kind of problem.

    Raises
    ------
    DefinitionError
        If there is none of that name, or it does not learn such problems.
    """
    found = get(algorithm)
    if kind not in found.kinds:
        able = [name for name in names() if kind in _LIBRARY[name].kinds]
        raise DefinitionError(
            f"{found.name!r} learns {', '.join(sorted(found.kinds))}, not {kind}.",
            where="Training.algorithms",
            fix=f"Choose among {', '.join(able)}, or give your own.",
        )
    return found


def require(algorithm: str | Algorithm) -> None:
    """Refuse an algorithm whose library is not installed.

    Raises
    ------
    ResourceError
        Naming the extra to install.
    """
    found = get(algorithm)
    if found.name == XGBoost.name and find_spec("xgboost") is None:
        where = f"algorithm {found.name!r}"
        raise ResourceError.not_installed("XGBoost", extra="xgboost", where=where)


__all__ = [
    "TOLERANCE",
    "Algorithm",
    "ExtraTrees",
    "Fitted",
    "HistGradientBoosting",
    "LightGBM",
    "Logistic",
    "Pruned",
    "RandomForest",
    "Ridge",
    "Tails",
    "Task",
    "Watch",
    "XGBoost",
    "admits",
    "get",
    "names",
    "narrowed",
    "require",
    "suited",
    "take_over",
]
