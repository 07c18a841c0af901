"""For which ledger a submission waits, and how often its runs gave their place to others."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.add_column("submission", sa.Column("waits_for", sa.String(), nullable=True))
    op.add_column("submission", sa.Column("gave_way", sa.Integer(), nullable=False, server_default=sa.text("0")))
