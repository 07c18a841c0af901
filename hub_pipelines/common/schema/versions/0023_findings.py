"""Findings about awards, from their opening to their closing, and what awards were judged by last."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0023"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "finding",
        sa.Column("finding_id", sa.String(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("citation", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("award", sa.String(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("facts", JsonText(), nullable=False),
        sa.Column("amount", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("row_no", sa.Integer(), nullable=True),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("opened_by", JsonText(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("closed_by", JsonText(), nullable=True),
        sa.PrimaryKeyConstraint("finding_id"),
    )
    op.create_index("finding_by_subject", "finding", ["campus", "rule_id", "subject", "number"], unique=True)
    op.create_index("finding_by_award", "finding", ["campus", "award"])
    op.create_table(
        "finding_mark",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("versions", JsonText(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("evaluated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("campus"),
    )
