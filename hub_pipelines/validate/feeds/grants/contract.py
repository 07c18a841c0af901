"""What one row of a grants file must hold: of a list of awards, of what was spent on them, and what portals tell of
awards and of funding opportunities.

Belongs here: the columns, their meaning and their other spellings. Not here: how a value is checked, and whether a cost
is allowable (2 CFR 200).
"""

from typing import Annotated

from pydantic import Field

from hub_pipelines.validate.feeds import money, times, types


class AwardRow(types.Contract):
    """One award, as it stands now. What is taken back from it (a deobligation) makes its amount negative (G38)."""

    award_id: money.AwardId = Field(description="The university's or the sponsor's number of the award")
    starts_on: times.DateText = Field(description="First day of the period of performance, as YYYY-MM-DD")
    obligated_amount: money.Amount = Field(description="Obligated so far, in US dollars; deobligations are negative")
    ends_on: Annotated[times.OptionalDate, times.not_before("starts_on")] = Field(
        default=None, description="Last day of the period of performance, as YYYY-MM-DD"
    )
    sponsor: types.OptionalText = Field(default=None, description="Who awards it: the agency or foundation")
    title: types.LongText = Field(default=None, description="What it is for, up to 4,000 characters")
    fain: money.Fain = Field(default=None, description="Federal Award Identification Number, such as R01CA123456")
    aln: money.Aln = Field(default=None, description="Assistance Listing Number (CFDA), such as 93.310")
    pi_name: types.OptionalText = Field(default=None, description="The principal investigator")
    pi_email: types.OptionalEmail = Field(default=None, description="The principal investigator's e-mail address")
    idc_rate: money.Percent = Field(default=None, description="Rate of indirect cost, such as 53.5%")
    status: types.OptionalText = Field(default=None, description="What state it is in, in the office's own words")
    final_report_on: Annotated[times.OptionalDate, times.not_before("starts_on")] = Field(
        default=None, description="The day its final financial report was submitted, as YYYY-MM-DD"
    )


AWARD_SPELLINGS = {
    "award_id": (
        "award", "award number", "award no", "award #", "grant", "grant id", "grant number", "grant no", "grant #",
        "project number", "project no", "project id", "project num", "id",
    ),
    "sponsor": (
        "agency", "awarding agency", "sponsor name", "funding agency", "funder", "agency name", "federal agency",
        "funding source", "federal awarding agency",
    ),
    "starts_on": (
        "start", "start date", "starts", "project start", "project start date", "begin date", "award start date",
        "period of performance start", "period of performance start date", "pop start", "startdate",
        "periodofperformancestartdate",
    ),
    "obligated_amount": (
        "obligated", "obligation", "obligations", "obligated to date", "total obligation", "total obligated",
        "obligated total", "award amount", "amount awarded", "awarded amount", "amount obligated", "funds obligated",
        "amount", "fundsobligatedamt", "federal obligation", "federalactionobligation",
    ),
    "ends_on": (
        "end", "end date", "ends", "project end", "project end date", "award end date", "expiration date", "exp date",
        "period of performance end", "period of performance end date", "pop end", "expdate",
        "periodofperformancecurrentenddate",
    ),
    "title": ("award title", "project title", "description", "award description", "awarddescription"),
    "fain": ("federal award id", "federal award identification number", "federal award number", "sponsor award number"),
    "aln": (
        "cfda", "cfda number", "cfda no", "cfda #", "assistance listing", "assistance listing number", "aln cfda",
        "cfdanumber", "cfda code", "assistancelistingnumber",
    ),
    "pi_name": ("pi", "principal investigator", "investigator", "contact pi", "contact pi name", "project director"),
    "pi_email": ("principal investigator email", "investigator email", "pi e-mail", "piemail"),
    "idc_rate": ("indirect cost rate", "indirect rate", "f a rate", "f&a rate", "fa rate", "idc", "overhead rate"),
    "status": ("award status", "project status"),
    "final_report_on": (
        "final report", "final report date", "final financial report", "final financial report date", "final ffr",
        "final ffr date", "final ffr submitted", "final sf-425", "final sf-425 date",
    ),
}  # fmt: skip


class ExpenditureRow(types.Contract):
    """One line of an award's ledger, signed: credits and transfers away are negative (what G01 to G14 read)."""

    transaction_id: money.TransactionId = Field(description="The accounting system's number of the line")
    award_id: money.AwardId = Field(description="The award's number, as in the award list")
    amount: money.Amount = Field(description="With at most 2 decimals; credits are negative, also as (123.45)")
    posted_on: times.DateText = Field(description="The day it was posted, as YYYY-MM-DD")
    currency: money.Currency = Field(default="USD", description="Code of the amount's currency; USD when left out")
    incurred_on: times.OptionalDate = Field(default=None, description="The day of the service or delivery")
    account: types.OptionalCode = Field(default=None, description="The natural account or expenditure type")
    description: types.LongText = Field(default=None, description="What was bought, up to 4,000 characters")
    vendor: types.OptionalText = Field(default=None, description="Who was paid")
    vendor_uei: money.Uei = Field(default=None, description="The vendor's Unique Entity ID of SAM.gov, 12 characters")
    invoice_number: types.OptionalCode = Field(default=None, description="Number of the vendor's invoice")
    po_number: types.OptionalPoNumber = Field(default=None, description="Number of the purchase order")
    document_reference: types.OptionalText = Field(default=None, description="Where the source document is")
    budget_starts_on: times.OptionalDate = Field(default=None, description="First day of its budget period")
    budget_ends_on: Annotated[times.OptionalDate, times.not_before("budget_starts_on")] = Field(
        default=None, description="Last day of its budget period"
    )


EXPENDITURE_SPELLINGS = {
    "transaction_id": (
        "transaction", "transaction number", "transaction no", "transaction #", "txn id", "txn", "trans id",
        "transaction line", "journal line", "journal line id", "journal id", "expenditure item id", "line id",
        "identifier", "id",
    ),
    "award_id": AWARD_SPELLINGS["award_id"][:-1],
    "amount": (
        "expenditure amount", "transaction amount", "trans amount", "amount usd", "expense amount", "cost", "total",
        "monetary amount", "actual amount", "expenditure",
    ),
    "posted_on": (
        "posted", "posting date", "post date", "date posted", "gl date", "accounting date", "journal date",
        "transaction date",
    ),
    "currency": ("currency code", "curr"),
    "incurred_on": (
        "incurred", "date incurred", "incurred date", "service date", "date of service", "expenditure item date",
        "trans date", "delivery date",
    ),
    "account": (
        "account code", "account number", "account no", "natural account", "gl account", "expenditure type",
        "object code", "object", "expense type", "cost category",
    ),
    "description": (
        "line description", "item description", "expense description", "transaction description", "purpose", "memo",
    ),
    "vendor": ("supplier", "vendor name", "supplier name", "payee", "merchant", "merchant name"),
    "vendor_uei": ("uei", "supplier uei", "unique entity id", "uei sam"),
    "invoice_number": ("invoice", "invoice no", "invoice #", "invoice id", "supplier invoice number"),
    "po_number": ("po", "po no", "po #", "purchase order", "purchase order number"),
    "document_reference": (
        "document", "document id", "document number", "doc ref", "doc refs", "receipt", "attachment", "reference",
        "source document", "document references",
    ),
    "budget_starts_on": ("budget period start", "budget start", "budget start date", "budget period begin"),
    "budget_ends_on": ("budget period end", "budget end", "budget end date"),
}  # fmt: skip


class SponsorAwardRow(types.Contract):
    """What a sponsor's portal says of an award in one of its records; the office's own list stays beside it (0068).

    NIH has a record for each fiscal year and supplement, so that an award's amount there is the sum of its records.
    """

    portal: money.PortalName = Field(description="The portal that says so: NIH, NSF, USASPENDING")
    record_id: money.PortalRecordId = Field(description="The portal's own number of its record")
    award_id: money.AwardId = Field(description="The sponsor's number of the award: the FAIN where it is a federal one")
    starts_on: times.OptionalDate = Field(default=None, description="First day of the period of performance")
    ends_on: times.OptionalDate = Field(default=None, description="Last day of the period of performance")
    obligated_amount: money.OptionalAmount = Field(
        default=None, description="Obligated by this record, in US dollars; negative where funds were taken back"
    )
    planned_amount: money.OptionalAmount = Field(default=None, description="What the award is planned to come to")
    budget_starts_on: times.OptionalDate = Field(default=None, description="First day of the budget period")
    budget_ends_on: times.OptionalDate = Field(default=None, description="Last day of the budget period")
    noticed_on: times.OptionalDate = Field(default=None, description="Day of the award notice")
    fiscal_year: types.OptionalCode = Field(default=None, description="The sponsor's fiscal year of this record")
    sponsor: types.OptionalText = Field(default=None, description="Who awards it")
    title: types.LongText = Field(default=None, description="What it is for, up to 4,000 characters")
    recipient: types.OptionalText = Field(default=None, description="Who has it, in the portal's spelling")
    recipient_uei: money.Uei = Field(default=None, description="The recipient's Unique Entity ID of SAM.gov")
    aln: money.Aln = Field(default=None, description="Assistance Listing Number (CFDA), such as 93.310")
    pi_name: types.OptionalText = Field(default=None, description="The principal investigator")
    status: types.OptionalText = Field(default=None, description="What state it is in, in the portal's words")


class OpportunityRow(types.Contract):
    """A funding opportunity with its milestones, as the portal tells it now."""

    opportunity_id: money.PortalRecordId = Field(description="The portal's own number of the opportunity")
    opportunity_number: money.AwardId = Field(description="The agency's number of it, such as PAR-24-075")
    title: types.ItemName = Field(description="What it is called, up to 500 characters")
    posted_on: times.OptionalDate = Field(default=None, description="Day it was posted")
    closes_on: times.OptionalDate = Field(default=None, description="Last day for applications, if one is set")
    archives_on: times.OptionalDate = Field(default=None, description="Day it is archived")
    status: types.OptionalText = Field(default=None, description="posted or forecasted")
    agency_code: types.OptionalCode = Field(default=None, description="Code of the agency, such as HHS-NIH11")
    agency: types.OptionalText = Field(default=None, description="The agency's name")
    aln: money.Aln = Field(default=None, description="Its first Assistance Listing Number (CFDA)")
    award_ceiling: money.OptionalUnitCost = Field(default=None, description="The most that one award may be")
    award_floor: money.OptionalUnitCost = Field(default=None, description="The least that one award may be")
    funding: money.OptionalUnitCost = Field(default=None, description="All that is to be awarded, as estimated")
    version: types.OptionalCode = Field(default=None, description="The portal's number of this version")


class RegistrationRow(types.Contract):
    """An institution's registration at SAM.gov, without which it has no active award (2 CFR 25.200)."""

    record_id: money.PortalRecordId = Field(description="The UEI, with the EFT indicator behind it where it has one")
    uei: money.EntityUei = Field(description="The institution's Unique Entity ID of SAM.gov")
    legal_name: types.OptionalText = Field(default=None, description="What it is called there")
    registration_status: types.OptionalText = Field(default=None, description="In SAM.gov's words: Active, Expired, …")
    standing: types.OptionalText = Field(
        default=None, description="As of the reading: in force, expires within 60 days, expired or not active"
    )
    registered_on: times.OptionalDate = Field(default=None, description="Day of the first registration")
    expires_on: times.OptionalDate = Field(default=None, description="Last day on which it is in force")
    excluded: types.OptionalText = Field(
        default=None, description="yes where it is excluded from federal awards, or no"
    )
    cage_code: types.OptionalCode = Field(default=None, description="Its CAGE code")
    purpose: types.OptionalText = Field(default=None, description="What it is registered for")
