"""A group that is kept up live has one row for many positions."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the first of the positions; what was prepped before has one alone."""
    op.add_column("feature_versions", sa.Column("first", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take it away; rows that were prepped live are not found any more."""
    op.drop_column("feature_versions", "first")
