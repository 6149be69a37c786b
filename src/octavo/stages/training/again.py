"""A candidate's training once more, from what was recorded; nothing is stored.

What trials, blends and refits are made of is told by their rows in the catalog. A blend's weights
are taken as they were found: choosing them again would need all trials of its study.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octavo.bundle import Bundle
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
        if row["role"] == "blend":
            return self._blend(row, refitted=False)
        if row["role"] == "trial":
            return self._trial(number)
        again = self.rows[row["params"]["trial"]]
        if again["role"] == "blend":
            return self._blend(again, refitted=True)
        return self._refit(again["number"])

    def _blend(self, row: Row, *, refitted: bool) -> Bundle:
        members = row["params"]["members"]
        each = self._refit if refitted else self._trial
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
