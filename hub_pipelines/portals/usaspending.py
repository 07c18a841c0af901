"""USAspending: grants and cooperative agreements of all agencies, one record for each award.

Asked by POST with a slash at the end of the address (without one, or by http, it redirects and a POST becomes a GET).
Sorted by the award's number, which never changes; each next page begins behind the last record of the one before, as
pages by number end at 10,000 records. Members of a record have blanks in their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.federal import AWARD, FEED, Awards, list_at, page_of
from hub_pipelines.portals.model import Answer, Field, Garbled, Order, PageRead, Record, Request
from hub_pipelines.portals.values import (
    TITLE,
    BadValue,
    amount_of,
    as_it_came,
    day_of,
    listing_number_of,
    moment_of_day,
    text_of,
    uei_of,
)
from hub_pipelines.settings.portals import UsaSpendingPortalSettings

PATH = "/api/v2/search/spending_by_award/"
LIMIT = 100
GRANTS = ["02", "03", "04", "05"]
"""Award types, of one group only: block, formula and project grants, cooperative agreements."""
FIRST_DAY = date(2007, 10, 1)
"""Of nothing before is anything told here."""
_PLACE = "a place of the institution or its project"
_RELIEF = "told by def_codes"
ACCOUNT = Account(
    read=(
        Field("generated_internal_id"),
        Field("Award ID"),
        Field("Recipient Name"),
        Field("Recipient UEI", optional=True),
        Field("Description"),
        Field("Start Date"),
        Field("End Date"),
        Field("Award Amount"),
        Field("Awarding Agency"),
        Field("Awarding Sub Agency"),
        Field("Base Obligation Date", optional=True),
        Field("Last Modified Date", optional=True),
        Field("CFDA Number", optional=True),
    ),
    kept=(
        "Award Type",
        "Funding Agency",
        "Funding Sub Agency",
        "Total Outlays",
        "SAI Number",
        "Assistance Listings",
        "def_codes",
    ),
    left={
        "internal_id": "USAspending's own, another one after each of its reloads",
        "recipient_id": "the UEI is read",
        "prime_award_recipient_id": "of subawards only",
        "Recipient DUNS Number": "replaced by the UEI in 2022",
        "Awarding Agency Code": "the agency's name is read",
        "Awarding Sub Agency Code": "the agency's name is read",
        "Funding Agency Code": "the agency's name is kept",
        "Funding Sub Agency Code": "the agency's name is kept",
        "awarding_agency_id": "the agency's name is read",
        "agency_slug": "the agency's name is read",
        "primary_assistance_listing": "the first one of Assistance Listings",
        "Recipient Location": _PLACE,
        "Primary Place of Performance": _PLACE,
        "COVID-19 Obligations": _RELIEF,
        "COVID-19 Outlays": _RELIEF,
        "Infrastructure Obligations": _RELIEF,
        "Infrastructure Outlays": _RELIEF,
    },
    steady=("Recipient UEI", "Last Modified Date", "Base Obligation Date", "CFDA Number"),
)
_ASKED = (
    "Award ID", "Recipient Name", "Recipient UEI", "Description", "Start Date", "End Date", "Award Amount",
    "Awarding Agency", "Awarding Sub Agency", "Funding Agency", "Funding Sub Agency", "Base Obligation Date",
    "Last Modified Date", "CFDA Number", "Award Type",
)  # fmt: skip


@dataclass(frozen=True)
class UsaSpendingAdapter(Awards[UsaSpendingPortalSettings]):
    account = ACCOUNT

    @property
    def order(self) -> Order:
        return Order.STABLE  # by the award's number

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:
        """By the last change where there is a last poll. The end must be named: it lies after the poll's own day."""
        told = self.settings.institutions.values()
        first = FIRST_DAY if since is None else max(since.date(), FIRST_DAY)
        period = {"start_date": first.isoformat(), "end_date": (now.date() + timedelta(days=2)).isoformat()}
        if since is not None:
            period["date_type"] = "last_modified_date"
        body = {
            "filters": {
                "award_type_codes": GRANTS,
                "recipient_search_text": [text for one in told for text in (one.ueis or one.names)],
                "time_period": [period],
            },
            "fields": list(_ASKED),
            "page": 1,
            "limit": LIMIT,
            "sort": "Award ID",
            "order": "asc",
            "subawards": False,
        }
        return (Request(self.settings.url + PATH, "POST", body=body),)

    def read(self, request: Request, answer: Answer) -> PageRead:
        document = answer.document()
        found = list_at(document, "results")
        paging = document.get("page_metadata")
        has_next = paging.get("hasNext") if isinstance(paging, Mapping) else None
        if not isinstance(paging, Mapping) or not isinstance(has_next, bool) or (has_next and not found):
            raise Garbled("The answer does not say whether there is a next page, or has one behind an empty one.")
        remarks = [text for one in document.get("messages") or () if (text := text_of(one))]
        then = (replace(request, body=_next(dict(request.body or {}), paging)),) if has_next else ()
        return page_of(found, ACCOUNT, self._record, self.scopes[0], then=then, remarks=remarks)

    def _record(self, raw: Mapping[str, Any]) -> Record | None:
        name, uei = text_of(raw.get("Recipient Name")), uei_of(raw.get("Recipient UEI"))
        campus = self.campus_of(name, uei)
        if campus is None:
            return None
        natural_id, award_id = text_of(raw.get("generated_internal_id")), text_of(raw.get("Award ID"))
        if natural_id is None or award_id is None:
            raise BadValue("generated_internal_id or Award ID", natural_id, "number of an award")
        data = {
            "portal": "USASPENDING",
            "record_id": natural_id,
            "award_id": award_id,
            "starts_on": day_of("Start Date", raw.get("Start Date")),
            "ends_on": day_of("End Date", raw.get("End Date")),
            "obligated_amount": amount_of("Award Amount", raw.get("Award Amount")),
            "noticed_on": day_of("Base Obligation Date", raw.get("Base Obligation Date")),
            "sponsor": text_of(raw.get("Awarding Sub Agency")) or text_of(raw.get("Awarding Agency")),
            "title": text_of(raw.get("Description"), TITLE),
            "recipient": name,
            "recipient_uei": uei,
            "aln": listing_number_of(raw.get("CFDA Number")),
            **as_it_came(raw, "CFDA Number", listing_number_of),
            **ACCOUNT.others(raw),
        }
        changed_at = moment_of_day("Last Modified Date", raw.get("Last Modified Date"))
        return Record(natural_id, Scope(campus, FEED), AWARD, data, raw, changed_at)


def _next(body: dict[str, Any], paging: Mapping[str, Any]) -> dict[str, Any]:
    """Behind the last record where the answer names it; behind the last of all it is null, and its value `None`."""
    following = {**body, "page": int(body["page"]) + 1}
    last = text_of(paging.get("last_record_unique_id"))
    if last is not None and last.isdecimal():
        following["last_record_unique_id"] = int(last)
        following["last_record_sort_value"] = paging.get("last_record_sort_value")
    return following
