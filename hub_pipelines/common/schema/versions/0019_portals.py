"""Where the hub stands with portals, their polls and pages, and shapes of records that were held."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "portal",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cursor", UtcDateTime(), nullable=True),
        sa.Column("poll", JsonText(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("began_at", UtcDateTime(), nullable=True),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("marks", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("failed_requests", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_error_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "portal_poll",
        sa.Column("poll_id", sa.String(), nullable=False),
        sa.Column("portal", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=True),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("began_by", sa.String(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("tally", JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id"),
    )
    op.create_index("portal_poll_by_portal", "portal_poll", ["portal", "began_at"])
    op.create_table(
        "portal_page",
        sa.Column("poll_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("envelope", JsonText(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "number"),
    )
    op.create_index("portal_page_by_digest", "portal_page", ["content_digest"])
    op.create_table(
        "portal_shape",
        sa.Column("portal", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(12), nullable=False),
        sa.Column("deviations", JsonText(), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("first_request_id", sa.String(), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=True),
        sa.Column("accepted_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("portal", "fingerprint"),
    )
    op.create_table(
        "portal_held",
        sa.Column("portal", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(12), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("portal", "record_id", "digest"),
    )
    op.create_index("portal_held_by_request", "portal_held", ["request_id"])
    op.create_index("portal_held_by_shape", "portal_held", ["portal", "fingerprint"])
