"""Batches of streams know their offsets; prep says how far it goes before it begins."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OFFSETS = ("first_offset", "end_offset", "epoch", "received_at")
INDEXES = {
    "batches_by_offset": ["topic", "partition", "end_offset"],
    "batches_by_newest": ["newest"],
    "batches_by_clock": ["clock"],
    "batches_by_withdrawal": ["withdrawn"],
}


def upgrade() -> None:
    """Add the columns, and the barrier; all batches before were loaded."""
    op.add_column("batches", sa.Column("topic", sa.String(), nullable=True))
    op.add_column("batches", sa.Column("partition", sa.Integer(), nullable=True))
    for name in OFFSETS:
        op.add_column("batches", sa.Column(name, sa.BigInteger(), nullable=True))
    for name, columns in INDEXES.items():
        op.create_index(name, "batches", columns)
    op.create_table(
        "barrier",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "insert into barrier select 1, max(position), max(clock) from feature_versions "
        "having count(*) > 0"
    )


def downgrade() -> None:
    """Take them away; rows of streams stay what they are, without their offsets."""
    op.drop_table("barrier")
    for name in INDEXES:
        op.drop_index(name, "batches")
    for name in reversed(("topic", "partition", *OFFSETS)):
        op.drop_column("batches", name)
