"""Previews that are due or made, and what complete counts have missed."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "preview",
        sa.Column("arrival_id", sa.String(), nullable=False),
        sa.Column("complete_count", sa.Boolean(), nullable=False),
        sa.Column("launches", sa.Integer(), nullable=False),
        sa.Column("launched_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=True),
        sa.Column("summary", JsonText(), nullable=True),
        sa.PrimaryKeyConstraint("arrival_id"),
    )
    op.create_table(
        "missed_item",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=True),
        sa.Column("counted_at", UtcDateTime(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=True),
        sa.Column("found_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", "revision", "key"),
    )
    op.create_index("missed_item_by_key", "missed_item", ["ledger", "key"])
    op.create_index(
        "missed_item_open",
        "missed_item",
        ["ledger", "counted_at"],
        postgresql_where=sa.text("found_at IS NULL"),
        sqlite_where=sa.text("found_at IS NULL"),
    )
