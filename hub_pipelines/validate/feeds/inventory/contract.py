"""What one row of a lab's inventory file must hold.

Belongs here: the columns, their meaning and their other spellings. Not here: how a value is checked.
"""

from pydantic import BaseModel, Field

from hub_pipelines.validate.feeds import types


class InventoryRow(BaseModel):
    asset_tag: types.AssetTag = Field(description="The tag on the item, as procurement issued it")
    item_name: types.ItemName = Field(description="What the item is, up to 500 characters")
    category: types.Category = Field(description=f"One of: {', '.join(types.CATEGORIES)}")
    quantity: types.Quantity = Field(description="How much, as a plain number without the unit")
    unit: types.Unit = Field(description=f"One of: {', '.join(types.UNITS)}")
    location: types.Location = Field(description="Where it is kept: building, room, shelf")
    responsible_email: types.Email = Field(description="E-mail address of the person responsible")
    acquired_on: types.DateText = Field(description="The day it was acquired, as YYYY-MM-DD")
    unit_cost: types.UnitCost = Field(description="Cost of one unit in US dollars, such as 1234.50")
    po_number: types.PoNumber = Field(description="Number of the purchase order")
    cas_number: types.CasNumber = Field(default=None, description="CAS number of a chemical, such as 67-64-1")
    hazard_codes: types.HazardCodes = Field(default=None, description="GHS hazard codes, such as H225; H319")


SPELLINGS = {
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
