"""Review items with the group that they belong to, a dismissal's reason code, and the corrected copy in their place."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("review_item", sa.Column("fingerprint", sa.String(length=12)))
    # how an earlier release's items failed was not recorded closely enough: they are grouped by their cause
    op.execute("UPDATE review_item SET fingerprint = substr('g-' || cause, 1, 12)")
    with op.batch_alter_table("review_item") as batch:
        batch.alter_column("fingerprint", nullable=False)
    for column in (sa.Column("reason_code", sa.String()), sa.Column("replaced_by", sa.String())):
        op.add_column("review_item", column)
    op.add_column("review_item", sa.Column("difference", JsonText()))
    op.drop_index("review_item_state", table_name="review_item")
    op.create_index("review_item_state", "review_item", ["state", "opened_at", "item_id"])
    op.create_index(
        "review_item_group", "review_item", ["state", "fingerprint", "cause", "campus", "feed", "opened_at"]
    )
    op.create_index("review_item_opened", "review_item", ["opened_at"])
    op.create_index("review_item_resolved", "review_item", ["resolved_at"])
    op.create_index("review_item_replaced_by", "review_item", ["replaced_by"])
