"""Header shapes of sources, how submissions' headers differ, migrations and the decisions about them."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.schema import append_only
from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "source_shape",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("record_type", sa.String(), nullable=False),
        sa.Column("header", JsonText(), nullable=False),
        sa.Column("columns", JsonText(), nullable=False),
        sa.Column("others", JsonText(), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("first_request_id", sa.String(), nullable=False),
        sa.Column("accepted_at", UtcDateTime()),
        sa.Column("accepted_by", sa.String()),
        sa.Column("last_posted_at", UtcDateTime()),
        sa.Column("migration", sa.String()),
        sa.PrimaryKeyConstraint("campus", "feed", "source_key", "fingerprint"),
    )
    op.create_index("source_shape_by_fingerprint", "source_shape", ["fingerprint"])
    op.create_table(
        "shape_change",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("record_type", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("compared_with", sa.String(length=16)),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("change", JsonText(), nullable=False),
        sa.Column("noticed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "revision"),
    )
    op.create_index("shape_change_by_fingerprint", "shape_change", ["fingerprint"])
    op.create_table(
        "migration",
        sa.Column("migration_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("migration_id", "version"),
    )
    op.create_index("migration_by_source", "migration", ["campus", "feed", "source_key"])
    append_only("migration")
    op.create_table(
        "migration_decision",
        sa.Column("migration_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("migration_id", "version", "decision"),
    )
    append_only("migration_decision")
    # what an older release had staged says nothing of its header; it is judged again
    op.execute("UPDATE submission SET staged = NULL WHERE state IN ('received', 'leased', 'retrying')")
