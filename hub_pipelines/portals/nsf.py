"""NSF's award search: one record for each award.

It tells no day of change and no total: a branch for each year in which awards were made, of pages of 25, the first at
offset 1, until one is not full. All values are texts, days are mm/dd/yyyy, and what is missing has no member. A search
that failed comes as 200 with `serviceNotification`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.federal import AWARD, FEED, Awards, list_at, page_of
from hub_pipelines.portals.model import Answer, Failing, Field, Order, PageRead, Record, Rejected, Request
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
from hub_pipelines.settings.portals import NsfPortalSettings

PATH = "/services/v1/awards.json"
SIZE = 25
ACCOUNT = Account(
    read=(
        Field("id"),
        Field("title"),
        Field("awardeeName"),
        Field("ueiNumber", optional=True),
        Field("date", optional=True),
        Field("startDate", optional=True),
        Field("expDate", optional=True),
        Field("fundsObligatedAmt", optional=True),
        Field("estimatedTotalAmt", optional=True),
        Field("cfdaNumber", optional=True),
        Field("piFirstName", optional=True),
        Field("piMiddeInitial", optional=True),  # as NSF spells it
        Field("piLastName", optional=True),
    ),
    kept=("fundProgramName", "piEmail", "transType", "agency", "awardeeCity", "awardeeCounty", "awardeeStateCode"),
    left={"abstractText": "a long text that no check reads"},
    steady=("date", "startDate", "expDate", "fundsObligatedAmt", "cfdaNumber"),
)
_ASKED = (
    "id", "title", "awardeeName", "ueiNumber", "date", "startDate", "expDate", "fundsObligatedAmt", "estimatedTotalAmt",
    "cfdaNumber", "piFirstName", "piMiddeInitial", "piLastName", "piEmail", "fundProgramName", "transType", "agency",
    "awardeeCity", "awardeeStateCode",
)  # fmt: skip


@dataclass(frozen=True)
class NsfAdapter(Awards[NsfPortalSettings]):
    account = ACCOUNT

    @property
    def order(self) -> Order:
        return Order.MOVING  # nobody says by what it is sorted

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:  # noqa: ARG002  # reads all
        names = self.institutions.names
        years = range(now.year - self.settings.years + 1, now.year + 1)
        return tuple(self._first(name, year, is_last=year == now.year) for name in names for year in years)

    def _first(self, name: str, year: int, *, is_last: bool) -> Request:
        """The last year has no end: an award that is dated ahead belongs to it."""
        until = () if is_last else (("dateEnd", f"12/31/{year}"),)
        params = (
            ("awardeeName", f'"{name}"'),
            ("dateStart", f"01/01/{year}"),
            *until,
            ("printFields", ",".join(_ASKED)),
            ("rpp", str(SIZE)),
            ("offset", "1"),
        )
        return Request(self.settings.url + PATH, params=params)

    def read(self, request: Request, answer: Answer) -> PageRead:
        document = answer.document()
        _refuse_notification(document)
        found = list_at(document, "response.award")
        offset = int(dict(request.params)["offset"])
        more = len(found) >= SIZE
        params = (*(one for one in request.params if one[0] != "offset"), ("offset", str(offset + len(found))))
        then = (replace(request, params=params),) if more else ()
        return page_of(found, ACCOUNT, self._record, self.scopes[0], then=then)

    def _record(self, raw: Mapping[str, Any]) -> Record | None:
        name, uei = text_of(raw.get("awardeeName")), uei_of(raw.get("ueiNumber"))
        campus = self.campus_of(name, uei)
        if campus is None:
            return None
        number = text_of(raw.get("id"))
        if number is None:
            raise BadValue("id", None, "award's number")
        data = {
            "portal": "NSF",
            "record_id": number,
            "award_id": number,
            "starts_on": day_of("startDate", raw.get("startDate")),
            "ends_on": day_of("expDate", raw.get("expDate")),
            "obligated_amount": amount_of("fundsObligatedAmt", raw.get("fundsObligatedAmt")),
            "planned_amount": amount_of("estimatedTotalAmt", raw.get("estimatedTotalAmt")),
            "noticed_on": day_of("date", raw.get("date")),
            "sponsor": "National Science Foundation",
            "title": text_of(raw.get("title"), TITLE),
            "recipient": name,
            "recipient_uei": uei,
            "aln": listing_number_of(raw.get("cfdaNumber")),
            "pi_name": _person(raw),
            **as_it_came(raw, "cfdaNumber", listing_number_of),
            **ACCOUNT.others(raw),
        }
        return Record(number, Scope(campus, FEED), AWARD, data, raw)


def _person(raw: Mapping[str, Any]) -> str | None:
    last = text_of(raw.get("piLastName"))
    first = " ".join(filter(None, (text_of(raw.get("piFirstName")), text_of(raw.get("piMiddeInitial")))))
    return ", ".join(filter(None, (last, first))) or None


def _refuse_notification(document: Any) -> None:
    response = document.get("response") if isinstance(document, Mapping) else None
    told = response.get("serviceNotification") if isinstance(response, Mapping) else None
    if not told:
        return
    ones = told if isinstance(told, list) else [told]
    text = "; ".join(str(one.get("notificationMessage", one)) if isinstance(one, Mapping) else str(one) for one in ones)
    kinds = {str(one.get("notificationType", "")).upper() for one in ones if isinstance(one, Mapping)}
    if kinds <= {"ERROR"} and "param" in text.lower():
        raise Rejected(f"NSF does not take the search: {text[:200]}")
    raise Failing(f"NSF's search has failed: {text[:200]}")
