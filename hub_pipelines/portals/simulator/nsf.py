"""NSF's award search, simulated: offset from 1, 25 at most, no total, everything text, a failure as 200."""

import json
from collections.abc import Sequence
from datetime import date

from hub_pipelines.portals.simulator.files import recorded_file
from hub_pipelines.portals.simulator.shelf import Asked, Raw, Reply, Shelf, institutions_table, later, refused

_MOST = 25


class NsfShelf(Shelf):
    kind = "nsf"
    settings = "interval_s = 0.1\nyears = 5\n" + institutions_table("nsf")

    def recorded(self) -> Sequence[Raw]:
        names = ("nsf_awards_first.json", "nsf_awards_last.json", "nsf_awards_obligated.json")
        found: dict[str, Raw] = {}
        for name in names:
            for raw in json.loads(recorded_file(name))["response"]["award"]:
                found[raw["id"]] = {**found.get(raw["id"], {}), **raw}
        return list(found.values())

    def natural_id(self, raw: Raw) -> str:
        return str(raw["id"])

    def generated(self, number: int) -> Raw:
        name, uei = self.campus_for(number)
        start = self.years_ago(number, 4)
        return {
            "id": str(3_000_000 + number),
            "title": self.title_for(number),
            "awardeeName": name.title(),
            "ueiNumber": uei,
            "date": _day(start),
            "startDate": _day(start),
            "expDate": _day(later(start, 3)),
            "fundsObligatedAmt": str(38_717 + number),
            "estimatedTotalAmt": str(513_238 + number),
            "cfdaNumber": "47.049, 47.083" if number % 7 == 0 else "47.049",
            "piFirstName": "Ada",
            "piMiddeInitial": "M",
            "piLastName": "Reyes",
            "piEmail": "ada@university.example",
            "fundProgramName": "POLYMERS",
            "transType": "Grant",
            "agency": "NSF",
            "awardeeCity": "SPRINGFIELD",
            "awardeeStateCode": "NY",
            "abstractText": "What is to be found out.<br/><br/>How.",
        }

    def amended(self, raw: Raw) -> Raw:
        if self.chance.random() < 0.5 and "fundsObligatedAmt" in raw:
            return {**raw, "fundsObligatedAmt": str(int(raw["fundsObligatedAmt"]) + 1_000)}
        return {**raw, "expDate": _day(later(_date(raw["expDate"]), 1))}

    def answer(self, asked: Asked) -> Reply:
        if asked.path != "/services/v1/awards.json":
            return refused(404, "no such page")
        if asked.method != "GET":
            return refused(405, "use GET")
        params = asked.params
        try:
            offset, size = int(params.get("offset", "1")), min(int(params.get("rpp", "25")), _MOST)
            first, last = (_date(params[one]) if one in params else None for one in ("dateStart", "dateEnd"))
        except ValueError:
            return _notified("Invalid parameter value")
        name = params.get("awardeeName", "").strip('"').casefold()
        found = sorted(
            (
                raw
                for raw in self.records.values()
                if name in raw["awardeeName"].casefold()
                and (first is None or _date(raw["date"]) >= first)
                and (last is None or _date(raw["date"]) <= last)
            ),
            key=lambda raw: (_date(raw["date"]), raw["id"]),
            reverse=True,
        )
        asked_for = set(params["printFields"].split(",")) if "printFields" in params else None
        page = [
            {name: value for name, value in raw.items() if asked_for is None or name in asked_for}
            for raw in found[offset - 1 : offset - 1 + size]
        ]
        return Reply(200, {"response": {"award": page}})


def _notified(text: str) -> Reply:
    told = {"notificationType": "ERROR", "notificationCode": "1", "notificationMessage": text}
    return Reply(200, {"response": {"serviceNotification": [told]}})


def _day(day: date) -> str:
    return f"{day:%m/%d/%Y}"


def _date(text: str) -> date:
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day))
