"""Data versions: a set of batches, how far each feature table had come, and the clock."""

from typing import Any

import sqlalchemy as sa

from octavo.definition import fingerprint
from octavo.errors import DataError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

Document = dict[str, Any]


def current(catalog: Catalog, features: dict[str, str]) -> Document:
    """Return the newest data version of some feature tables, as a document.

    Parameters
    ----------
    catalog
        Knows batches and feature versions.
    features
        Name of view (and ``rows``) to the fingerprint wanted.

    Returns
    -------
    dict
        ``position`` (newest batch sequence), ``clock`` (newest known_at, microseconds),
        ``batches`` (their IDs), ``features`` (name to fingerprint and preps) and
        ``data_version``: a hash of the batches' contents and order and of the fingerprints, so
        that equal data have equal versions wherever they are loaded.

    Raises
    ------
    DataError
        If a table has not been prepped.
    """
    found = {name: _preps(catalog, name, wanted) for name, wanted in features.items()}
    for name, rows in found.items():
        if not rows:
            raise DataError(
                "its features have not been prepped.",
                where=f"view {name!r}",
                fix="Run `octavo prep`, or `octavo run`.",
            )
    position = min(max(row["position"] for row in rows) for rows in found.values())
    batches = [b for b in catalog.committed() if b["sequence"] <= position]
    contents = [[b["dataset"], b["sequence"], b["content_hash"]] for b in batches]
    return {
        "data_version": "data-" + fingerprint([contents, dict(sorted(features.items()))])[:12],
        "position": position,
        "clock": max(row["clock"] for rows in found.values() for row in rows),
        "batches": [b["batch_id"] for b in batches],
        "withdrawn": [],
        "features": {
            name: {"fingerprint": features[name], "preps": [row["position"] for row in rows]}
            for name, rows in found.items()
        },
    }


def _preps(catalog: Catalog, name: str, wanted: str) -> list[Row]:
    table = tables.feature_versions
    query = sa.select(table).where(table.c.name == name, table.c.fingerprint == wanted)
    return catalog.rows(query.order_by(table.c.position))


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
