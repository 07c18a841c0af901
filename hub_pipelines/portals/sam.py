"""SAM.gov's Entity Management v3: the registrations of the hub's institutions.

One request for each UEI, with the key in a header; ten records a page, the first of number 0. A UEI has one
registration, or one for each of its EFT indicators. Calls are few (ten a day without a role, over all of SAM.gov), so
what was read to its end on a day is not asked for again on that day (UTC, by which SAM.gov counts): a poll is empty.

A registration says until when it is in force, and its status may lag behind that: the standing goes by both, as of the
day of the reading. It moves with the days though SAM.gov says the same, and that is what people must hear of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.federal import FEED, Federal, list_at, number_at, page_of
from hub_pipelines.portals.institutions import Institutions
from hub_pipelines.portals.model import Answer, Field, Garbled, Order, PageRead, Record, Request
from hub_pipelines.portals.shapes import at
from hub_pipelines.portals.values import BadValue, day_of, moment_of_day, text_of, uei_of
from hub_pipelines.settings.portals import SamPortalSettings
from hub_pipelines.validate.feeds.grants.news import EXPIRED, EXPIRES_SOON, IN_FORCE, NOT_ACTIVE

PATH = "/entity-information/v3/entities"
SIZE = 10
REACH = 10_000
"""No more records of one query can be read."""
REGISTRATION = "grants.registration"
SOON = timedelta(days=60)
_WASHINGTON = ZoneInfo("America/New_York")
"""Whose days a registration's last one is of."""
_SECTION = "entityRegistration"
_NOT_ASKED = "a section that is not asked for"
_OTHERS = "whether it is a registrant: it is, or is not told"


def _of(*names: str) -> tuple[str, ...]:
    return tuple(f"{_SECTION}.{name}" for name in names)


ACCOUNT = Account(
    read=(
        Field(f"{_SECTION}.ueiSAM"),
        Field(f"{_SECTION}.legalBusinessName"),
        Field(f"{_SECTION}.registrationStatus"),
        Field(f"{_SECTION}.registrationExpirationDate"),
        Field(f"{_SECTION}.exclusionStatusFlag"),
        Field(f"{_SECTION}.registrationDate", optional=True),
        Field(f"{_SECTION}.entityEFTIndicator", optional=True),
        Field(f"{_SECTION}.cageCode", optional=True),
        Field(f"{_SECTION}.purposeOfRegistrationDesc", optional=True),
        Field(f"{_SECTION}.lastUpdateDate", optional=True),
    ),
    kept=_of(
        "dbaName", "activationDate", "ueiStatus", "ueiCreationDate", "ueiExpirationDate", "publicDisplayFlag",
        "exclusionURL",
    ),
    left={
        **dict.fromkeys(("coreData", "assertions", "repsAndCerts", "pointsOfContact"), _NOT_ASKED),
        **dict.fromkeys(_of("samRegistered"), _OTHERS),
        **dict.fromkeys(_of("purposeOfRegistrationCode"), "its description is read"),
        **dict.fromkeys(_of("dodaac", "evsSource", "dnbOpenData"), "of SAM.gov's own checks"),
    },
    steady=_of("registrationDate", "cageCode", "lastUpdateDate"),
)  # fmt: skip


@dataclass(frozen=True)
class SamAdapter(Federal[SamPortalSettings]):
    account = ACCOUNT

    @property
    def scopes(self) -> tuple[tuple[Scope, str], ...]:
        return tuple((Scope(campus, FEED), REGISTRATION) for campus in self.settings.institutions)

    @property
    def order(self) -> Order:
        return Order.STABLE  # a UEI's own records

    @cached_property
    def institutions(self) -> Institutions:
        return Institutions.of(self.settings.institutions)

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:
        """Nothing on a day on which all was read."""
        if since is not None and since.date() == now.date():
            return ()
        return tuple(self._page(uei) for uei in self.institutions.by_uei)

    def _page(self, uei: str) -> Request:
        params = (("ueiSAM", uei), ("includeSections", _SECTION), ("size", str(SIZE)), ("page", "0"))
        return Request(self.settings.url + PATH, params=params)

    def read(self, request: Request, answer: Answer) -> PageRead:
        document = answer.document()
        found, total = list_at(document, "entityData"), number_at(document, "totalRecords")
        params = dict(request.params)
        page = int(params["page"])
        if not found and page * SIZE < min(total, REACH):
            raise Garbled(f"Page {page} is empty, and the query has {total:,} records.")
        more = (page + 1) * SIZE < min(total, REACH)
        then = (replace(request, params=(*request.params[:-1], ("page", str(page + 1)))),) if more else ()
        remarks = () if total else (f"it knows no registration of {params['ueiSAM']}",)
        day = answer.read_at.astimezone(_WASHINGTON).date()
        return page_of(
            found,
            ACCOUNT,
            lambda raw: self._record(raw, day),
            self.scopes[0],
            then=then,
            total=total,
            remarks=remarks,
        )

    def _record(self, raw: Mapping[str, Any], day: date) -> Record | None:
        told = at(raw, _SECTION)
        uei = uei_of(at(told, "ueiSAM"))
        if uei is None:
            raise BadValue("ueiSAM", at(told, "ueiSAM"), "UEI")
        campus = self.institutions.by_uei.get(uei)
        if campus is None:
            return None
        indicator = text_of(told.get("entityEFTIndicator"))
        natural_id = f"{uei}/{indicator}" if indicator else uei
        status = text_of(told.get("registrationStatus"))
        expires_on = day_of("registrationExpirationDate", told.get("registrationExpirationDate"))
        data = {
            "record_id": natural_id,
            "uei": uei,
            "legal_name": text_of(told.get("legalBusinessName")),
            "registration_status": status,
            "standing": standing_of(status, expires_on, day),
            "registered_on": day_of("registrationDate", told.get("registrationDate")),
            "expires_on": expires_on,
            "excluded": _excluded(told.get("exclusionStatusFlag")),
            "cage_code": text_of(told.get("cageCode")),
            "purpose": text_of(told.get("purposeOfRegistrationDesc")),
            **ACCOUNT.others(raw),
        }
        changed_at = moment_of_day("lastUpdateDate", told.get("lastUpdateDate"))
        return Record(natural_id, Scope(campus, FEED), REGISTRATION, data, raw, changed_at)


def standing_of(status: str | None, expires_on: str | None, day: date) -> str | None:
    """By the date and by the status: a registration that has expired may be called active for a while."""
    last = date.fromisoformat(expires_on) if expires_on else None
    if last is not None and last < day:
        return EXPIRED
    if status is not None and status.casefold() != "active":
        return NOT_ACTIVE
    if last is None:
        return None
    return EXPIRES_SOON if last - day <= SOON else IN_FORCE


def _excluded(flag: Any) -> str | None:
    """`Y`, and `D` of earlier versions, are an exclusion; `N` is none."""
    text = text_of(flag)
    if text is None:
        return None
    if text not in ("Y", "D", "N"):
        raise BadValue("exclusionStatusFlag", text, "Y or N")
    return "no" if text == "N" else "yes"
