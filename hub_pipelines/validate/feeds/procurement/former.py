"""The earlier version of procurement's contract, as it was: postings made under it are reproduced by it.

Belongs here: what is no longer in force, unchanged. Not here: what is (contract.py, which adds to these spellings).
"""

from pydantic import Field

from hub_pipelines.validate.feeds import money, times, types


class ProcurementRow1(types.Contract):
    asset_tag: types.AssetTag = Field(description="The tag that procurement issued for the item")
    po_number: types.PoNumber = Field(description="Number of the purchase order")
    campus: types.CampusName = Field(description="The campus that the item was bought for")
    description: types.OptionalText = Field(default=None, description="What was bought")
    vendor: types.OptionalText = Field(default=None, description="Who sold it")
    amount: money.OptionalAmount = Field(default=None, description="Amount in US dollars; credits are negative")
    ordered_on: times.OptionalDate = Field(default=None, description="The day it was ordered, as YYYY-MM-DD")


SPELLINGS: dict[str, tuple[str, ...]] = {
    "asset_tag": ("tag", "asset", "asset id", "asset number", "asset no", "asset #", "property tag", "barcode"),
    "po_number": ("po", "po no", "po #", "purchase order", "purchase order number"),
    "campus": ("campus name", "site"),
    "description": ("item", "item name", "item description"),
    "vendor": ("supplier", "vendor name", "supplier name"),
    "amount": ("total amount",),
    "ordered_on": ("ordered", "order date", "date ordered", "po date"),
}
