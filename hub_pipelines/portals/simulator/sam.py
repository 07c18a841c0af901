"""SAM.gov's entities, simulated: a key, ten records a page, a quota for each day that the answer's body tells of.

Nothing of it was recorded: the answers are made after the documentation of version 3.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_pipelines.portals.simulator.shelf import INSTITUTIONS, Asked, Raw, Reply, Shelf, institutions_table, later

_PATH = "/entity-information/v3/entities"
_SIZE = 10
_QUOTA = 10
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


class SamShelf(Shelf):
    kind = "sam"
    settings = (
        "interval_s = 0.1\n"
        + institutions_table("sam")
        + '\n[portals.sam.auth]\nkind = "header"\nheader = "x-api-key"\nenv = "SAM_API_KEY"\n'
    )
    calls = 0
    """Answered so far; SAM.gov counts a key's calls of a day."""

    def recorded(self) -> Sequence[Raw]:
        """None was recorded. The institutions' own are always there."""
        return ()

    def natural_id(self, raw: Raw) -> str:
        return str(raw["entityRegistration"]["ueiSAM"])

    def generated(self, number: int) -> Raw:
        """In force, about to expire and expired: the first three are the institutions'."""
        own = list(INSTITUTIONS.values())
        name, uei = own[number - 1] if number <= len(own) else (f"COMPANY {number}", _uei(number))
        return _entity(uei, name, self.today + timedelta(days=(200, 30, -2)[(number - 1) % 3]), self.today.isoformat())

    def amended(self, raw: Raw) -> Raw:
        """Renewed for a year; or, less often, excluded."""
        told = dict(raw["entityRegistration"])
        if self.chance.random() < 0.2:
            told |= {"exclusionStatusFlag": "Y"}
        else:
            ends = max(self.today, datetime.fromisoformat(told["registrationExpirationDate"]).date())
            told |= {"registrationStatus": "Active", "registrationExpirationDate": later(ends, 1).isoformat()}
        return {**raw, "entityRegistration": {**told, "lastUpdateDate": self.today.isoformat()}}

    def answer(self, asked: Asked) -> Reply:
        if asked.path != _PATH:
            return Reply(404, {"errorCode": "NF", "message": "no such page"})
        params = asked.params
        if not (asked.headers.get("x-api-key") or params.get("api_key")):
            return Reply(403, {"error": {"code": "API_KEY_MISSING", "message": "An API key was not provided."}})
        if self.calls >= _QUOTA:
            return self._throttled()
        self.calls += 1
        try:
            page, size = int(params.get("page", "0")), int(params.get("size", str(_SIZE)))
        except ValueError:
            page = size = -1
        if page < 0 or not 1 <= size <= _SIZE:
            return Reply(400, {"errorCode": "SCE", "errorMessage": f"size is 1 to {_SIZE}, and page 0 or more"})
        sections = set(params.get("includeSections", "entityRegistration,coreData").split(","))
        found = [raw for uei, raw in sorted(self.records.items()) if params.get("ueiSAM", uei) == uei]
        some = found[page * size : (page + 1) * size]
        data = [{name: value for name, value in raw.items() if name in sections} for raw in some]
        return Reply(200, {"totalRecords": len(found), "entityData": data, "links": {"selfLink": asked.path}})

    @staticmethod
    def _throttled() -> Reply:
        midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0)
        when = f"{midnight:%Y-%b-%d %H:%M:%S}+0000 UTC"
        told: dict[str, Any] = {"code": "900804", "message": "Message throttled out"}
        return Reply(429, {**told, "description": f"Quota exceeded until {when}", "nextAccessTime": when})


def _uei(number: int) -> str:
    letters = "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(4))
    return f"Z{letters}{number:07}"


def _entity(uei: str, name: str, expires_on: Any, updated_on: str) -> Raw:
    return {
        "entityRegistration": {
            "samRegistered": "Yes",
            "ueiSAM": uei,
            "entityEFTIndicator": None,
            "cageCode": f"{len(name)}A{uei[-3:]}",
            "dodaac": None,
            "legalBusinessName": name,
            "dbaName": None,
            "purposeOfRegistrationCode": "Z2",
            "purposeOfRegistrationDesc": "All Awards",
            "registrationStatus": "Active",
            "evsSource": "E&Y",
            "registrationDate": "2003-05-01",
            "lastUpdateDate": updated_on,
            "registrationExpirationDate": expires_on.isoformat(),
            "activationDate": "2025-11-02",
            "ueiStatus": "Active",
            "ueiExpirationDate": None,
            "ueiCreationDate": "2003-05-01",
            "publicDisplayFlag": "Y",
            "exclusionStatusFlag": "N",
            "exclusionURL": None,
            "dnbOpenData": None,
        },
        "coreData": {"entityInformation": {"entityURL": None, "fiscalYearEndCloseDate": "06/30"}},
    }
