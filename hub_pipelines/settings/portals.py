"""What `[portals.…]` may say, by the kind of portal.

Belongs here: names, defaults, units and error texts. Not here: the other settings (sections), asking portals
(hub_pipelines/portals).
"""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from hub_pipelines.settings.strict import FirstDay, Names, Strict

_LOCAL = ("127.0.0.1", "localhost", "::1")


def _require_web_address(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no web address; write one like https://erp.example.edu/api/orders")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise ValueError(f"{url!r}: use https, or keys and records can be read on their way")
    if parts.username or parts.password:
        raise ValueError("write no user or password into an address; use `auth`")
    return url


class PortalSettings(Strict):
    """What every portal has; each kind adds its own."""

    url: str
    every_s: float = Field(default=3_600.0, ge=1, le=30 * 86_400)
    overlap_h: float = Field(default=48.0, ge=0, le=24 * 366)
    first_day: FirstDay | None = None
    interval_s: float = Field(default=1.0, ge=0, le=3_600)
    attempts: int = Field(default=5, ge=1, le=20)
    timeout_s: float = Field(default=30.0, ge=1, le=600)


class PortalAuth(Strict):
    """Where the key is: the name of an environment variable, or a file. Never the key itself."""

    kind: Literal["bearer", "header", "basic"]
    env: str = ""
    file: str = ""
    header: str = ""
    user: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "PortalAuth":
        if bool(self.env) == bool(self.file):
            raise ValueError("name either `env`, an environment variable, or `file`, that holds the key")
        for name, of in (("header", "header"), ("user", "basic")):
            if bool(getattr(self, name)) != (self.kind == of):
                raise ValueError(f'`{name}` belongs to kind = "{of}", which needs it')
        return self


class PortalPaging(Strict):
    """How the portal's pages follow each other. `next`: where in an answer the cursor or the next address is."""

    style: Literal["single", "page", "offset", "cursor", "next_link", "link_header"]
    param: str = ""
    size_param: str = ""
    size: int = Field(default=100, ge=1, le=10_000)
    first: int = Field(default=1, ge=0, le=1)
    next: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "PortalPaging":
        needs = {"page": "param", "offset": "param", "cursor": "param next", "next_link": "next"}.get(self.style, "")
        for name in needs.split():
            if not getattr(self, name):
                raise ValueError(f'style = "{self.style}" needs `{name}`')
        return self


class PortalSince(Strict):
    """The parameter that asks for what was changed since then, and how its value is written."""

    param: str = Field(min_length=1)
    written: Literal["datetime", "date"] = "datetime"


class RestPortalSettings(PortalSettings):
    """A portal that answers GET with JSON, told by settings alone. Paths have dots between names: `po.number`."""

    kind: Literal["rest"]
    params: dict[str, str] = Field(default_factory=dict)
    auth: PortalAuth | None = None
    paging: PortalPaging = PortalPaging(style="single")
    since: PortalSince | None = None
    order: Literal["stable", "moving"] = "moving"
    records: str = ""
    total: str = ""
    natural_id: Names = Field(min_length=1)
    updated: str = ""
    record_type: str
    campus: str = ""
    campus_field: str = ""
    campus_values: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, str] = Field(min_length=1)
    optional: Names = Field(default_factory=list)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return _require_web_address(url)

    @field_validator("natural_id", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> "RestPortalSettings":
        if bool(self.campus) == bool(self.campus_field):
            raise ValueError("name either `campus`, whose the records are, or `campus_field`, where a record tells it")
        unknown = sorted(set(self.optional) - {*self.fields.values(), self.updated})
        if unknown:
            raise ValueError(f"`optional` names {', '.join(unknown)}, which `fields` and `updated` do not read")
        return self


class InstitutionSettings(Strict):
    """How a campus's institution is called at portals: each spelling, and its UEIs."""

    names: list[str] = Field(min_length=1)
    ueis: list[str] = Field(default_factory=list)

    @field_validator("ueis")
    @classmethod
    def _written(cls, ueis: list[str]) -> list[str]:
        for uei in ueis:
            if not re.fullmatch(r"[A-HJ-NP-Z1-9][A-HJ-NP-Z0-9]{11}", uei):
                raise ValueError(f"{uei!r} is no UEI: 12 capital letters and digits, without O and I")
        return ueis


class FederalPortalSettings(PortalSettings):
    """A portal of the federal government, whose address is known and whose key nobody needs."""

    every_s: float = Field(default=86_400.0, ge=1, le=30 * 86_400)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return _require_web_address(url).rstrip("/")


class AwardPortalSettings(FederalPortalSettings):
    """A portal of awards. `institutions` by campus: only their awards are taken."""

    institutions: dict[str, InstitutionSettings] = Field(min_length=1)

    @field_validator("institutions")
    @classmethod
    def _each_once(cls, found: dict[str, InstitutionSettings]) -> dict[str, InstitutionSettings]:
        told = [text.casefold() for one in found.values() for text in (*one.names, *one.ueis)]
        if twice := sorted({text for text in told if told.count(text) > 1}):
            raise ValueError(f"{', '.join(twice)} is written twice: a portal's award can be of one campus only")
        return found


class NihPortalSettings(AwardPortalSettings):
    """NIH RePORTER v2. It tells no day of change, so each poll reads the newest `fiscal_years` whole."""

    kind: Literal["nih"]
    url: str = "https://api.reporter.nih.gov"
    fiscal_years: int = Field(default=6, ge=1, le=40)


class NsfPortalSettings(AwardPortalSettings):
    """NSF's award search. It tells no day of change, so each poll reads what was awarded in so many years."""

    kind: Literal["nsf"]
    url: str = "https://api.nsf.gov"
    interval_s: float = Field(default=3.0, ge=0, le=3_600)
    years: int = Field(default=10, ge=1, le=60)


class UsaSpendingPortalSettings(AwardPortalSettings):
    """USAspending: grants and cooperative agreements, by the day on which they were changed last."""

    kind: Literal["usaspending"]
    url: str = "https://api.usaspending.gov"
    overlap_h: float = Field(default=24.0 * 7, ge=0, le=24 * 366)


class GrantsGovPortalSettings(FederalPortalSettings):
    """Grants.gov: the milestones of what `agencies` (codes, such as HHS-NIH11) offer, for one campus."""

    kind: Literal["grants_gov"]
    url: str = "https://api.grants.gov"
    campus: str
    agencies: Names = Field(min_length=1)


class SamPortalSettings(AwardPortalSettings):
    """SAM.gov's registrations of the institutions, by their UEIs. Whoever has no role there may ask ten times a day,
    over all of SAM.gov; so each UEI is asked for once a day, and never more of them than `calls_per_day`."""

    kind: Literal["sam"]
    url: str = "https://api.sam.gov"
    every_s: float = Field(default=86_400.0, ge=86_400, le=30 * 86_400)
    overlap_h: float = Field(default=0.0, ge=0, le=0)
    calls_per_day: int = Field(default=10, ge=1, le=10_000)
    auth: PortalAuth

    @model_validator(mode="after")
    def _few_enough(self) -> "SamPortalSettings":
        ueis = [uei for one in self.institutions.values() for uei in one.ueis]
        if without := [campus for campus, one in self.institutions.items() if not one.ueis]:
            raise ValueError(f"institutions.{without[0]} has no `ueis`, by which SAM.gov is asked")
        if len(ueis) > self.calls_per_day:
            told = f"{len(ueis)} UEIs need as many calls a day, and `calls_per_day` is {self.calls_per_day}"
            raise ValueError(f"{told}: with a role at SAM.gov it may be 1000")
        if self.auth.kind != "header":
            raise ValueError('auth needs kind = "header" and header = "x-api-key": a key in an address is seen')
        return self


AnyPortalSettings = Annotated[
    RestPortalSettings
    | NihPortalSettings
    | NsfPortalSettings
    | UsaSpendingPortalSettings
    | GrantsGovPortalSettings
    | SamPortalSettings,
    Field(discriminator="kind"),
]
"""One of the kinds; another kind joins here, and in portals/kinds.py."""
