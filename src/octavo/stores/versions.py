"""Data versions: a set of batches, the feature groups made of them, and the clock."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from octavo.definition import fingerprint
from octavo.definition.versions import ROWS, Tables
from octavo.errors import DataError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.groups import Held, cover

Document = dict[str, Any]


def current(catalog: Catalog, wanted: Tables, features: Mapping[str, str]) -> Document:
    """Return the newest data version of some features, as a document.

    Parameters
    ----------
    catalog
        Knows batches and feature groups.
    wanted
        For the rows and each view, column to fingerprint.
    features
        Every feature, derived ones too, to its fingerprint.

    Returns
    -------
    dict
        ``position`` (the place in the order of batches that all groups have come to), ``clock``
        (newest known_at up to there, microseconds), ``batches`` (their IDs), ``withdrawn`` (ID to
        sequence of those whose rows are still in the tables), ``corrected`` (the position up to
        which restatements count), ``features``, ``groups`` (for the rows and each view: ``group``,
        ``columns``, ``preps``), and ``data_version``: a hash of the batches' contents and order, of
        the fingerprints and of what is stale, so that equal data have equal versions wherever they
        are loaded.

    Raises
    ------
    DataError
        If a feature has not been prepped.
    """
    held = {name: held_groups(catalog, name, columns) for name, columns in wanted.items()}
    groups = [group for each in held.values() for group in each]
    position = min(group.last["position"] for group in groups)
    corrected = min(group.last["cut_over"] for group in held[ROWS])
    every = catalog.batches()
    batches = [b for b in every if b["state"] == "committed" and b["sequence"] <= position]
    contents = [[b["dataset"], b["content_hash"]] for b in batches]
    stale = _stale_columns(catalog, groups, every)
    return {
        "data_version": "data-" + fingerprint([contents, dict(features), stale])[:12],
        "position": position,
        "clock": min(group.last["clock"] for group in groups),
        "batches": [b["batch_id"] for b in batches],
        "withdrawn": {
            b["batch_id"]: b["sequence"] for b in every if (b["withdrawn"] or 0) > corrected
        },
        "corrected": corrected,
        "features": dict(features),
        "groups": {
            name: [
                {
                    "group": group.group_id,
                    "columns": dict(group.columns),
                    "preps": catalog.preps(group.group_id),
                }
                for group in each
            ]
            for name, each in held.items()
        },
    }


def held_groups(catalog: Catalog, name: str, columns: Mapping[str, str]) -> list[Held]:
    """Return the groups that hold all of some columns of a view, oldest first.

    Raises
    ------
    DataError
        If a column has not been prepped.
    """
    held, missing = cover(catalog, name, columns)
    if missing:
        raise DataError(
            f"its features have not been prepped: {', '.join(missing)}.",
            where=f"view {name!r}",
            fix="Run `octavo prep`, or `octavo run`.",
        )
    return held


def _stale_columns(
    catalog: Catalog, groups: Sequence[Held], batches: Sequence[Row]
) -> dict[str, list[list[str]]]:
    """Return, for the columns of stale groups, the corrections that are not in them."""
    contents = {batch["batch_id"]: batch["content_hash"] for batch in batches}
    found: dict[str, list[list[str]]] = {}
    for mark in catalog.corrections():
        for group in groups:
            if group.name == mark["name"] and group.last["cut_over"] < mark["position"]:
                for column in group.columns:
                    found.setdefault(column, []).append([contents[mark["batch_id"]], mark["cause"]])
    return found


def latest(catalog: Catalog) -> Document:
    """Return the newest data version that segregation has fixed.

    Raises
    ------
    DataError
        If there is none yet.
    """
    table = tables.data_versions
    found = catalog.one(sa.select(table).order_by(table.c.created_at.desc()))
    if found is None:
        raise DataError("no data version exists yet.", fix="Run `octavo run` first.")
    return found["document"]
