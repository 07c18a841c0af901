"""Workbooks that were given back, and what came back of them."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText, UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "returned_workbook",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "revision"),
    )
    op.create_index(
        "returned_workbook_due",
        "returned_workbook",
        ["campus", "changed_at"],
        postgresql_where=sa.text("state = 'due'"),
        sqlite_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "workbook_return",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("original", sa.String(), nullable=True),
        sa.Column("original_revision", sa.Integer(), nullable=True),
        sa.Column("part", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("problems_before", sa.Integer(), nullable=True),
        sa.Column("difference", JsonText(), nullable=True),
        sa.Column("came_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "revision"),
    )
    op.create_index("workbook_return_original", "workbook_return", ["original"])
