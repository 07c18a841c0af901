"""Decisions about how files are read, questions about them, and what people have answered for a source."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.schema import append_only
from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", JsonText(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    append_only("decision")
    op.create_table(
        "question",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.String(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("column", sa.String()),
        sa.Column("heading", sa.Text()),
        sa.Column("position", sa.Integer()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("choices", JsonText(), nullable=False),
        sa.Column("evidence", JsonText(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("answer", sa.String()),
        sa.Column("answered_by", sa.String()),
        sa.Column("answered_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("request_id", "revision", "question_id"),
    )
    op.create_index("question_by_source", "question", ["campus", "feed", "source_key"])
    op.create_table(
        "source_mapping",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", JsonText(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("request_id", sa.String()),
        sa.PrimaryKeyConstraint("campus", "feed", "source_key", "version"),
    )
    append_only("source_mapping")
    op.add_column("submission", sa.Column("decision", sa.String(length=64), nullable=True))
