"""Finding what was sent in place of a submission, which each of its receipts asks, without going through its scope."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("submission_revises", "submission", ["revises"])
