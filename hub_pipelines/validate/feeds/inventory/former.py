"""Earlier versions of the inventory's contracts, as they were: postings made under them are reproduced by them.

Belongs here: what is no longer in force, unchanged. Not here: what is (contract.py, which adds to these spellings).
"""

from pydantic import Field

from hub_pipelines.validate.feeds import former as values
from hub_pipelines.validate.feeds import money, quantities, times, types


class AssetRow1(types.Contract):
    """A thing with a tag."""

    asset_tag: types.AssetTag = Field(description="The tag on the item, as procurement issued it")
    item_name: types.ItemName = Field(description="What the item is, up to 500 characters")
    category: types.Category = Field(description=f"One of: {', '.join(types.CATEGORIES)}")
    quantity: quantities.Quantity = Field(description="How much, as a plain number without the unit")
    unit: values.Unit1 = Field(description=f"One of: {', '.join(quantities.UNITS)}")
    location: types.Location = Field(description="Where it is kept: building, room, shelf")
    responsible_email: types.Email = Field(description="E-mail address of the person responsible")
    acquired_on: times.DateText = Field(description="The day it was acquired, as YYYY-MM-DD")
    unit_cost: money.UnitCost = Field(description="Cost of one unit in US dollars, such as 1234.50")
    po_number: types.PoNumber = Field(description="Number of the purchase order")
    cas_number: values.CasNumber1 = Field(default=None, description="CAS number of a chemical, such as 67-64-1")
    hazard_codes: values.HazardCodes1 = Field(default=None, description="GHS hazard codes, such as H225; H319")


ASSET_SPELLINGS: dict[str, tuple[str, ...]] = {
    "asset_tag": ("tag", "asset", "asset id", "asset number", "asset no", "asset #", "property tag", "barcode"),
    "item_name": ("item", "item description"),
    "category": ("item category",),
    "quantity": ("qty",),
    "unit": ("units", "uom", "unit of measure", "quantity unit"),
    "location": ("room", "storage location"),
    "responsible_email": ("email", "e-mail", "responsible", "owner email", "contact email", "responsible person email"),
    "acquired_on": ("acquired", "date acquired", "acquisition date", "acquired date"),
    "unit_cost": ("unit price", "cost per unit"),
    "po_number": ("po", "po no", "po #", "purchase order", "purchase order number"),
    "cas_number": ("cas", "cas no", "cas #", "cas rn"),
    "hazard_codes": ("hazards", "hazard code", "h codes", "ghs codes", "hazard statements"),
}


class StockRow1(types.Contract):
    """What is on hand of one item at one place."""

    item_code: types.ItemCode = Field(description="The number that the item is ordered or kept under: catalogue, SKU")
    item_name: types.ItemName = Field(description="What the item is, up to 500 characters")
    location: types.Place = Field(description="Where it is kept: building, room, shelf")
    quantity_on_hand: quantities.Quantity = Field(description="How much is there, as a plain number without the unit")
    unit: values.StockUnit1 = Field(description=f"One of: {', '.join(quantities.STOCK_UNITS)}")
    supplier: types.OptionalText = Field(default=None, description="Who sells it")
    cas_number: values.CasNumber1 = Field(default=None, description="CAS number of a chemical, such as 67-64-1")
    lot_number: types.OptionalCode = Field(default=None, description="The maker's lot or batch")
    expires_on: times.OptionalDate = Field(default=None, description="The last day of use, as YYYY-MM-DD")
    reorder_level: quantities.OptionalQuantity = Field(
        default=None, description="At how much it is ordered again, in the same unit"
    )
    counted_on: times.OptionalDate = Field(default=None, description="The day it was counted, as YYYY-MM-DD")
    responsible_email: types.OptionalEmail = Field(default=None, description="E-mail address of the person responsible")


STOCK_SPELLINGS: dict[str, tuple[str, ...]] = {
    "item_code": (
        "id", "code", "item id", "item number", "item no", "item #", "stock code", "stock number",
        "stock no", "stock #", "sku", "sku#", "sku #", "sku number", "nsn", "part", "part number", "part no", "part #",
        "catalog number", "catalog no", "catalog #", "catalog", "catalogue number", "catalogue no", "cat#",
        "cat #", "cat no", "cat number", "cat id", "catalog id", "product number", "product no", "product #",
        "product code", "supplier item identifier", "vendor reference", "reference number",
    ),
    "item_name": (
        "name", "item", "item description", "description", "product", "product name", "material", "chemical",
        "chemical name", "reagent", "reagent name", "consumable", "article",
    ),
    "location": ("room", "storage location", "stock location", "storage", "where", "place", "bin location"),
    "quantity_on_hand": (
        "quantity", "qty", "on hand", "qty on hand", "quantity on hand", "in stock", "stock", "stock level", "count",
        "amount", "current stock", "current quantity", "quantity in stock", "qty in stock", "quantity available",
    ),
    "unit": ("units", "uom", "u m", "ui", "u i", "unit of measure", "unit of issue", "quantity unit", "stock unit"),
    "supplier": ("vendor", "company", "manufacturer", "brand", "vendor name", "supplier name"),
    "cas_number": ("cas", "cas no", "cas #", "cas#", "cas rn"),
    "lot_number": ("lot", "lot no", "lot #", "lot#", "batch", "batch number", "batch no", "lot batch"),
    "expires_on": (
        "expiration date", "expiration", "expiry", "expiry date", "expires", "exp date", "exp", "use by", "best before",
    ),
    "reorder_level": (
        "low stock threshold", "reorder point", "reorder at", "minimum", "min", "minimum stock", "min stock",
        "minimum quantity", "min quantity", "min qty", "min limit", "par level", "threshold",
    ),
    "counted_on": ("counted", "count date", "date counted", "last counted", "inventory date", "last inventory"),
    "responsible_email": ("email", "e-mail", "responsible", "owner email", "contact email", "responsible person email"),
}  # fmt: skip
