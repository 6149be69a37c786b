"""Which definition the services of a home run: releases, of which the newest live one holds.

A release has a copy of the script of its own, so that a service that is started anew runs what was
released, whatever has become of ``pipeline.py`` since. This module knows nothing of processes, and
of a definition only its fingerprints.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from octavo.definition.versions import Tables
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row, now

_TABLE = tables.releases

PREPARING, ASKED, LIVE, REFUSED = "preparing", "asked", "live", "refused"
COMING = (PREPARING, ASKED)


def new_release_id() -> str:
    """Return the ID of a release to be begun."""
    return f"release-{uuid.uuid4().hex[:10]}"


def begin(catalog: Catalog, release_id: str, declared: Mapping[str, Any], wanted: Tables) -> None:
    """Begin a release. What another was to become is abandoned: there is one at a time.

    Parameters
    ----------
    declared
        What it declares, see the table.
    wanted
        Its stored columns, as they are now.
    """
    columns = sorted({mark for each in wanted.values() for mark in each.values()})
    coming = _TABLE.c.state.in_(COMING)
    with catalog.transaction() as connection:
        connection.execute(_TABLE.update().where(coming).values(state="abandoned"))
        connection.execute(
            _TABLE.insert().values(
                release_id=release_id,
                state=PREPARING,
                declared=dict(declared),
                columns=columns,
                begun_at=now(),
            )
        )


def ask(catalog: Catalog, release_id: str, position: int) -> None:
    """Ask the supervisor to hand over; new features count from a position on."""
    with catalog.transaction() as connection:
        mine = _TABLE.update().where(_TABLE.c.release_id == release_id)
        connection.execute(mine.values(state=ASKED, position=position))


def asked(catalog: Catalog) -> Row | None:
    """Return the release that is to be handed over to, or None."""
    return _newest(catalog, ASKED)


def live(catalog: Catalog) -> Row | None:
    """Return the release that services run, or ran last; None before the first."""
    return _newest(catalog, LIVE)


def go_live(catalog: Catalog, release_id: str) -> None:
    """Let a release be what services run, in the place of the one before."""
    with catalog.transaction() as connection:
        before = _TABLE.update().where(_TABLE.c.state == LIVE)
        connection.execute(before.values(state="replaced"))
        mine = _TABLE.update().where(_TABLE.c.release_id == release_id)
        connection.execute(mine.values(state=LIVE, live_from=now()))
        tables.emit(connection, "definition released", release_id)


def refuse(catalog: Catalog, release_id: str, why: str) -> None:
    """Say why services do not run a release."""
    with catalog.transaction() as connection:
        mine = _TABLE.update().where(_TABLE.c.release_id == release_id)
        connection.execute(mine.values(state=REFUSED, error=why))
        tables.emit(connection, "release refused", release_id, severity="error", error=why)


def state(catalog: Catalog, release_id: str) -> Row:
    """Return a release."""
    found = catalog.one(sa.select(_TABLE).where(_TABLE.c.release_id == release_id))
    assert found is not None, "it was begun"
    return found


def coming(catalog: Catalog) -> set[str]:
    """Return the fingerprints of what releases need that are not live yet."""
    found = catalog.rows(sa.select(_TABLE.c.columns).where(_TABLE.c.state.in_(COMING)))
    return {mark for row in found for mark in row["columns"]}


def _newest(catalog: Catalog, which: str) -> dict[str, Any] | None:
    query = sa.select(_TABLE).where(_TABLE.c.state == which)
    return catalog.one(query.order_by(_TABLE.c.begun_at.desc()))
