"""The feed of procurement's purchased assets, which is the registry of tags for all campuses.

Belongs here: the feed's entry. Not here: its columns (contract.py).
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.orders import ORDER_LINES, ORDERS
from hub_pipelines.validate.feeds.procurement import former
from hub_pipelines.validate.feeds.procurement.contract import SPELLINGS, ProcurementRow
from hub_pipelines.validate.model import Feed, RecordType

_FIRST = RecordType(
    name="procurement.asset",
    title="procurement list",
    row_model=former.ProcurementRow1,
    key_columns=("asset_tag",),
    aliases=aliases_for(former.ProcurementRow1.model_fields, former.SPELLINGS),
    shared=True,
)

FEED = Feed(
    name="procurement",
    title="procurement",
    record_types=(
        RecordType(
            name="procurement.asset",
            title="procurement list",
            row_model=ProcurementRow,
            key_columns=("asset_tag",),
            aliases=aliases_for(ProcurementRow.model_fields, SPELLINGS),
            shared=True,
            contract_version=2,
            former=(_FIRST,),
        ),
    ),
    priority=10,
    foreign=(ORDER_LINES, ORDERS),
)
