"""Settings: what `Training` declares, under flat names such as ``training.trials``.

The settings there are, their types and their checks are those of the declaration: what a setting
would give is built as a `Training`. Knows nothing of versions, profiles, or where values are kept.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from octavo.definition.pipeline import Pipeline
from octavo.definition.training import Training
from octavo.errors import DefinitionError

GROUP = "training"

Values = dict[str, Any]
"""Flat names to plain JSON values."""


@cache
def _types() -> dict[str, tuple[Any, ...]]:
    """Return field to its type and that type's parts.

    What is declared itself, and what tells of features, is no setting.
    """
    hints = get_type_hints(Training)
    fields = [f.name for f in dataclasses.fields(Training) if f.metadata.get("setting", True)]
    types = {name: (hints[name], *get_args(hints[name])) for name in fields}
    return {
        name: parts
        for name, parts in types.items()
        if not any(dataclasses.is_dataclass(part) for part in parts)
    }


def _is(field: str, kind: type) -> bool:
    return any(get_origin(part) is kind for part in _types()[field])


def declared(pipeline: Pipeline) -> Values:
    """Return the settings as ``pipeline.py`` has them; algorithms by their names."""
    training = pipeline.training
    values: Values = {}
    for field in _types():
        value = getattr(training, field)
        values |= flat(f"{GROUP}.{field}", list(value) if isinstance(value, tuple) else value)
    return values | {f"{GROUP}.algorithms": [getattr(a, "name", a) for a in pipeline.algorithms]}


def flat(name: str, value: Any) -> Values:
    """Return a setting under its flat name; a mapping of parameters as one setting each.

    Raises
    ------
    DefinitionError
        If there is no such setting.
    """
    group, _, rest = name.partition(".")
    field, *inner = rest.split(".")
    if group != GROUP or field not in _types() or (inner and not _is(field, Mapping)):
        raise DefinitionError.unknown("setting", name, [f"{GROUP}.{known}" for known in _types()])
    if not _is(field, Mapping) or len(inner) == 2:
        return {name: value}
    if not isinstance(value, Mapping) or len(inner) > 2:
        raise DefinitionError(
            "it is set parameter by parameter.",
            where=name,
            fix=f"Name one: {GROUP}.{field}.lightgbm.num_leaves.",
        )
    return {key: v for k, part in value.items() for key, v in flat(f"{name}.{k}", part).items()}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by the names of the declaration's fields: what a training reads."""
    found: dict[str, Any] = {field: {} for field in _types() if _is(field, Mapping)}
    for name, value in values.items():
        *above, last = name.split(".")[1:]
        place = found
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def as_declared(pipeline: Pipeline, values: Mapping[str, Any]) -> Training:
    """Return the declaration that all settings together make, checked as in ``pipeline.py``.

    Raises
    ------
    DefinitionError
        If a value is none that the declaration takes.
    """
    return dataclasses.replace(pipeline.training, **nested(values))


def parsed(name: str, text: str) -> Values:
    """Read a value written as text: JSON, or plain words; names are separated by commas.

    >>> parsed("training.algorithms", "lightgbm, logistic")
    {'training.algorithms': ['lightgbm', 'logistic']}
    >>> parsed("training.params.lightgbm.num_leaves", "[15, 63]")
    {'training.params.lightgbm.num_leaves': [15, 63]}
    """
    field = name.removeprefix(f"{GROUP}.").split(".")[0]
    try:
        value = json.loads(text, parse_constant=str)
    except ValueError:
        value = text
    value = text if value is None else value  # null is no value of a setting
    if isinstance(value, str) and field in _types() and _is(field, Sequence):
        value = [part.strip() for part in value.split(",")]
    return flat(name, value)


def from_environment(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Return the settings that variables such as ``OCTAVO_TRAINING_TRIALS`` give, by name.

    Returns
    -------
    dict
        Setting to (the variable, its value).

    Raises
    ------
    DefinitionError
        If a variable begins like one of a setting and is none.
    """
    found: dict[str, tuple[str, Any]] = {}
    prefix = f"OCTAVO_{GROUP}_".upper()
    for variable in sorted(v for v in environment if v.startswith(prefix)):
        field = variable.removeprefix(prefix).lower()
        if field not in _types():
            known = [prefix + name.upper() for name in _types()]
            raise DefinitionError.unknown("setting", variable, known, where="environment")
        for name, value in parsed(f"{GROUP}.{field}", environment[variable]).items():
            found[name] = variable, value
    return found


def names(values: Iterable[str]) -> list[str]:
    """Return flat names in the order of the declaration."""
    order = {field: place for place, field in enumerate(_types())}
    return sorted(values, key=lambda name: (order.get(name.split(".")[1], -1), name))
