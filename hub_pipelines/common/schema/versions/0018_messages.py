"""Systems that send messages, what messages have set when, and rows that gave way to newer ones."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0018"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "message_source",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rights", JsonText(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "message_source_key",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("material", sa.Text(), nullable=True),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("source", "key_id"),
    )
    op.create_table(
        "item_occurrence",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "key"),
    )
    op.add_column("submission", sa.Column("rows_superseded", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("submission", sa.Column("channel", sa.String(), nullable=False, server_default=sa.text("''")))
    sqlite = op.get_context().dialect.name == "sqlite"
    channel = "json_extract(envelope, '$.channel')" if sqlite else "(envelope::json)->>'channel'"
    op.execute(f"UPDATE submission SET channel = {channel}")
    op.create_index(
        "submission_of_files",
        "submission",
        ["campus", "feed", "received_at"],
        postgresql_where=sa.text("channel != 'webhook'"),
        sqlite_where=sa.text("channel != 'webhook'"),
    )
