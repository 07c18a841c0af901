"""Earlier versions of the contracts of hazardous materials: postings made under them are reproduced by them.

Belongs here: what is no longer in force, unchanged. Not here: what is (contract.py), and the spellings.
"""

from typing import Annotated

from pydantic import Field

from hub_pipelines.validate.feeds import chemicals, quantities, times, types
from hub_pipelines.validate.feeds import former as values


class ContainerRow1(types.Contract):
    """One container, as it is now. Nobody guesses its number: a list of chemicals without one is no container list."""

    container_id: chemicals.ContainerId = Field(description="The container's own number or barcode, as on its label")
    contents: types.ItemName = Field(description="What is in it, up to 500 characters")
    quantity: quantities.Quantity = Field(description="How much is in it, as a plain number without the unit")
    unit: values.AmountUnit1 = Field(description=f"One of: {', '.join(quantities.AMOUNT_UNITS)}")
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
    hazard_codes: values.HazardCodes1 = Field(default=None, description="GHS hazard codes, such as H225; H319")
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
    expires_on: times.OptionalDate = Field(default=None, description="The last day of use, as YYYY-MM-DD")
    disposed_on: Annotated[
        times.OptionalDate,
        times.not_before("accumulation_started_on"),
        times.not_before("received_on"),
        times.not_before("opened_on"),
    ] = Field(default=None, description="The day it was disposed of or shipped away, as YYYY-MM-DD")
    sds: types.OptionalText = Field(default=None, description="Where its safety data sheet is: a link or a place")


class EventRow1(types.Contract):
    """One thing that happened to a container (W41). A mistake is corrected by an event of its own, never in place."""

    container_id: chemicals.ContainerId = Field(description="The container's number, as in the container list")
    event_seq: chemicals.EventSeq = Field(description="Which event of this container it is: 1, 2, 3, …")
    event_type: chemicals.EventType = Field(description=f"One of: {', '.join(chemicals.EVENT_TYPES)}")
    at: times.Timestamp = Field(description="When, as 2025-03-01 14:30, in the campus's own time or with -05:00 behind")
    to_place: types.Place = Field(description="Where the container is after it")
    from_place: types.OptionalPlace = Field(default=None, description="Where it was before")
    quantity: quantities.OptionalQuantity = Field(default=None, description="How much is in it after it, without unit")
    unit: Annotated[values.OptionalAmountUnit1, quantities.together_with("quantity")] = Field(
        default=None, validate_default=True, description=f"One of: {', '.join(quantities.AMOUNT_UNITS)}"
    )
    seal_no: types.OptionalCode = Field(default=None, description="Number of the seal that is on it")
    condition: types.OptionalText = Field(default=None, description="What it looked like")
    manifest_tracking_number: chemicals.ManifestNumber = Field(
        default=None, description="Of the manifest it was shipped under: 123456789ELC"
    )
    signed_by: types.OptionalText = Field(default=None, description="Who vouches for it")
