"""USAspending, simulated: POST with a slash at the end, award types of one group required, pages by the last record."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from hub_pipelines.portals.simulator.files import recorded_file
from hub_pipelines.portals.simulator.shelf import Asked, Raw, Reply, Shelf, institutions_table, later, refused

_PATH = "/api/v2/search/spending_by_award/"
_REACH = 10_000
_GRANTS = {"02", "03", "04", "05"}
_ALWAYS = ("internal_id", "generated_internal_id", "awarding_agency_id", "agency_slug")


class UsaSpendingShelf(Shelf):
    kind = "usaspending"
    settings = "interval_s = 0.1\n" + institutions_table("usaspending")

    def recorded(self) -> Sequence[Raw]:
        names = ("by_award_first", "by_award_middle", "by_award_last", "all_fields")
        return [raw for name in names for raw in json.loads(recorded_file(f"usaspending_{name}.json"))["results"]]

    def natural_id(self, raw: Raw) -> str:
        return str(raw["generated_internal_id"])

    def generated(self, number: int) -> Raw:
        name, uei = self.campus_for(number)
        start = self.years_ago(number, 4)
        award = f"DESC{number:07}"
        return {
            "internal_id": 300_000_000 + number,
            "Award ID": award,
            "Recipient Name": name,
            "Recipient UEI": uei,
            "Description": self.title_for(number).upper(),
            "Start Date": start.isoformat(),
            "End Date": None if number % 20 == 0 else later(start, 3).isoformat(),
            "Award Amount": -5798.0 if number % 50 == 0 else 250_000.0 + number,
            "Awarding Agency": "Department of Energy",
            "Awarding Sub Agency": "Department of Energy",
            "Funding Agency": None,
            "Funding Sub Agency": None,
            "Base Obligation Date": start.isoformat(),
            "Last Modified Date": start.isoformat(),
            "CFDA Number": "81.049",
            "Award Type": "PROJECT GRANT (B)",
            "awarding_agency_id": 905,
            "agency_slug": "department-of-energy",
            "generated_internal_id": f"ASST_NON_{award}_089",
        }

    def amended(self, raw: Raw) -> Raw:
        changed: Raw = {"Last Modified Date": self.today.isoformat()}
        if self.chance.random() < 0.5 or raw["End Date"] is None:
            changed["Award Amount"] = raw["Award Amount"] - 1_000.5
        else:
            changed["End Date"] = later(date.fromisoformat(raw["End Date"]), 1).isoformat()
        return {**raw, **changed}

    def answer(self, asked: Asked) -> Reply:
        if asked.path == _PATH.rstrip("/"):
            return Reply(301, None, {"location": _PATH})
        if asked.path != _PATH:
            return refused(404, "no such page")
        if asked.method != "POST":
            return refused(405, 'Method "GET" not allowed.')
        body = asked.body if isinstance(asked.body, dict) else {}
        filters, page, limit = body.get("filters", {}), body.get("page", 1), body.get("limit", 10)
        types = set(filters.get("award_type_codes", ()))
        if not types or not types <= _GRANTS:
            return refused(422, "'award_type_codes' must be of one group")
        last = body.get("last_record_unique_id")
        if not 1 <= limit <= 100 or (last is None and page * limit > _REACH):
            return refused(422, f"limit is 1 to 100, and pages end at {_REACH:,} records without last_record_unique_id")
        found = self._found(filters)
        start = (page - 1) * limit if last is None else _behind(found, last, str(body.get("last_record_sort_value")))
        ones = found[start : start + limit]
        fields = {*body.get("fields", ()), *_ALWAYS}
        more = start + limit < len(found)
        return Reply(
            200,
            {
                "spending_level": "awards",
                "limit": limit,
                "results": [{name: value for name, value in raw.items() if name in fields} for raw in ones],
                "page_metadata": {
                    "page": page,
                    "hasNext": more,
                    "last_record_unique_id": ones[-1]["internal_id"] if more else None,
                    "last_record_sort_value": str(ones[-1]["Award ID"] if more else None),
                },
                "messages": ["For searches, time period start and end dates are currently limited to 2007-10-01."],
            },
        )

    def _found(self, filters: dict[str, Any]) -> list[Raw]:
        texts = [text.casefold() for text in filters.get("recipient_search_text", ())]
        period = (filters.get("time_period") or [{}])[0]
        changed_since = period.get("start_date", "") if period.get("date_type") == "last_modified_date" else ""
        found = [
            raw
            for raw in self.records.values()
            if str(raw.get("Last Modified Date") or "") >= changed_since
            and (not texts or any(_names(text, raw) for text in texts))
        ]
        return sorted(found, key=_place)


def _names(text: str, raw: Raw) -> bool:
    return text in raw["Recipient Name"].casefold() or text == str(raw.get("Recipient UEI") or "").casefold()


def _place(raw: Raw) -> tuple[str, int]:
    return raw["Award ID"], raw["internal_id"]


def _behind(found: Sequence[Raw], unique_id: int, sort_value: str) -> int:
    return sum(_place(raw) <= (sort_value, unique_id) for raw in found)
