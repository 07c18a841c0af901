"""NIH RePORTER v2: one record for each application, that is for each year and supplement of an award.

RePORTER tells no day on which a record was changed, so each poll reads the newest fiscal years whole: 500 records a
page, a branch for each year. An offset above 14,999 is refused; of a year with more records the rest is read from the
other end, and one that has more than both ends reach is refused, never cut. Subprojects are left out: their amounts are
part of their parents'.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.federal import AWARD, FEED, Awards, list_at, number_at, page_of
from hub_pipelines.portals.model import Answer, Field, Garbled, Order, PageRead, Record, Rejected, Request
from hub_pipelines.portals.shapes import at
from hub_pipelines.portals.values import (
    TITLE,
    BadValue,
    amount_of,
    as_it_came,
    day_of,
    listing_number_of,
    text_of,
    uei_of,
)
from hub_pipelines.settings.portals import NihPortalSettings

PATH = "/v2/projects/search"
LIMIT = 500
REACH = 15_000
"""So many records of one query can be read from one end."""
_SORT = "appl_id"
_LONG = "a long text that no check reads"
_SPLIT = "stands in project_num"
ACCOUNT = Account(
    read=(
        Field("appl_id"),
        Field("core_project_num"),
        Field("project_num"),
        Field("fiscal_year"),
        Field("organization.org_name"),
        Field("organization.primary_uei", optional=True),
        Field("project_title"),
        Field("contact_pi_name"),
        Field("award_amount"),
        Field("agency_ic_fundings[].total_cost", optional=True),
        Field("agency_ic_admin.name", optional=True),
        Field("project_start_date"),
        Field("project_end_date"),
        Field("budget_start"),
        Field("budget_end"),
        Field("award_notice_date"),
        Field("cfda_code"),
        Field("is_active", ("bool",)),
    ),
    kept=(
        "subproject_id",
        "project_serial_num",
        "award_type",
        "activity_code",
        "agency_code",
        "direct_cost_amt",
        "indirect_cost_amt",
        "opportunity_number",
        "date_added",
        "organization.org_city",
        "organization.org_state",
    ),
    left={
        "abstract_text": _LONG,
        "phr_text": _LONG,
        "terms": _LONG,
        "pref_terms": _LONG,
        "spending_categories": "RePORTER's own classification",
        "spending_categories_desc": "RePORTER's own classification",
        "project_num_split": _SPLIT,
        "principal_investigators": "the contact among them is contact_pi_name",
        "program_officers": "people at NIH",
        "agency_ic_admin.code": "the agency's name is read",
        "agency_ic_admin.abbreviation": "the agency's name is read",
        "agency_ic_fundings[].fy": "the record's own fiscal year",
        "agency_ic_fundings[].code": "amounts are summed over all institutes",
        "agency_ic_fundings[].name": "amounts are summed over all institutes",
        "agency_ic_fundings[].abbreviation": "amounts are summed over all institutes",
        "agency_ic_fundings[].direct_cost_ic": "in direct_cost_amt",
        "agency_ic_fundings[].indirect_cost_ic": "in indirect_cost_amt",
        "full_study_section": "how it was reviewed",
        "funding_mechanism": "told by activity_code",
        "mechanism_code_dc": "told by activity_code",
        "is_new": "of RePORTER's last week only: it changes with every reading",
        "congress_dist": "a place of the institution",
        "geo_lat_lon": "a place of the institution",
        "organization_type": "the settings name the institution",
        **dict.fromkeys(
            (
                "organization.city",
                "organization.country",
                "organization.org_country",
                "organization.org_state_name",
                "organization.org_zipcode",
                "organization.fips_country_code",
                "organization.org_fips",
            ),
            "a place of the institution",
        ),
        **dict.fromkeys(
            (
                "organization.org_ueis",
                "organization.org_duns",
                "organization.primary_duns",
                "organization.org_ipf_code",
                "organization.external_org_id",
                "organization.dept_type",
            ),
            "name and UEI tell the institution",
        ),
        "covid_response": "told by the listing number",
        "arra_funded": "told by the listing number",
        "project_detail_url": "made of appl_id",
    },
    steady=("organization.primary_uei", "agency_ic_fundings[].total_cost", "agency_ic_admin.name"),
)
_INCLUDE = (
    "ApplId", "SubprojectId", "FiscalYear", "ProjectNum", "ProjectSerialNum", "Organization", "AwardType",
    "ActivityCode", "AwardAmount", "IsActive", "ContactPiName", "AgencyIcAdmin", "AgencyIcFundings",
    "ProjectStartDate", "ProjectEndDate", "OpportunityNumber", "AwardNoticeDate", "CoreProjectNum", "ProjectTitle",
    "AgencyCode", "BudgetStart", "BudgetEnd", "CfdaCode", "DirectCostAmt", "IndirectCostAmt", "DateAdded",
)  # fmt: skip
"""What is asked for. In a request names are written so and in its criteria with underscores, as in answers; a name that
is written otherwise is ignored without a word."""


@dataclass(frozen=True)
class NihAdapter(Awards[NihPortalSettings]):
    account = ACCOUNT

    @property
    def order(self) -> Order:
        return Order.STABLE  # by appl_id, which never changes

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:  # noqa: ARG002  # reads all
        newest = now.year + (now.month >= 10)  # the federal fiscal year begins in October
        years = range(newest - self.settings.fiscal_years + 1, newest + 1)
        names = list(self.institutions.names)
        return tuple(
            Request(
                self.settings.url + PATH,
                "POST",
                body={
                    "criteria": {"org_names": names, "fiscal_years": [year], "exclude_subprojects": True},
                    "include_fields": list(_INCLUDE),
                    "offset": 0,
                    "limit": LIMIT,
                    "sort_field": _SORT,
                    "sort_order": "asc",
                },
            )
            for year in years
        )

    def read(self, request: Request, answer: Answer) -> PageRead:
        document = answer.document()
        found = list_at(document, "results")
        total, offset = number_at(document, "meta.total"), number_at(document, "meta.offset")
        sorted_by = document["meta"].get("sort_field")
        body = dict(request.body or {})
        if offset != body["offset"]:
            raise Garbled(f"The answer begins at {offset} and was asked for from {body['offset']} on.")
        ends_at = offset + len(found)
        if len(found) < LIMIT and ends_at < total:
            raise Garbled(f"The page has {len(found)} records, and the query has {total - ends_at} more.")
        if total > 2 * REACH:
            years = body["criteria"]["fiscal_years"]
            raise Rejected(
                f"RePORTER has {total:,} records of fiscal year {years[0]} under these names, and lets {2 * REACH:,} "
                f"be read. Name fewer institutions in [portals.{self.name}], and others in a portal of its own."
            )
        return page_of(
            found,
            ACCOUNT,
            self._record,
            self.scopes[0],
            then=tuple(self._next(request, body, ends_at, total)),
            total=total,
            remarks=() if sorted_by == _SORT else (f"it sorts by {sorted_by} and was asked to by {_SORT}",),
        )

    @staticmethod
    def _next(request: Request, body: dict[str, Any], ends_at: int, total: int) -> Iterator[Request]:
        if body["sort_order"] == "asc":
            if ends_at < min(total, REACH):
                yield replace(request, body={**body, "offset": ends_at})
            elif total > REACH:
                yield replace(request, body={**body, "offset": 0, "sort_order": "desc"})
        elif ends_at < total - REACH:
            yield replace(request, body={**body, "offset": ends_at})

    def _record(self, raw: Mapping[str, Any]) -> Record | None:
        uei = uei_of(at(raw, "organization.primary_uei"))
        name = text_of(at(raw, "organization.org_name"))
        campus = self.campus_of(name, uei)
        if campus is None:
            return None
        appl_id = text_of(raw.get("appl_id"))
        award_id = text_of(raw.get("core_project_num")) or core_number(text_of(raw.get("project_num")))
        if appl_id is None or award_id is None:
            raise BadValue("appl_id or core_project_num", None, "number of a record")
        data = {
            "portal": "NIH",
            "record_id": appl_id,
            "award_id": award_id,
            "starts_on": day_of("project_start_date", raw.get("project_start_date")),
            "ends_on": day_of("project_end_date", raw.get("project_end_date")),
            **_amounts(raw),
            "budget_starts_on": day_of("budget_start", raw.get("budget_start")),
            "budget_ends_on": day_of("budget_end", raw.get("budget_end")),
            "noticed_on": day_of("award_notice_date", raw.get("award_notice_date")),
            "fiscal_year": text_of(raw.get("fiscal_year")),
            "sponsor": text_of(at(raw, "agency_ic_admin.name")) or "National Institutes of Health",
            "title": text_of(raw.get("project_title"), TITLE),
            "recipient": name,
            "recipient_uei": uei,
            "aln": listing_number_of(raw.get("cfda_code")),
            "pi_name": text_of(raw.get("contact_pi_name")),
            "status": _status(raw.get("is_active")),
            "project_num": text_of(raw.get("project_num")),
            **as_it_came(raw, "cfda_code", listing_number_of),
            **ACCOUNT.others(raw),
        }
        return Record(appl_id, Scope(campus, FEED), AWARD, data, raw)


def core_number(project_num: str | None) -> str | None:
    """`R01DE032063` of `1R15DE032063-01A1`: without the type of application in front, and the year behind."""
    found = re.fullmatch(r"\d?([A-Z][A-Z0-9]{2}[A-Z]{2}\d{6})(?:-.*)?", project_num or "", re.A)
    return found[1] if found else project_num


def _status(is_active: Any) -> str | None:
    if not isinstance(is_active, bool):
        return None
    return "active" if is_active else "ended"


def _amounts(raw: Mapping[str, Any]) -> dict[str, Any]:
    """`award_amount`, or where that is null the sum of what the institutes give; both where they differ."""
    told = amount_of("award_amount", raw.get("award_amount"))
    given_by = raw.get("agency_ic_fundings")
    parts = (
        [at(one, "total_cost") for one in given_by if isinstance(one, Mapping)] if isinstance(given_by, list) else []
    )
    cents = [amount_of("agency_ic_fundings[].total_cost", one) for one in parts]
    if not cents or None in cents:
        return {"obligated_amount": told}
    given = f"{sum(Decimal(str(one)) for one in cents):.2f}"
    return {"obligated_amount": told or given, **({"agency_ic_fundings": given} if told not in (None, given) else {})}
