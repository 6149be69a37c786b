"""Events know who, and are chained."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from octavo.stores.catalog.chain import linked

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_EVENTS = sa.table(
    "events",
    sa.column("id"),
    sa.column("run_id"),
    sa.column("kind"),
    sa.column("subject"),
    sa.column("severity"),
    sa.column("document", sa.JSON),
    sa.column("at"),
    sa.column("actor"),
    sa.column("hash"),
)
_REFUSED = "create trigger {} before {} on events {} begin select raise(abort, '{}'); end"
_TRIGGERS = {
    name: _REFUSED.format(name, *told)
    for name, *told in (
        ("events_are_not_changed", "update", "", "the event log only grows"),
        ("events_are_not_deleted", "delete", "", "the event log only grows"),
        # A process of an older version, which has the catalog open, must not break the chain.
        ("events_are_chained", "insert", "when new.hash = ''",
         "a newer Octavo chains the events: start this one anew"),
    )
}  # fmt: skip


def upgrade() -> None:
    """Chain the events there are; from then on they only grow."""
    op.add_column("events", sa.Column("actor", sa.String(), nullable=False, server_default=""))
    op.add_column("events", sa.Column("hash", sa.String(), nullable=False, server_default=""))
    chain = op.create_table(
        "chain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    connection, length, last, before = op.get_bind(), 0, 0, ""
    while rows := _after(connection, last):
        chained = []
        for row in rows:
            event = row | {"actor": (row["document"] or {}).get("by") or ""}
            length, last, before = length + 1, row["id"], linked(before, event)
            chained.append({"of": last, "who": event["actor"], "told": before})
        changed = _EVENTS.update().where(_EVENTS.c.id == sa.bindparam("of"))
        told = {"actor": sa.bindparam("who"), "hash": sa.bindparam("told")}
        connection.execute(changed.values(**told), chained)
    op.bulk_insert(chain, [{"id": 1, "length": length, "hash": before}])
    for trigger in _TRIGGERS.values():
        op.execute(trigger)


def _after(connection: sa.Connection, last: int) -> list[dict[str, Any]]:
    """Return a thousand events after one."""
    query = sa.select(_EVENTS).where(_EVENTS.c.id > last).order_by(_EVENTS.c.id).limit(1000)
    return [dict(row) for row in connection.execute(query).mappings()]


def downgrade() -> None:
    """Take the chain away."""
    for name in _TRIGGERS:
        op.execute(f"drop trigger {name}")
    op.drop_table("chain")
    op.drop_column("events", "hash")
    op.drop_column("events", "actor")
