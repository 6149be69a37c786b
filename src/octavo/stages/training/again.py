"""A candidate's training once more, from what was recorded; nothing is stored."""

from collections.abc import Mapping
from typing import Any

from octavo.bundle import Bundle
from octavo.definition import Pipeline
from octavo.stages.contract import Segregation
from octavo.stages.training.search import Proposal, chosen
from octavo.stages.training.trial import Material, fit
from octavo.stores.catalog import Row


def train_again(
    pipeline: Pipeline, settings: Mapping[str, Any], trial: Row, segregation: Segregation
) -> tuple[Bundle, Material]:
    """Return what a trial gives now, and the rows it was given.

    Parameters
    ----------
    settings
        Those that held when it was run.
    trial
        Its row in the catalog.

    Raises
    ------
    DefinitionError
        If its algorithm is none of the definition or the library any more.
    """
    named = {**settings, "algorithms": [trial["algorithm"]]}
    (algorithm,) = chosen(pipeline, named)
    material = Material.of(pipeline, segregation, settings["rows"])
    proposal = Proposal(trial["number"], algorithm, trial["params"])
    return fit(pipeline, settings, proposal, material, segregation), material
