"""The feed of sponsored awards, what is spent on them and what their sponsors' portals tell.

Belongs here: the feed's entry. Not here: its columns (contract.py), whether a cost is allowable.
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.grants import former
from hub_pipelines.validate.feeds.grants.contract import (
    AWARD_SPELLINGS,
    EXPENDITURE_SPELLINGS,
    AwardRow,
    ExpenditureRow,
    OpportunityRow,
    RegistrationRow,
    SponsorAwardRow,
)
from hub_pipelines.validate.feeds.grants.news import award_news, expenditure_news, opportunity_news, registration_news
from hub_pipelines.validate.model import Feed, RecordType, Reference

_FIRST_AWARD = RecordType(
    name="grants.award",
    title="award list",
    row_model=former.AwardRow1,
    key_columns=("award_id",),
    aliases=aliases_for(former.AwardRow1.model_fields, AWARD_SPELLINGS),
)

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
            gone_by=("final_report_on",),
            contract_version=2,
            former=(_FIRST_AWARD,),
        ),
        RecordType(
            name="grants.expenditure",
            title="expenditure list",
            row_model=ExpenditureRow,
            key_columns=("transaction_id",),
            aliases=aliases_for(ExpenditureRow.model_fields, EXPENDITURE_SPELLINGS),
            references=(Reference("award_id", "grants.award"),),
            news=expenditure_news,
            gone_by=("posted_on", "incurred_on"),
        ),
        RecordType(
            name="grants.sponsor_award",
            title="sponsor's record of an award",
            row_model=SponsorAwardRow,
            key_columns=("portal", "record_id"),
            aliases=aliases_for(SponsorAwardRow.model_fields, {}),
            news=award_news,
            by_messages_only=True,
        ),
        RecordType(
            name="grants.opportunity",
            title="funding opportunity",
            row_model=OpportunityRow,
            key_columns=("opportunity_id",),
            aliases=aliases_for(OpportunityRow.model_fields, {}),
            news=opportunity_news,
            by_messages_only=True,
        ),
        RecordType(
            name="grants.registration",
            title="registration at SAM.gov",
            row_model=RegistrationRow,
            key_columns=("record_id",),
            aliases=aliases_for(RegistrationRow.model_fields, {}),
            news=registration_news,
            by_messages_only=True,
        ),
    ),
    priority=20,
)
