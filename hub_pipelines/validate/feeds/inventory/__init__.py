"""The feed of the labs' own inventory lists.

Belongs here: the feed's entry. Not here: its columns (contract.py).
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.inventory.contract import SPELLINGS, InventoryRow
from hub_pipelines.validate.model import Feed

FEED = Feed(
    name="inventory",
    record_type="inventory.asset",
    title="lab inventory",
    row_model=InventoryRow,
    key_column="asset_tag",
    aliases=aliases_for(InventoryRow.model_fields, SPELLINGS),
    checks_tags=True,
    shared=False,
    priority=20,
)
