"""A candidate's training once more, from what was recorded; nothing is stored.

What trials, blends and refits are made of is told by their rows in the catalog. A blend's weights
are taken as they were found: choosing them again would need all trials of its study.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from octavo.bundle import Bundle
from octavo.bundle.finishing import finished
from octavo.definition import Pipeline
from octavo.stages.contract import Segregation
from octavo.stages.training.finish import Member, put_together
from octavo.stages.training.material import Material
from octavo.stages.training.pruning import Pruner
from octavo.stages.training.search import chosen
from octavo.stages.training.trial import Terms, Trial, fit
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
        self.terms = Terms.of(pipeline, settings, segregation, folder, ())
        self.material = Material.of(pipeline, segregation, settings["rows"])

    def bundle(self, number: int) -> Bundle:
        """Return what a row of the study gives now.

        Raises
        ------
        DefinitionError
            If an algorithm is none of the definition or the library any more.
        """
        row = self.rows[number]
        if row["role"] == "trial":
            return self._finished(self._trial(number))
        if row["role"] == "blend":
            return self._finished(self._blend(row, self._trial))
        repeated = self.rows[row["params"]["trial"]]
        before = self.bundle(repeated["number"])
        if repeated["role"] == "blend":
            bundle = self._blend(repeated, self._refit)
        else:
            bundle = self._refit(repeated["number"])
        return replace(bundle, calibration=before.calibration, threshold=before.threshold)

    def _finished(self, bundle: Bundle) -> Bundle:
        predicted = bundle.predict(self.material.validation)
        return finished(bundle, predicted, self.material.validation_truth, self.terms.problem)

    def _blend(self, row: Row, each: Callable[[int], Bundle]) -> Bundle:
        members = row["params"]["members"]
        return put_together(
            [each(member["trial"]) for member in members],
            [self._member(member["trial"], member["weight"]) for member in members],
        )

    def _member(self, number: int, weight: float = 1.0) -> Member:
        row = self.rows[number]
        (algorithm,) = chosen(self.pipeline, {**self.settings, "algorithms": [row["algorithm"]]})
        return Member(number, row["candidate_id"], algorithm, row["found"], weight)

    def _trial(self, number: int) -> Bundle:
        """Train on train, as far as validation says."""
        trial = Trial(
            self.terms, number, self._member(number).algorithm, self.rows[number]["params"]
        )
        return fit(trial, self.material, self.folder / "apart", Pruner((), {}))

    def _refit(self, number: int) -> Bundle:
        """Train on train and validation, as far as the trial went."""
        member = self._member(number)
        trial = Trial(self.terms, number, member.algorithm, member.found)
        return fit(trial, self.material.joined, self.folder / "joined")
