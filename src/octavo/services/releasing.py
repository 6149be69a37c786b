"""Releasing a definition to services that run: what it changes, and whether they can go on with it.

Until the supervisor hands over, nothing that runs is changed: what is wrong with a definition is
found here, before. It knows nothing of processes.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.bundle import Bundle
from octavo.definition import Pipeline, fingerprint
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DefinitionError
from octavo.stages.contract import Context
from octavo.stages.ingestion.batches import check_stamps
from octavo.stages.prep import offline
from octavo.stages.prep.groups import Work, plan
from octavo.stores.catalog import Catalog, Row

KINDS = ("features", "datasets", "parts", "schedules")
"""What a release tells of, each by name."""
_PARTS = ("problem", "label", "split", "training", "evaluation", "gate", "deployment", "monitor")


@dataclass(frozen=True)
class Change:
    """What became of named things."""

    new: list[str]
    changed: list[str]
    removed: list[str]

    @classmethod
    def between(cls, old: Mapping[str, str], new: Mapping[str, str]) -> "Change":
        """Compare two mappings of name to fingerprint."""
        return cls(
            [name for name in new if name not in old],
            [name for name in new if name in old and new[name] != old[name]],
            [name for name in old if name not in new],
        )


def services_of(pipeline: Pipeline) -> list[str]:
    """Return the services that have something to do, in the order in which releases reach them.

    Prep is the last: what it has begun is not taken back, as it is for others, if one of them does
    not come up.
    """
    online = any(each.online is not None for each in pipeline.datasets)
    followed = any(each.is_followed for each in pipeline.datasets)
    useful = {"server": True, "predictions": True, "tail": followed}
    useful |= {"scheduler": bool(pipeline.schedules), "notifications": bool(pipeline.notify)}
    names = ("server", "predictions", "notifications", "ingestion", "tail", "scheduler")
    names += ("maintenance", "prep")
    return [name for name in names if useful.get(name, online)]


def declared(pipeline: Pipeline) -> dict[str, Any]:
    """Return the services of a definition, and its features, datasets, other parts and schedules.

    Each of these is name to fingerprint, as if nothing were ingested: equal definitions have equal
    ones, at any time.
    """
    return {
        "services": services_of(pipeline),
        "features": feature_fingerprints(pipeline, table_fingerprints(pipeline, {})),
        "datasets": {each.name: fingerprint(each) for each in pipeline.datasets},
        "parts": {name: fingerprint(getattr(pipeline, name)) for name in _PARTS},
        "schedules": {name: fingerprint(each) for name, each in pipeline.schedules.items()},
    }


def changes(live: Row | None, pipeline: Pipeline) -> dict[str, Change]:
    """Return what a definition changes of `KINDS`, against what is live."""
    before, found = live["declared"] if live else {}, declared(pipeline)
    return {kind: Change.between(before.get(kind, {}), found[kind]) for kind in KINDS}


def to_backfill(pipeline: Pipeline, catalog: Catalog) -> list[Work]:
    """Return what no group holds of a definition; nothing before the first prep."""
    if not catalog.barrier():
        return []
    wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
    planned = plan(catalog, wanted, catalog.barrier(), rebuild=())
    return [each for each in planned if each.last is None]


def check(context: Context) -> None:
    """Refuse a definition that services could not go on with.

    Raises
    ------
    DefinitionError
        If it stamps rows otherwise than those of the raw store, cannot be computed from them, or no
        longer gives the features of what is deployed.
    """
    pipeline, catalog = context.pipeline, context.catalog
    for dataset in pipeline.datasets:
        check_stamps(catalog, dataset)
    batches = catalog.committed()
    if any(batch["rows"] for batch in batches if batch["dataset"] == pipeline.rows.name):
        offline.check_features(context, batches)
    live = catalog.live_deployment()
    if live is None:
        return
    wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
    bundle = Bundle.load(context.home.candidate(live["candidate_id"]))
    if lacking := bundle.lacking(feature_fingerprints(pipeline, wanted)):
        raise DefinitionError(
            "it was trained on features that the definition no longer gives, or defines "
            f"otherwise: {', '.join(lacking)}.",
            where=f"deployed {live['candidate_id']}",
            fix="Put these back, with what is new beside them under other names, and release; "
            "when a model that does without them is deployed, they can go.",
        )


def keep_script(folder: Path, kept: Path, name: str) -> None:
    """Copy a folder's script to where a release keeps its own."""
    kept.mkdir(parents=True)
    (kept / name).write_bytes((folder / name).read_bytes())


def keep_modules(folder: Path, kept: Path) -> None:
    """Copy the modules beside the script that it has imported, packages as a whole."""
    found = [Path(each) for m in list(sys.modules.values()) if (each := _file(m))]
    inside = (file.relative_to(folder) for file in found if file.is_relative_to(folder))
    for top in {each.parts[0] for each in inside if "site-packages" not in each.parts}:
        source = folder / top
        for file in [source] if source.is_file() else source.rglob("*.py"):
            copy = kept / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())


def _file(module: Any) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") else None
