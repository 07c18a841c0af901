"""NIH RePORTER, simulated: POST only, an offset of 14,999 at most, days with a nonsensical time."""

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from hub_pipelines.portals.simulator.files import recorded_file
from hub_pipelines.portals.simulator.shelf import Asked, Raw, Reply, Shelf, institutions_table, later, refused

V1 = {"org_name": "organization.org_name"}
"""What the first version of the interface called otherwise than the second; all else has kept its name."""
_LAST_OFFSET = 14_999
_MOST = 500


def as_v2(v1: Raw, appl_id: int) -> Raw:
    """A record of the first version's as the second has it; it has more, which is null where the first did not tell."""
    raw = {name: value for name, value in v1.items() if name not in V1}
    return {
        "appl_id": appl_id,
        "core_project_num": re.sub(r"^\d|-.*$", "", v1["project_num"]),
        "organization": {"org_name": v1["org_name"], "primary_uei": None, "org_city": None, "org_state": None},
        "budget_start": None,
        "budget_end": None,
        "cfda_code": None,
        "is_active": False,
        "agency_ic_admin": {"code": v1["agency_code"][:2], "abbreviation": None, "name": v1["agency_code"]},
        **raw,
    }


class NihShelf(Shelf):
    kind = "nih"
    settings = "interval_s = 0.1\n" + institutions_table("nih")

    def recorded(self) -> Sequence[Raw]:
        rows = json.loads(recorded_file("nih_reporter_v1.json"))["results"]
        return [as_v2(row, 6_700_000 + number) for number, row in enumerate(rows)]

    def natural_id(self, raw: Raw) -> str:
        return str(raw["appl_id"])

    def generated(self, number: int) -> Raw:
        name, uei = self.campus_for(number)
        start = self.years_ago(number, 4)
        serial = f"{100_000 + number:06}"
        year = start.year + (start.month >= 10)
        amount = 100_000 + 37 * number
        return {
            "appl_id": 10_000_000 + number,
            "subproject_id": None,
            "fiscal_year": year,
            "project_num": f"1R01GM{serial}-01",
            "project_serial_num": f"GM{serial}",
            "core_project_num": f"R01GM{serial}",
            "organization": {"org_name": name, "primary_uei": uei, "org_city": "Springfield", "org_state": "NY"},
            "award_type": "1",
            "activity_code": "R01",
            "award_amount": amount,
            "is_active": later(start, 4) > self.today,
            "contact_pi_name": "REYES, ADA ",
            "agency_ic_admin": {
                "code": "GM",
                "abbreviation": "NIGMS",
                "name": "National Institute of General Medical Sciences",
            },
            "agency_ic_fundings": [
                {
                    "fy": year,
                    "code": "GM",
                    "name": "NIGMS",
                    "abbreviation": "NIGMS",
                    "total_cost": amount,
                    "direct_cost_ic": amount,
                    "indirect_cost_ic": 0,
                }
            ],
            "project_start_date": _moment(start),
            "project_end_date": _moment(later(start, 4)),
            "budget_start": _moment(start),
            "budget_end": _moment(later(start, 1)),
            "award_notice_date": _moment(start) if number % 10 else None,
            "cfda_code": "859",
            "agency_code": "NIH",
            "direct_cost_amt": amount,
            "indirect_cost_amt": 0,
            "opportunity_number": None,
            "date_added": _moment(start),
            "project_title": self.title_for(number),
        }

    def amended(self, raw: Raw) -> Raw:
        end = date.fromisoformat((raw["project_end_date"] or self.today.isoformat())[:10])
        cut = self.chance.random() < 0.3 and raw["award_amount"]
        if not cut:
            return {**raw, "project_end_date": _moment(later(end, 1))}
        amount = raw["award_amount"] - 1_000
        fundings = [{**one, "total_cost": amount} for one in raw.get("agency_ic_fundings") or ()]
        return {**raw, "award_amount": amount, "agency_ic_fundings": fundings}

    def answer(self, asked: Asked) -> Reply:
        if asked.path != "/v2/projects/search":
            return refused(404, "no such page")
        if asked.method != "POST":
            return refused(405, "use POST")
        body = asked.body if isinstance(asked.body, dict) else {}
        criteria, offset, limit = body.get("criteria", {}), body.get("offset", 0), body.get("limit", 50)
        if not 0 <= offset <= _LAST_OFFSET or not 1 <= limit <= _MOST:
            return refused(400, f"offset is 0 to {_LAST_OFFSET} and limit 1 to {_MOST}")
        found = sorted(self._found(criteria), key=lambda raw: raw["appl_id"], reverse=body.get("sort_order") == "desc")
        meta = {
            "search_id": "simulated",
            "total": len(found),
            "offset": offset,
            "limit": limit,
            "sort_field": body.get("sort_field"),
            "sort_order": str(body.get("sort_order", "asc")).upper(),
            "sorted_by_relevance": False,
            "properties": {"URL": "https:/reporter.nih.gov/search/simulated/projects"},
        }
        return Reply(200, {"meta": meta, "results": found[offset : offset + limit]})

    def _found(self, criteria: dict[str, Any]) -> list[Raw]:
        names = [name.casefold() for name in criteria.get("org_names", [])]
        years = criteria.get("fiscal_years")
        return [
            raw
            for raw in self.records.values()
            if (not years or raw["fiscal_year"] in years)
            and (not names or any(name in raw["organization"]["org_name"].casefold() for name in names))
        ]


def _moment(day: date) -> str:
    """As RePORTER once wrote it: the month stands where minutes should."""
    return f"{day.isoformat()}T12:{day.month:02}:00Z"
