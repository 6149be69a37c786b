"""Feature groups instead of versions per view; corrections, and what they make stale.

Features prepped before are folded anew, since nothing says which single features a table of
then holds. How far prep had come is kept: the knowledge time of later batches depends on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW_IN_BATCHES = (
    ("restated", sa.BigInteger()),
    ("withdrawn", sa.BigInteger()),
    ("withdrawn_why", sa.Text()),
)


def upgrade() -> None:
    """Add groups, stale marks and rebuilds; forget the data versions of tables without groups."""
    for name, kind in _NEW_IN_BATCHES:
        op.add_column("batches", sa.Column(name, kind, nullable=True))
    op.create_table(
        "feature_groups",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("cut_over", sa.BigInteger(), nullable=False),
        sa.Column("replaced", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id"),
    )
    op.create_index("feature_groups_by_name", "feature_groups", ["name"])
    op.execute(
        "insert into feature_groups select name || '-' || fingerprint, name, '{}', min(position), "
        "null, 'before groups', min(run_id), min(committed_at) from feature_versions "
        "group by name, fingerprint"
    )
    _regroup_versions()
    op.execute("delete from data_versions")
    op.create_table(
        "stale",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "batch_id", "cause", "key"),
    )
    op.create_table(
        "rebuilds",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _regroup_versions() -> None:
    op.rename_table("feature_versions", "versions_per_view")
    op.create_table(
        "feature_versions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("too_late", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("group_id", "position", name="one_version_per_position"),
    )
    op.execute(
        "insert into feature_versions select id, name || '-' || fingerprint, position, clock, "
        "rows, too_late, state, run_id, committed_at from versions_per_view"
    )
    op.drop_table("versions_per_view")


def downgrade() -> None:
    """Refuse: which view's table a group's rows belong to is not kept."""
    raise NotImplementedError("a catalog with feature groups cannot go back")
