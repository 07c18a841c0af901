"""Ledgers by campus and day with their published snapshots; indexes for timelines and lists of receipts."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "ledger_day",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("ledger_date", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "campus", "ledger_date"),
    )
    op.create_index("ledger_day_by_campus", "ledger_day", ["campus", "ledger_date"])
    op.execute(
        "INSERT INTO ledger_day (ledger, campus, ledger_date, version, entries, changed_at) "
        "SELECT ledger, campus, ledger_date, max(version), count(*), max(posted_at) FROM journal "
        "GROUP BY ledger, campus, ledger_date"
    )
    op.create_table(
        "snapshot",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("ledger_date", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=False),
        sa.Column("published_at", UtcDateTime()),
        sa.Column("judged_version", sa.Integer(), nullable=False),
        sa.Column("blocked", sa.Text()),
        sa.Column("announced", sa.String(length=64)),
        sa.PrimaryKeyConstraint("ledger", "campus", "ledger_date"),
    )
    op.drop_index("journal_by_day", table_name="journal")
    op.create_index("journal_by_day", "journal", ["ledger", "campus", "ledger_date"])
    op.create_index("arrival_by_digest", "arrival", ["content_digest"])
    op.create_index("arrival_by_scope", "arrival", ["campus", "feed", "arrived_at"])
    op.create_index("arrival_by_source", "arrival", [sa.text("lower(source_name)")])
    _partial_index("arrival_unprocessed", "arrival", ["campus", "feed", "arrived_at"], "outcome != 'received'")
    op.create_index("rejection_by_value", "rejection", [sa.text("lower(substr(value, 1, 64))")])
    op.create_index("submission_by_arrival", "submission", ["campus", "feed", "received_at"])
    op.create_index("submission_by_source_key", "submission", ["source_key", "received_at"])
    _partial_index("submission_in_review", "submission", ["campus", "feed", "received_at"], "state = 'in_review'")


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
