"""Trials keep the figure of every fold."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the figures; trials before had one fold, whose figure is theirs."""
    op.add_column("trials", sa.Column("folds", sa.JSON(), nullable=True))
    op.execute("update trials set folds = json_array(figure) where figure is not null")


def downgrade() -> None:
    """Take the figures away."""
    op.drop_column("trials", "folds")
