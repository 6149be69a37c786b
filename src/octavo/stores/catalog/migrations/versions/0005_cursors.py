"""Batches know how far a database was read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; all batches before came from files."""
    op.add_column("batches", sa.Column("through", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Take the column away."""
    op.drop_column("batches", "through")
