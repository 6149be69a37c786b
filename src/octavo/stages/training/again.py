"""A candidate's training once more, from what was recorded; nothing is stored.

What candidates are made of is told by their rows in the catalog. The weights of a blend or a stack
are taken as they were found: choosing them again would need all trials of its study.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from octavo.bundle import Bundle
from octavo.bundle.finishing import finished
from octavo.definition import Pipeline
from octavo.stages.contract import Segregation
from octavo.stages.training.algorithms import Algorithm
from octavo.stages.training.finish import bagged, trained, whole_of
from octavo.stages.training.material import Material
from octavo.stages.training.search import chosen
from octavo.stages.training.trial import Terms
from octavo.stores.catalog import Row

Settings = Mapping[str, Any]


class Again:
    """What a study's candidates are trained on, once more.

    Parameters
    ----------
    settings
        Those that held when the study was run.
    rows
        The study's rows in the catalog, by their numbers.
    folder
        For encoded rows; empty.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        segregation: Segregation,
        rows: Mapping[int, Row],
        folder: Path,
    ) -> None:
        self.pipeline, self.settings, self.rows, self.folder = pipeline, settings, rows, folder
        self.segregation = segregation
        self.terms = Terms.of(pipeline, settings, segregation, folder, ())
        self.material = self._fold()

    def bundle(self, number: int) -> Bundle:
        """Return what a row of the study gives now.

        Raises
        ------
        DefinitionError
            If an algorithm is none of the definition or the library any more.
        """
        row = self.rows[number]
        if row["role"] == "refit":
            return self._once_more(row)
        bundle = self._trained(row, self.material, "apart")
        predicted = bundle.predict(self.material.validation)
        return finished(bundle, predicted, self.material.validation_truth, self.terms.problem)

    def _once_more(self, row: Row) -> Bundle:
        """Return what is best on all rows, or on all folds."""
        repeated = self.rows[row["params"]["trial"]]
        before = self.bundle(repeated["number"])
        if row["params"].get("bag"):
            folds = range(1, self.segregation.folds)
            earlier = [self._trained(repeated, self._fold(n), f"fold-{n}") for n in folds]
            return bagged(earlier, before)
        bundle = self._trained(repeated, self.material.joined, "joined")
        return replace(bundle, calibration=before.calibration, threshold=before.threshold)

    def _trained(self, row: Row, material: Material, name: str) -> Bundle:
        """Train a candidate's members on some material, as far as their trials went."""
        return trained(
            self.terms, whole_of(row, self.rows, self._algorithm), material, self.folder / name
        )

    def _algorithm(self, name: str) -> Algorithm:
        (algorithm,) = chosen(self.pipeline, {**self.settings, "algorithms": [name]})
        return algorithm

    def _fold(self, fold: int | None = None) -> Material:
        return Material.of(self.pipeline, self.segregation, self.settings["rows"], fold)
