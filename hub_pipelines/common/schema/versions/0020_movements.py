"""What sets and adjusts the quantities of items that messages adjust."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.schema import append_only
from hub_pipelines.common.store import UtcDateTime

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "movement",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("quantity", sa.String(), nullable=True),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("item", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("movement_of_item", "movement", ["ledger", "key", "occurred_at"])
    op.create_index("movement_of_posting", "movement", ["request_id", "revision"])
    op.create_index("movement_of_message", "movement", ["ledger", "message", "key"], unique=True)
    append_only("movement")
