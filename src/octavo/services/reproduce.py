"""Reproducing a candidate: trained once more from what was recorded, and compared bit by bit.

Recorded are the data version, the settings as they held, the trial's parameters, code and
libraries. Nothing is stored, and nothing that is live is touched.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.definition import Pipeline, fingerprint
from octavo.definition.restricted import restricted
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DataError, DefinitionError
from octavo.services.provenance import BEGAN, code_version, libraries
from octavo.stages.segregation.api import SplitRows
from octavo.stages.training.again import Again
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home


@dataclass(frozen=True)
class Reproduction:
    """What came of training a candidate once more."""

    candidate_id: str
    algorithm: str
    data_version: str
    config_version: int
    settings: Mapping[str, Any]
    """The training settings that held then, whatever they came from."""
    same_bundle: bool
    """Whether all that predicts (arrays, encoder) has the same hash."""
    differs: list[str]
    """What does not: ``encoder``, ``arrays.coef``, …; of a blend's members ``arrays.0.coef``, …."""
    same_predictions: bool
    """Whether the predictions on the validation part have the same bits."""
    rows: int
    """Of the validation part."""
    differing_rows: int
    largest_difference: float
    """Between two predictions of a row."""
    since: dict[str, list[Any]] = field(default_factory=dict)
    """What is otherwise now: code, libraries, the definition; each then and now (None: absent)."""

    @property
    def same(self) -> bool:
        """Whether it is the same model, to the last bit."""
        return self.same_bundle and self.same_predictions


def reproduce(
    pipeline: Pipeline, folder: Path, home: Home, catalog: Catalog, candidate_id: str
) -> Reproduction:
    """Train a candidate once more and compare.

    Raises
    ------
    DefinitionError
        If there is no such candidate, or no such algorithm any more.
    DataError
        If something that it was trained on is there no longer; says what.
    """
    row = _candidate(catalog, candidate_id)
    bundle = Bundle.load(home.candidate(candidate_id))
    began = _began(catalog, row)
    trials = _trials(catalog, row)
    document = catalog.data_version(row["data_version"])
    if document is None:
        raise _missing(candidate_id, f"its data version {row['data_version']}")
    _check_definition(pipeline, catalog, bundle, row)
    then = restricted(pipeline, list(bundle.schema))
    rows = SplitRows(then, home, catalog, document)
    with tempfile.TemporaryDirectory(prefix="again-", dir=home.path) as encoded:
        study = Again(then, began["settings"], rows, trials, Path(encoded))
        again = study.bundle(_number(trials, candidate_id))
        kept, made = (each.predict(study.material.validation) for each in (bundle, again))
    differing = ~((kept == made) | (np.isnan(kept) & np.isnan(made)))
    return Reproduction(
        candidate_id=candidate_id,
        algorithm=row["algorithm"],
        data_version=row["data_version"],
        config_version=row["config_version"],
        settings=began["settings"],
        same_bundle=bundle.content_hash == again.content_hash,
        differs=_otherwise(_parts(bundle), _parts(again)),
        same_predictions=not differing.any(),
        rows=len(kept),
        differing_rows=int(differing.reshape(len(kept), -1).any(axis=1).sum()),
        largest_difference=float(np.abs(kept - made)[differing].max(initial=0.0)),
        since=_since(pipeline, folder, catalog, row, began),
    )


def _candidate(catalog: Catalog, candidate_id: str) -> Row:
    found = catalog.candidate(candidate_id)
    if found is None:
        known = [r["candidate_id"] for r in catalog.rows(sa.select(tables.candidates))]
        raise DefinitionError.unknown("candidate", candidate_id, known)
    return found


def _trials(catalog: Catalog, row: Row) -> dict[int, Row]:
    """Return all rows of the candidate's study, by their numbers."""
    query = sa.select(tables.trials).where(tables.trials.c.study == row["study"])
    return {trial["number"]: trial for trial in catalog.rows(query.order_by("number"))}


def _number(trials: Mapping[int, Row], candidate_id: str) -> int:
    numbers = [n for n, trial in trials.items() if trial["candidate_id"] == candidate_id]
    if not numbers:
        raise _missing(candidate_id, "its trial")
    return numbers[0]


def _began(catalog: Catalog, row: Row) -> dict[str, Any]:
    """Return what the run that made a candidate was last begun with."""
    table = tables.events
    query = sa.select(table).where(table.c.kind == BEGAN, table.c.run_id == row["run_id"])
    before = query.where(table.c.at <= row["created_at"]).order_by(table.c.id.desc())
    found = catalog.one(before)
    if found is None:
        raise _missing(row["candidate_id"], f"what {row['run_id']} was begun with")
    return found["document"]


def _check_definition(pipeline: Pipeline, catalog: Catalog, bundle: Bundle, row: Row) -> None:
    """Refuse a definition that no longer gives what the candidate learned from."""
    wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
    lacking = [
        f"the feature {name!r}" for name in bundle.lacking(feature_fingerprints(pipeline, wanted))
    ]
    if bundle.learned["label"] != fingerprint([pipeline.label, pipeline.problem.kind]):
        lacking.append(f"the label {bundle.target!r}")
    elif not row["data_version"].endswith(fingerprint([pipeline.label, pipeline.split])[:6]):
        lacking.append("the split")
    if lacking:
        raise DataError(
            f"the definition no longer gives, or defines otherwise: {', '.join(lacking)}.",
            where=row["candidate_id"],
            fix="Put it back as it was in pipeline.py.",
        )


def _since(
    pipeline: Pipeline, folder: Path, catalog: Catalog, row: Row, began: Mapping[str, Any]
) -> dict[str, list[Any]]:
    run = catalog.one(sa.select(tables.runs).where(tables.runs.c.run_id == row["run_id"]))
    then = {"code": began["code"], "definition": run and run["definition"], **began["libraries"]}
    now = {"code": code_version(folder), "definition": pipeline.fingerprint, **libraries()}
    return {name: [then.get(name), now.get(name)] for name in _otherwise(then, now)}


def _parts(bundle: Bundle) -> dict[str, Any]:
    """Return all that predicts by name, each array on its own."""
    parts = bundle.contents
    arrays = {f"arrays.{name}": array for name, array in parts.pop("arrays").items()}
    return parts | arrays


def _otherwise(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*then, *now])
    return [name for name in names if then.get(name) != now.get(name)]


def _missing(candidate_id: str, what: str) -> DataError:
    return DataError(
        f"{what} is not in the catalog.",
        where=candidate_id,
        fix="It cannot be made again; train a new one with `octavo run`.",
    )
