"""Pauses, legal holds, and since when a submission has its partition."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "pause",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=False),
        sa.Column("paused_by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "feed"),
    )
    op.create_table(
        "legal_hold",
        sa.Column("hold_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("campus", sa.String(), nullable=True),
        sa.Column("feed", sa.String(), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_at", UtcDateTime(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hold_id"),
    )
    op.create_index("legal_hold_standing", "legal_hold", ["lifted_at"])
    op.add_column("submission", sa.Column("partition_since", UtcDateTime(), nullable=True))
    op.execute(
        "UPDATE submission SET partition_since = coalesce(launched_at, settled_at, received_at) WHERE partition_live"
    )
    op.drop_index("submission_live", table_name="submission")
    op.create_index(
        "submission_live",
        "submission",
        ["feed", "partition_since"],
        postgresql_where=sa.text("partition_live"),
        sqlite_where=sa.text("partition_live"),
    )
