"""Which rows of a file a workbook with only the rows to fix has brought in."""

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.store import JsonText

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("workbook_return", sa.Column("rows_taken", JsonText(), nullable=True))
