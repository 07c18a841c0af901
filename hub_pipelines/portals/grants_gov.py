"""Grants.gov: opportunities with their milestones. A search lists them, and each one's own page has the days.

Searched are forecasted, posted and closed ones: a closed one stays in the list until it is archived, on a day that its
page tells beforehand. Nobody says how the list is sorted, but each of its pages tells how many there are: where that
stays the same and as many different ones were read, once is enough. Lists of codes are joined by `|`. An unknown number
comes as 200 with `errorMessages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.federal import FEED, Federal, list_at, number_at, page_of
from hub_pipelines.portals.model import Answer, Failing, Field, Garbled, Order, PageRead, Record, Request, Unread
from hub_pipelines.portals.values import (
    TEXT,
    BadValue,
    amount_of,
    day_of,
    listing_number_of,
    text_of,
)
from hub_pipelines.settings.portals import GrantsGovPortalSettings

SEARCH = "/v1/api/search2"
DETAIL = "/v1/api/fetchOpportunity"
ROWS = 100
OPPORTUNITY = "grants.opportunity"
_STATUSES = "forecasted|posted|closed"
_ZONES = {"EST": -5, "EDT": -4}
_CONTACT = "whom to ask; stands on the opportunity's page"
_LONG = "a long text that no check reads"
_AS_TEXT = "the same as the field without it"
_OFFER = ("synopsis", "forecast")
"""Where its particulars are: an opportunity that is only forecast has the second."""


def _of_offer(*names: str) -> tuple[str, ...]:
    return tuple(f"{offer}.{name}" for offer in _OFFER for name in names)


ACCOUNT = Account(
    read=(
        Field("id"),
        Field("opportunityNumber"),
        Field("opportunityTitle"),
        Field("owningAgencyCode", optional=True),
        Field("revision", optional=True),
        *(
            Field(path, optional=True)
            for path in _of_offer(
                "agencyName",
                "agencyCode",
                "postingDate",
                "responseDate",
                "estApplicationResponseDate",
                "archiveDate",
                "awardCeiling",
                "awardFloor",
                "estimatedFunding",
                "lastUpdatedDate",
                "version",
            )
        ),
    ),
    kept=(
        "cfdas",
        "alns",
        "opportunityCategory",
        "docType",
        "originalDueDate",
        *_of_offer("costSharing", "numberOfAwards", "responseDateDesc", "estSynopsisPostingDate", "estAwardDate"),
        *_of_offer("fundingDescLinkUrl"),
    ),
    left={
        "listed": "whether its page can be seen: it can",
        "flag2006": "of Grants.gov's own past",
        "publisherUid": "who typed it",
        "draftMode": "of its authors",
        "agencyDetails": "the agency's name is read",
        "topAgencyDetails": "the agency's name is read",
        "applicantTypes": "who may apply; stands on its page",
        "fundingInstruments": "stands on its page",
        "fundingActivityCategories": "stands on its page",
        "synopsisDocumentURLs": "documents, stand on its page",
        "synopsisAttachmentFolders": "documents, stand on its page",
        "synopsisAttChangeComments": "documents, stand on its page",
        "opportunityPkgs": "forms for applying",
        "closedOpportunityPkgs": "forms for applying",
        "opportunityHistoryDetails": "earlier versions: the hub's journal has those that it saw",
        "modifiedFields": "what differs from the version before, which the journal tells",
        "relatedOpps": "other opportunities",
        "errorMessages": "empty, or the page is refused",
        "originalDueDateDesc": _LONG,
        **dict.fromkeys(
            _of_offer(
                "agencyPhone",
                "agencyAddressDesc",
                "agencyContactName",
                "agencyContactDesc",
                "agencyContactPhone",
                "agencyContactEmail",
                "agencyContactEmailDesc",
                "sendEmail",
            ),
            _CONTACT,
        ),
        **dict.fromkeys(
            _of_offer("synopsisDesc", "forecastDesc", "applicantEligibilityDesc", "fundingDescLinkDesc"), _LONG
        ),
        **dict.fromkeys(
            _of_offer(
                "postingDateStr",
                "responseDateStr",
                "archiveDateStr",
                "createTimeStampStr",
                "awardCeilingFormatted",
                "awardFloorFormatted",
                "estimatedFundingFormatted",
            ),
            _AS_TEXT,
        ),
        **dict.fromkeys(
            _of_offer(
                "opportunityId",
                "agencyDetails",
                "topAgencyDetails",
                "createTimeStamp",
                "createdDate",
                "modComments",
                "applicantTypes",
                "fundingInstruments",
                "fundingActivityCategories",
            ),
            "stands on its page",
        ),
    },
    steady=_of_offer("postingDate", "archiveDate", "agencyName"),
)


@dataclass(frozen=True, slots=True)
class GrantsGovAdapter(Federal[GrantsGovPortalSettings]):
    account = ACCOUNT

    @property
    def order(self) -> Order:
        return Order.MOVING

    @property
    def scopes(self) -> tuple[tuple[Scope, str], ...]:
        return ((Scope(self.settings.campus, FEED), OPPORTUNITY),)

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:  # noqa: ARG002  # the list is read whole
        body = {
            "agencies": "|".join(self.settings.agencies),
            "oppStatuses": _STATUSES,
            "rows": ROWS,
            "startRecordNum": 0,
        }
        return (Request(self.settings.url + SEARCH, "POST", body=body),)

    def read(self, request: Request, answer: Answer) -> PageRead:
        document = answer.document()
        if not isinstance(document, Mapping) or document.get("errorcode") != "0":
            told = document.get("msg") if isinstance(document, Mapping) else None
            raise Failing(f"Grants.gov says that it has failed: {str(told)[:200]}")
        if request.url.endswith(SEARCH):
            return self._listed(request, document)
        return self._detailed(request, document.get("data"))

    def _listed(self, request: Request, document: Mapping[str, Any]) -> PageRead:
        """What a search finds: each one's page is asked for, then the next of the list."""
        hits = list_at(document, "data.oppHits")
        total, start = number_at(document, "data.hitCount"), number_at(document, "data.startRecord")
        body = dict(request.body or {})
        if start != body["startRecordNum"]:
            raise Garbled(f"The answer begins at {start} and was asked for from {body['startRecordNum']} on.")
        ends_at = start + len(hits)
        if not hits and start < total:
            raise Garbled(f"The page is empty, and the search has {total - start} more.")
        unread = tuple(
            Unread(one, "It has no number (id), by which its page can be asked for.", *self.scopes[0])
            for one in hits
            if _number(one) is None
        )
        pages = [self._page(number) for one in hits if (number := _number(one)) is not None]
        if ends_at < total:
            pages.append(replace(request, body={**body, "startRecordNum": ends_at}))
        return PageRead((), tuple(pages), unread, total)

    def _page(self, number: str) -> Request:
        return Request(self.settings.url + DETAIL, "POST", body={"opportunityId": int(number)})

    def _detailed(self, request: Request, data: Any) -> PageRead:
        if not isinstance(data, Mapping):
            raise Garbled("There is no opportunity in the answer.")
        if data.get("errorMessages") and "id" not in data:
            number = dict(request.body or {})["opportunityId"]
            told = f"{number} was in the list and has no page: {data['errorMessages']}"
            return PageRead((), remarks=(told,), others=1, is_detail=True)
        return page_of([data], ACCOUNT, self._record, self.scopes[0], is_detail=True)

    def _record(self, raw: Mapping[str, Any]) -> Record:
        number, called = text_of(raw.get("id")), text_of(raw.get("opportunityNumber"))
        title = text_of(raw.get("opportunityTitle"), TEXT)
        if number is None or called is None or title is None:
            raise BadValue("id, opportunityNumber or opportunityTitle", number, "opportunity")
        kind = next((one for one in _OFFER if isinstance(raw.get(one), Mapping)), None)
        if kind is None:
            raise BadValue("synopsis", raw.get("synopsis"), "particulars of an opportunity")
        offer: Mapping[str, Any] = raw[kind]
        data = {
            "opportunity_id": number,
            "opportunity_number": called,
            "title": title,
            "posted_on": day_of("postingDate", offer.get("postingDate")),
            "closes_on": day_of("responseDate", offer.get("responseDate") or offer.get("estApplicationResponseDate")),
            "archives_on": day_of("archiveDate", offer.get("archiveDate")),
            "status": "forecasted" if kind == "forecast" else "posted",
            "agency_code": text_of(raw.get("owningAgencyCode") or offer.get("agencyCode")),
            "agency": text_of(offer.get("agencyName")),
            "aln": listing_number_of(_first_listing(raw)),
            "award_ceiling": _limit("awardCeiling", offer),
            "award_floor": _limit("awardFloor", offer),
            "funding": _limit("estimatedFunding", offer),
            "version": text_of(offer.get("version") or raw.get("revision")),
            **ACCOUNT.others(raw),
        }
        scope, record_type = self.scopes[0]
        return Record(number, scope, record_type, data, raw, _moment(offer.get("lastUpdatedDate")))


def _number(hit: Any) -> str | None:
    number = text_of(hit.get("id")) if isinstance(hit, Mapping) else None
    return number if number is not None and number.isdecimal() else None


def _first_listing(raw: Mapping[str, Any]) -> str | None:
    for name, number in (("cfdas", "cfdaNumber"), ("alns", "alnNumber")):
        listed = raw.get(name)
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, Mapping) and (found := text_of(one.get(number))):
                return found
    return None


def _limit(field: str, offer: Mapping[str, Any]) -> str | None:
    """An amount, or the word `none`."""
    text = text_of(offer.get(field))
    return None if text is None or text.lower() == "none" else amount_of(field, text)


def _moment(value: Any) -> datetime | None:
    """Of `Oct 19, 2023 04:11:09 PM EDT`; None where it is missing or in another zone than Washington's."""
    text = text_of(value)
    if text is None or text[-3:] not in _ZONES:
        return None
    try:
        local = datetime.strptime(text[:-4], "%b %d, %Y %I:%M:%S %p")  # its zone is named behind it
    except ValueError:
        return None
    return local.replace(tzinfo=timezone(timedelta(hours=_ZONES[text[-3:]]))).astimezone(UTC)
