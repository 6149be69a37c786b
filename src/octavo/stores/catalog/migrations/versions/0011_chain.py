"""Events know who, and are chained."""

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
_FORBIDDEN = """
create trigger events_are_not_{done} before {verb} on events
begin select raise(abort, 'the event log only grows'); end
"""


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
    connection, length, before = op.get_bind(), 0, ""
    for row in connection.execute(sa.select(_EVENTS).order_by(_EVENTS.c.id)).mappings().all():
        event = dict(row)
        length, before = length + 1, linked(before, event)
        of = _EVENTS.c.id == event["id"]
        connection.execute(_EVENTS.update().where(of).values(hash=before))
    op.bulk_insert(chain, [{"id": 1, "length": length, "hash": before}])
    for done, verb in (("changed", "update"), ("deleted", "delete")):
        op.execute(_FORBIDDEN.format(done=done, verb=verb))


def downgrade() -> None:
    """Take the chain away."""
    for done in ("changed", "deleted"):
        op.execute(f"drop trigger events_are_not_{done}")
    op.drop_table("chain")
    op.drop_column("events", "hash")
    op.drop_column("events", "actor")
