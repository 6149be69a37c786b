"""The library of algorithms: interchangeable, by name, the user's own among them.

Importing it loads no training library; fitting loads the one that is used.
"""

from importlib.util import find_spec

from octavo.definition import LAST_VALUE
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError, ResourceError
from octavo.stages.training.algorithms.baselines import LastValue, Naive
from octavo.stages.training.algorithms.catboost import CatBoost
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
from octavo.stages.training.algorithms.isolation_forest import IsolationForest
from octavo.stages.training.algorithms.lightgbm import LightGBM
from octavo.stages.training.algorithms.linear import ElasticNet, Logistic, Ridge
from octavo.stages.training.algorithms.narrowed import admits, narrowed
from octavo.stages.training.algorithms.nearest_neighbours import NearestNeighbours
from octavo.stages.training.algorithms.onnx_fitted import OnnxFitted
from octavo.stages.training.algorithms.tails import Tails
from octavo.stages.training.algorithms.xgboost import XGBoost

_LIBRARY: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        LightGBM(),
        Logistic(),
        Ridge(),
        Tails(),
        XGBoost(),
        ExtraTrees(),
        CatBoost(),
        RandomForest(),
        HistGradientBoosting(),
        NearestNeighbours(),
        ElasticNet(),
        IsolationForest(),
        Naive(),
        LastValue(),
    )
}
"""In the order in which a search that is free to choose takes them up: what helps most tables, and
what is unlike what was there, comes first."""

BASELINES = ("naive", LAST_VALUE)
"""Those that hardly learn from rows: they are there to be named, not to be tried."""


def names() -> list[str]:
    """List the algorithms of the library."""
    return sorted(_LIBRARY)


def to_try(kind: Kind) -> list[Algorithm]:
    """Return those that learn such problems and are installed, what helps most tables first."""
    return [
        algorithm
        for name, algorithm in _LIBRARY.items()
        if kind in algorithm.kinds and name not in BASELINES and _is_installed(algorithm)
    ]


def _is_installed(algorithm: Algorithm) -> bool:
    try:
        require(algorithm)
    except ResourceError:
        return False
    return True


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
    for own, library in ((XGBoost, "XGBoost"), (CatBoost, "CatBoost")):
        if found.name == own.name and find_spec(found.name) is None:
            where = f"algorithm {found.name!r}"
            raise ResourceError.not_installed(library, extra=found.name, where=where)


__all__ = [
    "BASELINES",
    "TOLERANCE",
    "Algorithm",
    "CatBoost",
    "ElasticNet",
    "ExtraTrees",
    "Fitted",
    "HistGradientBoosting",
    "IsolationForest",
    "LastValue",
    "LightGBM",
    "Logistic",
    "Naive",
    "NearestNeighbours",
    "OnnxFitted",
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
    "to_try",
]
