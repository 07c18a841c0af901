"""The feed of sponsored awards and what is spent on them.

Belongs here: the feed's entry. Not here: its columns (contract.py), whether a cost is allowable.
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.grants.contract import (
    AWARD_SPELLINGS,
    EXPENDITURE_SPELLINGS,
    AwardRow,
    ExpenditureRow,
)
from hub_pipelines.validate.model import Feed, RecordType, Reference

FEED = Feed(
    name="grants",
    title="grants",
    record_types=(
        RecordType(
            name="grants.award",
            title="award list",
            row_model=AwardRow,
            key_columns=("award_id",),
            aliases=aliases_for(AwardRow.model_fields, AWARD_SPELLINGS),
        ),
        RecordType(
            name="grants.expenditure",
            title="expenditure list",
            row_model=ExpenditureRow,
            key_columns=("transaction_id",),
            aliases=aliases_for(ExpenditureRow.model_fields, EXPENDITURE_SPELLINGS),
            references=(Reference("award_id", "grants.award"),),
        ),
    ),
    priority=20,
)
