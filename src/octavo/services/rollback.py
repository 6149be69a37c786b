"""Going back to a model that was deployed before: checked first, then a deployment as any other."""

from collections.abc import Callable
from typing import Any

from octavo.errors import DataError
from octavo.stores import deployments
from octavo.stores.catalog import Catalog, Row, now
from octavo.stores.user import user


def roll_back(
    catalog: Catalog, load: Callable[[Row], Any], to: str = "", reason: str = ""
) -> tuple[Row, Row]:
    """Let what answered before answer again; return the new deployment and what it replaced.

    Parameters
    ----------
    load
        Loads what a deployment answers with, and asks it once.
    to
        A deployment or a candidate, as `octavo.stores.deployments.find` takes it; empty: the newest
        deployment of another candidate than the live one.
    reason
        Kept with the event, beside who it was.

    Raises
    ------
    DefinitionError
        If there is no such deployment.
    DataError
        If nothing is deployed, it is live already, or it cannot answer: the definition no longer
        gives the features that it needs.
    """
    target = deployments.find(catalog, to) if to else deployments.before(catalog)
    live = catalog.live_deployment()
    assert live is not None, "the newest deployment is live"
    if target["candidate_id"] == live["candidate_id"]:
        raise DataError(
            "it is live already.",
            where=target["candidate_id"],
            fix="Name another with --to; `octavo candidates` lists them.",
        )
    load(target)
    about = {"actor": user(), "reason": reason, "back_to": target["deployment_id"]}
    told = {"at": now(), "kind": "rolled back", "severity": "warning", "about": about}
    with catalog.transaction(alone=True) as connection:
        names = target["candidate_id"], target["run_id"]
        return deployments.replace(connection, *names, **told), live
