"""The config service: settings in versions, each a full set of overrides of the definition.

A training reads one version when it begins; later changes do not touch it.
"""

import json
from typing import Any

import sqlalchemy as sa

from octavo.definition import Pipeline
from octavo.definition.durations import microseconds
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

KEYS = (
    "algorithms",
    "trials",
    "budget",
    "parallel",
    "blend",
    "refit",
    "rows",
    "seed",
    "threads",
)
"""The settings there are, all below ``training.``."""


class ConfigService:
    """Settings of one home.

    Examples
    --------
    ``octavo config set training.trials 30`` makes a new version; ``octavo config history`` lists
    them; ``octavo config get`` says which value holds and where it comes from.
    """

    def __init__(self, pipeline: Pipeline, catalog: Catalog) -> None:
        self.pipeline = pipeline
        self.catalog = catalog

    @property
    def version(self) -> int:
        """The newest version; 0 before anything was set."""
        return self._newest()["version"]

    def _newest(self) -> Row:
        table = tables.config
        found = self.catalog.one(sa.select(table).order_by(table.c.version.desc()))
        return found or {"version": 0, "document": {}}

    def training(self) -> dict[str, Any]:
        """Return the training settings that hold: the definition's, overridden."""
        return {key: value for key, (value, _) in self.explained().items()}

    def explained(self) -> dict[str, tuple[Any, str]]:
        """Return setting to (value, where it comes from)."""
        declared = self.pipeline.training
        defaults: dict[str, Any] = {key: getattr(declared, key) for key in KEYS}
        defaults["algorithms"] = [getattr(a, "name", a) for a in self.pipeline.algorithms]
        defaults["budget"] = str(declared.budget)
        newest = self._newest()
        overrides = newest["document"]
        return {
            key: (overrides[key], f"config version {newest['version']}")
            if key in overrides
            else (value, "pipeline.py")
            for key, value in defaults.items()
        }

    def set(self, name: str, text: str, comment: str = "") -> int:
        """Make a new version with one setting changed; return its number.

        Parameters
        ----------
        name
            ``training.trials`` and the like.
        text
            The value: a number, a duration, or names separated by commas.
        """
        key = name.removeprefix("training.")
        if key not in KEYS or not name.startswith("training."):
            raise DefinitionError.unknown("setting", name, [f"training.{k}" for k in KEYS])
        newest = self._newest()
        document = newest["document"] | {key: _parsed(key, text, self.pipeline.problem.kind)}
        version = newest["version"] + 1
        with self.catalog.transaction() as connection:
            connection.execute(
                tables.config.insert().values(
                    version=version,
                    document=document,
                    comment=comment or f"{name} = {text}",
                    at=tables.now(),
                )
            )
            tables.emit(connection, "config changed", name, version=version, value=document[key])
        return version

    def history(self) -> list[Row]:
        """Return all versions, newest first."""
        return self.catalog.rows(sa.select(tables.config).order_by(tables.config.c.version.desc()))


def _parsed(key: str, text: str, kind: Kind) -> Any:
    if key == "algorithms":
        return _algorithms(text, kind)
    if key == "budget":
        if microseconds(text, where="training.budget") == 0:
            raise DefinitionError(
                "no trial fits into no time.", where="training.budget", fix='Give "10m" or so.'
            )
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if key in ("blend", "refit"):
        if isinstance(value, bool):
            return value
        raise DefinitionError(
            f"{text!r} is not true or false.", where=f"training.{key}", fix="Give true or false."
        )
    if not isinstance(value, int) or isinstance(value, bool) or value < (0 if key == "seed" else 1):
        raise DefinitionError(
            f"{text!r} is not a whole number that {key} can be.",
            where=f"training.{key}",
            fix="Give a number such as 12.",
        )
    return value


def _algorithms(text: str, kind: Kind) -> list[str]:
    from octavo.stages.training import algorithms  # other settings need no library

    found = [algorithms.suited(name.strip(), kind) for name in text.split(",")]
    for algorithm in found:
        algorithms.require(algorithm)
    return [algorithm.name for algorithm in found]
