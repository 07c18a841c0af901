"""The feed of the labs' own inventory lists.

Belongs here: the feed's entry. Not here: its columns (contract.py).
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.inventory.contract import SPELLINGS, InventoryRow
from hub_pipelines.validate.model import Feed, RecordType

FEED = Feed(
    name="inventory",
    title="lab inventory",
    record_types=(
        RecordType(
            name="inventory.asset",
            title="asset list",
            row_model=InventoryRow,
            key_columns=("asset_tag",),
            aliases=aliases_for(InventoryRow.model_fields, SPELLINGS),
            tag_column="asset_tag",
        ),
    ),
    priority=20,
)
