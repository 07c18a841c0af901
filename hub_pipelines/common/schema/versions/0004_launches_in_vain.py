"""How often a submission was launched since a run last began to work on it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "submission", sa.Column("launches_in_vain", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
