"""The feed of procurement's purchased assets, which is the registry of tags for all campuses.

Belongs here: the feed's entry. Not here: its columns (contract.py).
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.procurement.contract import SPELLINGS, ProcurementRow
from hub_pipelines.validate.model import Feed

FEED = Feed(
    name="procurement",
    record_type="procurement.asset",
    title="procurement",
    row_model=ProcurementRow,
    key_column="asset_tag",
    aliases=aliases_for(ProcurementRow.model_fields, SPELLINGS),
    checks_tags=False,
    shared=True,
    priority=10,
)
