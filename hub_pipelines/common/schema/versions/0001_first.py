"""The schema of the first release, in which homes had no version yet."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.schema import append_only
from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "arrival",
        sa.Column("arrival_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_name", sa.String(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("fix", sa.Text(), nullable=True),
        sa.Column("receipt_due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("arrival_id"),
    )
    op.create_index("arrival_by_time", "arrival", ["arrived_at"])
    op.create_index(
        "arrival_receipt_due",
        "arrival",
        ["campus", "arrived_at"],
        postgresql_where=sa.text("receipt_due"),
        sqlite_where=sa.text("receipt_due"),
    )
    op.create_index("arrival_request_id", "arrival", ["request_id"])
    op.create_table(
        "attempt",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("error_type", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", "token"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("detail", JsonText(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("campus", "seq"),
    )
    op.create_index("audit_entry_request_id", "audit_entry", ["request_id"])
    op.create_table(
        "audit_head",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("campus"),
    )
    op.create_table(
        "idempotency",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "revision"),
    )
    op.create_table(
        "journal",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("previous_version", sa.Integer(), nullable=True),
        sa.Column("previous_row_no", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("ledger_date", sa.Date(), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("posted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "version", "row_no"),
    )
    op.create_index("journal_by_day", "journal", ["ledger", "ledger_date"])
    op.create_index("journal_by_key", "journal", ["ledger", "key", "version"])
    op.create_index("journal_by_request", "journal", ["request_id", "revision"])
    op.create_table(
        "ledger",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "key"),
    )
    op.create_table(
        "ledger_version",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ledger"),
    )
    op.create_table(
        "rejection",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("column_name", sa.String(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("suggestion", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", "revision", "row_no", "position"),
    )
    op.create_index("rejection_by_rule", "rejection", ["rule"])
    op.create_table(
        "review_item",
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("source_name", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.Column("error_type", sa.String(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("headers", JsonText(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resolved_at", UtcDateTime(), nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.create_index("review_item_request_id", "review_item", ["request_id"])
    op.create_index("review_item_state", "review_item", ["state", "opened_at"])
    op.create_table(
        "submission",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("sender_key", sa.String(), nullable=True),
        sa.Column("source_name", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("source_version", sa.Integer(), nullable=False),
        sa.Column("revises", sa.String(), nullable=True),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("received_day", sa.Date(), nullable=False),
        sa.Column("envelope", JsonText(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("fix", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("launch", sa.Integer(), nullable=False),
        sa.Column("launched_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("retry_at", UtcDateTime(), nullable=True),
        sa.Column("staged", sa.String(length=64), nullable=True),
        sa.Column("registry_version", sa.Integer(), nullable=True),
        sa.Column("rows_received", sa.Integer(), nullable=False),
        sa.Column("rows_posted", sa.Integer(), nullable=False),
        sa.Column("rows_unchanged", sa.Integer(), nullable=False),
        sa.Column("rows_rejected", sa.Integer(), nullable=False),
        sa.Column("posted_at", UtcDateTime(), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("receipt_due", sa.Boolean(), nullable=False),
        sa.Column("partition_live", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("submission_by_day", "submission", ["campus", "received_day"])
    op.create_index("submission_by_digest", "submission", ["content_digest"])
    op.create_index("submission_by_source", "submission", ["campus", "feed", "source_key"])
    op.create_index(
        "submission_live",
        "submission",
        ["feed", "settled_at"],
        postgresql_where=sa.text("partition_live"),
        sqlite_where=sa.text("partition_live"),
    )
    op.create_index(
        "submission_receipt_due",
        "submission",
        ["campus", "settled_at"],
        postgresql_where=sa.text("receipt_due"),
        sqlite_where=sa.text("receipt_due"),
    )
    op.create_index(
        "submission_unsettled",
        "submission",
        ["campus", "priority", "received_at"],
        postgresql_where=sa.text("state IN ('received', 'leased', 'retrying')"),
        sqlite_where=sa.text("state IN ('received', 'leased', 'retrying')"),
    )
    for table in ("journal", "audit_entry"):
        append_only(table)
