"""Signed checkpoints of the audit chains."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.schema import append_only
from hub_pipelines.common.store import UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "number"),
    )
    append_only("audit_checkpoint")
