"""Grants.gov, simulated: a search that lists, a page for each opportunity, everything as 200."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hub_pipelines.portals.simulator.files import recorded_file
from hub_pipelines.portals.simulator.shelf import Asked, Raw, Reply, Shelf, refused

_AGENCY = "HHS-NIH11"


class GrantsGovShelf(Shelf):
    kind = "grants_gov"
    settings = f'interval_s = 0.02\ncampus = "north"\nagencies = ["{_AGENCY}"]\n'

    def recorded(self) -> Sequence[Raw]:
        rows = csv.DictReader(io.StringIO(recorded_file("grantsgov_opportunity.csv")))
        return [self._opportunity(int(row["legacy_opportunity_id"]), row) for row in rows]

    def natural_id(self, raw: Raw) -> str:
        return str(raw["id"])

    def generated(self, number: int) -> Raw:
        row = {
            "opportunity_number": f"PAR-{self.today:%y}-{number:04}",
            "opportunity_title": self.title_for(number),
            "agency_code": _AGENCY,
            "revision_number": "1",
            "updated_at": f"{self.today.isoformat()} 12:00",
        }
        return self._opportunity(300_000 + number, row)

    def _opportunity(self, number: int, row: Raw) -> Raw:
        """In the form of an opportunity's page."""
        posted = self.today - timedelta(days=1 + number % 60)
        kind = "forecast" if number % 9 == 0 else "synopsis"
        closes = "estApplicationResponseDate" if kind == "forecast" else "responseDate"
        agency = {"agencyCode": row["agency_code"], "agencyName": row["agency_code"], "code": row["agency_code"]}
        return {
            "id": number,
            "revision": int(row["revision_number"]),
            "opportunityNumber": row["opportunity_number"],
            "opportunityTitle": row["opportunity_title"],
            "owningAgencyCode": row["agency_code"],
            "listed": "L",
            "flag2006": "N",
            "opportunityCategory": {"category": "D", "description": "Discretionary"},
            "agencyDetails": agency,
            "topAgencyDetails": agency,
            kind: {
                "opportunityId": number,
                "version": 1,
                "agencyCode": row["agency_code"],
                "agencyName": row["agency_code"],
                "agencyContactName": "Program office",
                "postingDate": _moment(posted),
                closes: None if number % 11 == 0 else _moment(posted + timedelta(days=90)),
                "archiveDate": _moment(posted + timedelta(days=120)),
                "lastUpdatedDate": _moment(posted),
                "awardCeiling": "none" if number % 5 == 0 else "500000",
                "awardFloor": "0",
                "estimatedFunding": "3000000",
                "costSharing": False,
                "synopsisDesc": "<p>What is offered.</p>",
            },
            "cfdas": [{"id": number, "opportunityId": number, "cfdaNumber": "93.859", "programTitle": "Biomedical"}],
            "synopsisAttachmentFolders": [],
            "opportunityPkgs": [],
            "modifiedFields": [],
            "errorMessages": [],
        }

    def amended(self, raw: Raw) -> Raw:
        kind = "forecast" if "forecast" in raw else "synopsis"
        closes = _moment(self.today + timedelta(days=self.chance.randrange(30, 300)))
        told = {**raw[kind], "version": raw[kind]["version"] + 1, "lastUpdatedDate": _now()}
        told["estApplicationResponseDate" if kind == "forecast" else "responseDate"] = closes
        return {**raw, "revision": raw["revision"] + 1, kind: told}

    def answer(self, asked: Asked) -> Reply:
        if asked.method != "POST":
            return refused(405, "use POST")
        body = asked.body if isinstance(asked.body, dict) else {}
        if asked.path == "/v1/api/search2":
            return self._searched(body)
        if asked.path == "/v1/api/fetchOpportunity":
            number = str(body.get("opportunityId"))
            return _told(self.records.get(number) or {"errorMessages": [f"Opportunity {number} not found"]})
        return refused(404, "no such page")

    def _searched(self, body: Raw) -> Reply:
        agencies = set(filter(None, body.get("agencies", "").split("|")))
        found = [raw for raw in self.records.values() if not agencies or raw["owningAgencyCode"] in agencies]
        found.sort(key=lambda raw: raw["id"])
        start, rows = body.get("startRecordNum", 0), body.get("rows", 25)
        hits = [
            {
                "id": str(raw["id"]),
                "number": raw["opportunityNumber"],
                "title": raw["opportunityTitle"],
                "agencyCode": raw["owningAgencyCode"],
                "oppStatus": "forecasted" if "forecast" in raw else "posted",
                "docType": "synopsis",
                "cfdaList": ["93.859"],
            }
            for raw in found[start : start + rows]
        ]
        return _told({"searchParams": body, "hitCount": len(found), "startRecord": start, "oppHits": hits})


def _told(data: Raw) -> Reply:
    return Reply(200, {"errorcode": 0, "msg": "Webservice Succeeds", "token": "simulated", "data": data})


def _moment(day: date) -> str:
    return f"{day:%b %d, %Y} 12:00:00 AM EDT"


def _now() -> str:
    return f"{datetime.now(UTC) - timedelta(hours=4):%b %d, %Y %I:%M:%S %p} EDT"
