"""Trials keep what decides between figures that are nearly equal."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = ("log_loss", "standard_error")


def upgrade() -> None:
    """Add the columns; of trials before the figure alone decides."""
    for name in COLUMNS:
        op.add_column("trials", sa.Column(name, sa.Float(), nullable=True))


def downgrade() -> None:
    """Take them away."""
    for name in reversed(COLUMNS):
        op.drop_column("trials", name)
