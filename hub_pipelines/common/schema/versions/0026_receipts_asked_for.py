"""How often a receipt of a submission was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("submission", sa.Column("receipts_asked", sa.Integer(), nullable=False, server_default=sa.text("0")))
