"""Studies know their problem and what they took over; trials their role and their way."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; all trials before were trials."""
    role = sa.Column("role", sa.String(), nullable=False, server_default="trial")
    op.add_column("trials", role)
    for name in ("found", "steps"):
        op.add_column("trials", sa.Column(name, sa.JSON(), nullable=True))
    op.execute("update trials set found = params")
    op.add_column("studies", sa.Column("problem", sa.String(), nullable=True))
    op.add_column("studies", sa.Column("warm", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Take the columns away, and what is no trial."""
    op.execute("delete from trials where role <> 'trial'")
    for name in ("role", "found", "steps"):
        op.drop_column("trials", name)
    for name in ("problem", "warm"):
        op.drop_column("studies", name)
