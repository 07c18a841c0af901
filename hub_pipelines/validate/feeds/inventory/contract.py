"""What one row of a lab's inventory files must hold: of its asset list, its stock list and its calibration list.

Belongs here: the columns, their meaning and their other spellings. Not here: how a value is checked.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from hub_pipelines.validate.feeds import chemicals, money, quantities, times, types
from hub_pipelines.validate.feeds.inventory import former


def _with(before: Mapping[str, tuple[str, ...]], more: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Spellings that were known before keep their meaning: the lists that are sent under them go on."""
    return {column: (*before.get(column, ()), *more.get(column, ())) for column in (*before, *more)}


class AssetRow(types.Contract):
    """A thing with a tag. Many registers of property tell little more than what it is and where."""

    asset_tag: types.TagInUse = Field(description="The tag on the item, as procurement issued it")
    item_name: types.ItemName = Field(description="What the item is, up to 500 characters")
    category: types.OptionalCategory = Field(default=None, description=f"One of: {', '.join(types.CATEGORIES)}")
    quantity: quantities.OptionalQuantity = Field(
        default=None, description="How much, as a plain number without the unit"
    )
    unit: quantities.OptionalUnit = Field(default=None, description=f"One of: {', '.join(quantities.UNITS)}")
    location: types.OptionalLocation = Field(default=None, description="Where it is kept: building, room, shelf")
    responsible_email: types.OptionalEmail = Field(default=None, description="E-mail address of the person responsible")
    acquired_on: times.OptionalDate = Field(default=None, description="The day it was acquired, as YYYY-MM-DD")
    unit_cost: money.OptionalUnitCost = Field(
        default=None, description="Cost of one unit in US dollars, such as 1234.50"
    )
    po_number: types.OptionalPoNumber = Field(default=None, description="Number of the purchase order")
    cas_number: chemicals.CasNumber = Field(default=None, description="CAS number of a chemical, such as 67-64-1")
    hazard_codes: chemicals.HazardCodes = Field(default=None, description="GHS hazard codes, such as H225; H319")
    serial_number: types.OptionalCode = Field(default=None, description="The maker's serial number")
    manufacturer: types.OptionalText = Field(default=None, description="Who made it")
    model: types.OptionalText = Field(default=None, description="The maker's name or number of the model")
    status: types.OptionalText = Field(default=None, description="What state it is in, in the lab's own words")


ASSET_SPELLINGS = _with(
    former.ASSET_SPELLINGS,
    {
        "asset_tag": ("property tag number", "property tag no", "property tag #", "property number", "property no",
                      "asset barcode", "asset tag number", "asset tag no", "asset tag #", "inventory tag", "tag number",
                      "tag no", "tag #"),
        "item_name": ("name", "item type", "asset type", "equipment type", "type", "description", "asset name",
                      "asset description", "equipment", "equipment name", "equipment description"),
        "location": ("current location", "asset location"),
        "acquired_on": ("purchase date", "date purchased", "purchased on"),
        "unit_cost": ("cost", "acquisition cost", "purchase cost", "purchase price"),
        "serial_number": ("serial", "serial no", "serial #", "s n", "sn"),
        "manufacturer": ("maker", "make", "brand"),
        "model": ("model number", "model no", "model #", "equipment model"),
        "status": ("condition", "asset status", "item status"),
    },
)  # fmt: skip


class StockRow(types.Contract):
    """One line of a stock list: what there is of one item at one place. Most chemical inventories are such lists."""

    item_code: types.OptionalItemCode = Field(
        default=None, description="The number that the item is ordered or kept under: catalogue, SKU"
    )
    item_name: types.ItemName = Field(description="What the item is, up to 500 characters")
    location: types.OptionalPlace = Field(default=None, description="Where it is kept: building, room, shelf")
    quantity_on_hand: quantities.OptionalQuantity = Field(
        default=None, description="How much is there, as a plain number without the unit; blank when not known"
    )
    unit: quantities.OptionalLineUnit = Field(default=None, description=f"One of: {', '.join(quantities.LINE_UNITS)}")
    supplier: types.OptionalText = Field(default=None, description="Who sells it")
    cas_number: chemicals.CasNumber = Field(default=None, description="CAS number of a chemical, such as 67-64-1")
    lot_number: types.OptionalCode = Field(default=None, description="The maker's lot or batch")
    expires_on: times.OptionalExpiry = Field(default=None, description="The last day of use, as YYYY-MM-DD")
    reorder_level: quantities.OptionalQuantity = Field(
        default=None, description="At how much it is ordered again, in the same unit"
    )
    counted_on: times.OptionalDate = Field(default=None, description="The day it was counted, as YYYY-MM-DD")
    responsible_email: types.OptionalEmail = Field(default=None, description="E-mail address of the person responsible")
    container_id: types.OptionalCode = Field(default=None, description="The number or barcode on the container")
    container_size: types.OptionalText = Field(default=None, description="What it is in and how large: 500 g bottle")
    concentration: types.OptionalText = Field(default=None, description="How strong it is: 1 mg/mL, 37 %, 0.1 M")
    physical_state: chemicals.PhysicalState = Field(
        default=None, description=f"One of: {', '.join(chemicals.PHYSICAL_STATES)}"
    )
    hazard_codes: chemicals.HazardCodes = Field(default=None, description="GHS hazard codes, such as H225; H319")
    storage_temperature: types.OptionalText = Field(default=None, description="At what temperature it is kept: -20 °C")
    received_on: times.OptionalDate = Field(default=None, description="The day it was received, as YYYY-MM-DD")
    opened_on: times.OptionalDate = Field(default=None, description="The day it was opened, as YYYY-MM-DD")
    owner: types.OptionalText = Field(default=None, description="Whose it is: a person, initials or a group")
    serial_number: types.OptionalCode = Field(default=None, description="The maker's serial number")
    model: types.OptionalText = Field(default=None, description="The maker's name or number of the model")
    status: types.OptionalText = Field(default=None, description="What state it is in, in the lab's own words")
    link: types.OptionalText = Field(default=None, description="Where more is told: a web page, a safety data sheet")


class MovementRow(types.Contract):
    """What came to a line of stock or went from it. The line is named as its set names it: by the same code, CAS
    number or name, lot and place."""

    item_code: types.OptionalItemCode = Field(default=None, description="As in the set of the item")
    item_name: types.ItemName = Field(description="What the item is, up to 500 characters")
    location: types.OptionalPlace = Field(default=None, description="Where it is kept, as in the set of the item")
    cas_number: chemicals.CasNumber = Field(default=None, description="CAS number of a chemical, such as 67-64-1")
    lot_number: types.OptionalCode = Field(default=None, description="The maker's lot or batch")
    quantity: quantities.Amount = Field(description="How much, above 0, as a plain number without the unit")
    unit: quantities.OptionalLineUnit = Field(default=None, description="A unit of the same kind as the item's own")


class TransferredRow(MovementRow):
    to_location: types.Place = Field(description="Where it went; location is where it was")


class DisposedRow(MovementRow):
    quantity: quantities.AmountOrAll = Field(description="How much, above 0; or all: nothing is left then")


def used_up(values: Mapping[str, object]) -> bool:
    """Nothing of it is on hand: no count will list it."""
    on_hand = values.get("quantity_on_hand")
    return on_hand is not None and Decimal(str(on_hand)) == 0


STOCK_SPELLINGS = _with(
    former.STOCK_SPELLINGS,
    {
        "item_code": ("catalogue #", "catalog num", "cat num", "catalogue id", "cat code", "article number",
                      "article no", "order number", "order no", "product id", "material number"),
        "item_name": ("item type", "equipment", "equipment name", "compound", "compound name", "substance",
                      "substance name", "chemical substance", "material name"),
        "location": ("lab location", "current location", "storage place", "storage area"),
        "cas_number": ("cas nr", "cas registry number", "cas id", "casrn"),
        "lot_number": ("lot id", "lot code", "charge number"),
        "expires_on": ("expires on", "date of expiry", "shelf life until"),
        "container_id": ("barcode", "container", "container number", "container no", "container #", "bottle id",
                         "bottle number", "bottle no", "container barcode", "bottle barcode", "inventory barcode"),
        "container_size": ("size", "pack size", "package size", "packaging", "bottle size"),
        "concentration": ("conc", "strength", "molarity"),
        "physical_state": ("state of matter", "physical form", "phase"),
        "hazard_codes": ("hazard code", "h codes", "h code", "ghs codes", "hazard statements", "h statements"),
        "storage_temperature": ("storage temp", "temperature", "temp", "storage conditions", "storage condition"),
        "received_on": ("received", "received date", "date received", "receipt date"),
        "opened_on": ("opened", "date opened", "opened date", "open date"),
        "owner": ("initials", "owned by", "pi", "principal investigator", "responsible person", "group"),
        "serial_number": ("serial", "serial no", "serial #", "s n", "sn"),
        "model": ("model number", "model no", "model #", "equipment model"),
        "status": ("condition", "item status"),
        "link": ("url", "web", "web page", "website", "weblink", "sds", "sds link", "msds", "msds link"),
    },
)  # fmt: skip


TELLING_STOCK = (
    "item_name", "location", "quantity_on_hand", "cas_number", "item_code", "unit", "supplier", "lot_number",
    "expires_on", "reorder_level", "counted_on", "container_id", "container_size", "concentration", "physical_state",
    "hazard_codes", "storage_temperature", "received_on", "opened_on", "serial_number", "model",
)  # fmt: skip
"""A list of names, people or accounts has none of these."""


class CalibrationRow(types.Contract):
    """One calibration of a tagged instrument, with what came of it."""

    asset_tag: types.LeadingAssetTag = Field(description="The tag on the instrument, as procurement issued it")
    calibrated_on: times.DateText = Field(description="The day it was calibrated, as YYYY-MM-DD")
    result: types.CalibrationResult = Field(description=f"One of: {', '.join(types.CALIBRATION_RESULTS)}")
    due_on: Annotated[times.OptionalDate, times.not_before("calibrated_on")] = Field(
        default=None, description="The day by which it is due again, as YYYY-MM-DD"
    )
    calibrated_by: types.OptionalText = Field(default=None, description="Who calibrated it")
    certificate_number: types.OptionalCode = Field(default=None, description="Number of the certificate")
    procedure: types.OptionalText = Field(default=None, description="The procedure or standard that was followed")
    serial_number: types.OptionalCode = Field(default=None, description="The maker's serial number")
    item_name: types.OptionalText = Field(default=None, description="What the instrument is")
    location: types.OptionalPlace = Field(default=None, description="Where it is")
    responsible_email: types.OptionalEmail = Field(default=None, description="E-mail address of the person responsible")
    remarks: types.OptionalText = Field(default=None, description="What else is to be known")


CALIBRATION_SPELLINGS = {
    "asset_tag": ASSET_SPELLINGS["asset_tag"],
    "calibrated_on": (
        "calibrated", "calibration date", "date calibrated", "date of calibration", "cal date", "last calibration",
        "last calibrated", "last calibration date", "last cal", "last cal date", "date calibration",
    ),
    "result": (
        "calibration result", "results", "outcome", "pass fail", "cal result", "calibration status",
    ),
    "due_on": (
        "due", "due date", "next due", "next due date", "next calibration", "next calibration date", "next cal",
        "calibration due", "calibration due date", "cal due", "cal due date", "recalibration due", "valid until",
    ),
    "calibrated_by": (
        "technician", "performed by", "calibration by", "calibration vendor", "calibration lab", "calibration company",
        "service provider",
    ),
    "certificate_number": (
        "certificate", "certificate no", "certificate #", "cert no", "cert #", "cert number", "cert",
        "calibration certificate", "report number",
    ),
    "procedure": ("method", "standard", "calibration procedure", "calibration method", "sop"),
    "serial_number": ("serial", "serial no", "serial #", "s n", "sn"),
    "item_name": ("item", "name", "instrument", "instrument name", "equipment", "equipment name", "description"),
    "location": ("room", "lab", "storage location"),
    "responsible_email": ("email", "e-mail", "responsible", "owner email", "contact email", "responsible person email"),
    "remarks": ("remark", "notes", "note", "comments", "comment"),
}  # fmt: skip
