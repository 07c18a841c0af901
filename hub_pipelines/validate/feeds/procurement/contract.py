"""What one row of procurement's list of purchased assets must hold.

Belongs here: the columns, their meaning and their other spellings. Not here: how a value is checked.
"""

from pydantic import Field

from hub_pipelines.validate.feeds import money, times, types
from hub_pipelines.validate.feeds.procurement import former


class ProcurementRow(types.Contract):
    asset_tag: types.AssetTag = Field(description="The tag that procurement issued for the item")
    po_number: types.PoNumber = Field(description="Number of the purchase order")
    campus: types.CampusName = Field(description="The campus that the item was bought for")
    description: types.OptionalText = Field(default=None, description="What was bought")
    vendor: types.OptionalText = Field(default=None, description="Who sold it")
    amount: money.OptionalAmount = Field(default=None, description="Amount in US dollars; credits are negative")
    ordered_on: times.OptionalDate = Field(default=None, description="The day it was ordered, as YYYY-MM-DD")
    status: types.OptionalText = Field(
        default=None, description="How far it has come, in procurement's own words, such as ordered, received, returned"
    )


SPELLINGS: dict[str, tuple[str, ...]] = {
    **former.SPELLINGS,
    "status": ("order status", "po status", "purchase order status", "delivery status", "procurement status"),
}
