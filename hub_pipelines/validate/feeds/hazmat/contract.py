"""What one row of a hazmat file must hold: of a list of containers, and of the log of their custody.

Belongs here: the columns, their meaning and their other spellings. Not here: how a value is checked, and what the
regulations demand (waste determination, clocks, the order of custody).
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from hub_pipelines.validate.feeds import chemicals, quantities, times, types
from hub_pipelines.validate.model import Clock, Lacking, Limit

_WASTE = re.compile(r"\b(?:waste|abfall|residuos?|déchets?)\b", re.I)
_HARMLESS = re.compile(r"\bnon[- ]?(?:hazardous|regulated)\b|\bnot? hazardous\b|\bungefährlich", re.I)


class ContainerRow(types.Contract):
    """One container, as it is now. Nobody guesses its number: a list of chemicals without one is no container list."""

    container_id: chemicals.ContainerId = Field(description="The container's own number or barcode, as on its label")
    contents: types.ItemName = Field(description="What is in it, up to 500 characters")
    quantity: quantities.Quantity = Field(description="How much is in it, as a plain number without the unit")
    unit: quantities.AmountUnit = Field(description=f"One of: {', '.join(quantities.AMOUNT_UNITS)}")
    location: types.Place = Field(description="Where it is: building, room, cabinet")
    status: types.OptionalText = Field(default=None, description="What state it is in, in the lab's own words")
    cas_numbers: chemicals.CasNumbers = Field(default=None, description="CAS numbers of its parts: 67-64-1; 64-17-5")
    waste_codes: chemicals.WasteCodes = Field(default=None, description="Federal waste codes, such as D001; F003")
    state_waste_codes: chemicals.StateWasteCodes = Field(default=None, description="The state's own waste codes")
    generator_category: chemicals.GeneratorCategory = Field(
        default=None, description=f"Of the site, one of: {', '.join(chemicals.GENERATOR_CATEGORIES)}"
    )
    epa_id: Annotated[chemicals.EpaId, chemicals.of_category("generator_category")] = Field(
        default=None, description="EPA ID of the site: 12 characters, such as NYD000000000"
    )
    un_number: chemicals.UnNumber = Field(default=None, description="UN number, such as UN1090; NOID for none")
    hazard_class: chemicals.HazardClass = Field(default=None, description="Primary DOT hazard class, such as 3 or 6.1")
    packing_group: chemicals.PackingGroup = Field(default=None, description="One of: I, II, III")
    hazard_codes: chemicals.HazardCodes = Field(default=None, description="GHS hazard codes, such as H225; H319")
    physical_state: chemicals.PhysicalState = Field(
        default=None, description=f"One of: {', '.join(chemicals.PHYSICAL_STATES)}"
    )
    generator: types.OptionalText = Field(default=None, description="The lab or person that it comes from")
    accumulation_started_on: times.OptionalDate = Field(
        default=None, description="The day on which waste first went in, as YYYY-MM-DD"
    )
    received_on: times.OptionalDate = Field(default=None, description="The day it was received, as YYYY-MM-DD")
    opened_on: Annotated[times.OptionalDate, times.not_before("received_on")] = Field(
        default=None, description="The day it was opened, as YYYY-MM-DD"
    )
    expires_on: times.OptionalExpiry = Field(default=None, description="The last day of use, as YYYY-MM-DD")
    disposed_on: Annotated[
        times.OptionalDate,
        times.not_before("accumulation_started_on"),
        times.not_before("received_on"),
        times.not_before("opened_on"),
    ] = Field(default=None, description="The day it was disposed of or shipped away, as YYYY-MM-DD")
    sds: types.OptionalText = Field(default=None, description="Where its safety data sheet is: a link or a place")


def disposed_of(values: Mapping[str, object]) -> bool:
    """It was shipped away: no count will list it."""
    return values.get("disposed_on") is not None


def is_waste_by_the_clock(values: Mapping[str, object]) -> bool:
    """Hazardous waste that is on site, of a generator for whom days are counted: not a very small one (262.14)."""
    if disposed_of(values) or "VSQG" in (values.get("generator_category"), values.get("epa_id")):
        return False
    if values.get("waste_codes"):
        return True
    told = f"{values.get('contents') or ''} {values.get('status') or ''}"
    return _WASTE.search(told) is not None and _HARMLESS.search(told) is None


WITHOUT_CLOCK = Lacking(
    column="accumulation_started_on",
    called="accumulation start date",
    matters=is_waste_by_the_clock,
    rule="no_accumulation_start",
    reason="how long this waste has been on site can't be reckoned. A large quantity generator may keep hazardous "
    "waste for 90 days (40 CFR 262.17), a small one for 180 (40 CFR 262.16), counted from that day.",
    suggestion="Write the day from which each container's time counts into a column Accumulation start date and send "
    "the list again. A container in a satellite area needs none until the area's limit is exceeded (40 CFR 262.15)",
)

_LARGE = Limit(90, "a large quantity generator may keep hazardous waste for 90 days (40 CFR 262.17)")
_SMALL = Limit(
    180,
    "a small quantity generator may keep hazardous waste for 180 days, or 270 where it goes more than 200 miles, and a "
    "large one for 90 (40 CFR 262.16, 262.17)",
)


def days_on_site(values: Mapping[str, object]) -> Limit | None:
    """How long this container may be on site (W17: 40 CFR 262.16, 262.17). Where no category is told, the longer time
    counts: what is over that is over for both."""
    if not is_waste_by_the_clock(values):
        return None
    return _LARGE if values.get("generator_category") == "LQG" else _SMALL


ON_SITE = Clock(
    column="accumulation_started_on",
    least=_LARGE.days,
    limit_of=days_on_site,
    rule="too_long_on_site",
    reason="been accumulating",
    suggestion="Look at these containers today. One that was shipped away needs its day in Disposed on; a satellite "
    "area's time counts from the day on which its limit was exceeded (40 CFR 262.15); if the day is a slip, correct it "
    "and send the list again",
)

CONTAINER_SPELLINGS = {
    "container_id": (
        "container", "container number", "container no", "container #", "container barcode", "container tag",
        "barcode", "barcode id", "bottle id", "bottle number", "bottle no", "drum id", "drum number", "drum no",
        "waste tag", "waste tag number", "waste id", "label number", "tag number", "tag id", "inventory number",
        "chemical code", "sticker number", "chembottleidnum",
    ),
    "contents": (
        "content", "chemical name", "chemical", "chemicals", "name", "description", "waste description", "waste name",
        "waste stream", "material", "material name", "product", "product name", "substance", "substance name",
        "container contents", "constituents", "proper shipping name", "chemname",
    ),
    "quantity": (
        "qty", "amount", "volume", "weight", "size", "container size", "amount remaining", "current quantity",
        "current amount", "quantity remaining", "net quantity", "chemamountinbottle",
    ),
    "unit": (
        "units", "uom", "unit of measure", "unit of measurement", "quantity unit", "amount unit", "size unit",
        "container unit", "chemamountunit",
    ),
    "location": (
        "storage location", "room", "storage area", "accumulation area", "storage", "lab location", "place", "saa",
        "current location",
    ),
    "status": ("container status", "state of container"),
    "cas_numbers": (
        "cas", "cas no", "cas #", "cas#", "cas number", "cas rn", "casrn", "cas nos", "cas numbers", "casnumber",
    ),
    "waste_codes": (
        "waste code", "epa waste code", "epa waste codes", "epa codes", "epa code", "federal waste code",
        "federal waste codes", "rcra code", "rcra codes", "rcra waste code", "rcra waste codes",
    ),
    "state_waste_codes": ("state waste code", "state code", "state codes"),
    "generator_category": ("generator status", "generator size", "generator class", "site category"),
    "epa_id": ("epa id number", "epa id no", "epa id #", "epa number", "epa site id", "generator epa id"),
    "un_number": ("un", "un no", "un #", "un na", "un na number", "un id", "dot id", "dot id number", "id number"),
    "hazard_class": ("dot hazard class", "dot class", "un class", "un hazard class", "class", "transport class"),
    "packing_group": ("pg", "packaging group", "packing gp"),
    "hazard_codes": ("hazards", "hazard code", "h codes", "ghs codes", "hazard statements", "h statements", "ghs"),
    "physical_state": ("phase", "physical form", "state of matter"),
    "generator": (
        "generated by", "lab", "laboratory", "pi", "principal investigator", "owner", "department", "generator name",
    ),
    "accumulation_started_on": (
        "accumulation start date", "accumulation start", "accumulation date", "start date", "date started",
        "accumulation started", "asd", "waste start date", "first waste added",
    ),
    "received_on": ("received", "received date", "date received", "receipt date", "date acquired", "acquired"),
    "opened_on": ("opened", "date opened", "opened date", "open date"),
    "expires_on": ("expiration date", "expiration", "expiry", "expiry date", "expires", "exp date"),
    "disposed_on": ("disposed", "disposal date", "date disposed", "disposed date", "date shipped", "ship date"),
    "sds": ("sds link", "msds", "sds url", "safety data sheet", "msds link", "sds location"),
}  # fmt: skip


class EventRow(types.Contract):
    """One thing that happened to a container (W41). A mistake is corrected by an event of its own, never in place."""

    container_id: chemicals.ContainerId = Field(description="The container's number, as in the container list")
    event_seq: chemicals.EventSeq = Field(description="Which event of this container it is: 1, 2, 3, …")
    event_type: chemicals.EventType = Field(description=f"One of: {', '.join(chemicals.EVENT_TYPES)}")
    at: times.Timestamp = Field(description="When, as 2025-03-01 14:30, in the campus's own time or with -05:00 behind")
    to_place: types.Place = Field(description="Where the container is after it")
    from_place: types.OptionalPlace = Field(default=None, description="Where it was before")
    quantity: quantities.OptionalQuantity = Field(default=None, description="How much is in it after it, without unit")
    unit: Annotated[quantities.OptionalAmountUnit, quantities.together_with("quantity")] = Field(
        default=None, validate_default=True, description=f"One of: {', '.join(quantities.AMOUNT_UNITS)}"
    )
    seal_no: types.OptionalCode = Field(default=None, description="Number of the seal that is on it")
    condition: types.OptionalText = Field(default=None, description="What it looked like")
    manifest_tracking_number: chemicals.ManifestNumber = Field(
        default=None, description="Of the manifest it was shipped under: 123456789ELC"
    )
    signed_by: types.OptionalText = Field(default=None, description="Who vouches for it")


EVENT_SPELLINGS = {
    "container_id": CONTAINER_SPELLINGS["container_id"],
    "event_seq": (
        "event number", "event no", "event #", "event sequence", "sequence", "sequence number", "seq", "seq no", "step",
        "entry", "entry number", "entry no",
    ),
    "event_type": ("event", "action", "activity", "type", "what", "transaction type"),
    "at": (
        "when", "date and time", "date time", "datetime", "timestamp", "time", "date", "event date", "event time",
        "transferred at", "date time of transfer", "event datetime",
    ),
    "to_place": (
        "to", "to location", "moved to", "destination", "new location", "location", "place", "transferred to",
        "received at",
    ),
    "from_place": ("from", "from location", "moved from", "origin", "previous location", "old location", "source"),
    "quantity": ("qty", "amount", "volume", "weight"),
    "unit": ("units", "uom", "unit of measure", "quantity unit"),
    "seal_no": ("seal", "seal number", "seal #", "seal id"),
    "condition": ("container condition", "state", "remarks", "notes", "comments"),
    "manifest_tracking_number": ("manifest", "manifest number", "manifest no", "manifest #", "mtn"),
    "signed_by": (
        "signature", "signed", "by", "custodian", "received by", "relinquished to", "person", "operator", "initials",
    ),
}  # fmt: skip
