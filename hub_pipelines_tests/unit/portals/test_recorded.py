"""Recorded answers of the four federal portals: each field of each record is accounted for, each value is taken."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.grants_gov import ACCOUNT as GRANTS_GOV
from hub_pipelines.portals.grants_gov import DETAIL, GrantsGovAdapter
from hub_pipelines.portals.model import Adapter, Answer, Record, Request
from hub_pipelines.portals.nih import ACCOUNT as NIH
from hub_pipelines.portals.nih import NihAdapter
from hub_pipelines.portals.nsf import ACCOUNT as NSF
from hub_pipelines.portals.nsf import NsfAdapter
from hub_pipelines.portals.shapes import deviations_of
from hub_pipelines.portals.simulator.files import FOLDER, recorded_file
from hub_pipelines.portals.simulator.nih import V1, as_v2
from hub_pipelines.portals.simulator.server import shelf_of
from hub_pipelines.portals.usaspending import ACCOUNT as USASPENDING
from hub_pipelines.portals.usaspending import UsaSpendingAdapter
from hub_pipelines.settings.portals import (
    GrantsGovPortalSettings,
    InstitutionSettings,
    NihPortalSettings,
    NsfPortalSettings,
    UsaSpendingPortalSettings,
)
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.unit.validate.builders import verdicts

NOW = datetime(2026, 3, 2, tzinfo=UTC)
_CSV = {
    "legacy_opportunity_id": "id",
    "opportunity_number": "opportunityNumber",
    "opportunity_title": "opportunityTitle",
    "agency_code": "owningAgencyCode",
    "revision_number": "revision",
    "opportunity_category_id": "opportunityCategory",
}
_CSV_ONLY = {
    "opportunity_id": "of the tables of simpler-grants-gov, not of Grants.gov's answers",
    "category_explanation": "why a category is another one: of its authors",
    "is_draft": "only what is published can be read",
    "modified_comments": "of its authors",
    "created_at": "of the tables",
    "updated_at": "of the tables",
}


def rows_of(file: str) -> list[dict[str, Any]]:
    if file.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(recorded_file(file))))
    document = json.loads(recorded_file(file))
    found = document["response"]["award"] if "response" in document else document["results"]
    return list(found)


def answer_of(document: Any) -> Answer:
    return Answer(json.dumps(document).encode(), {}, NOW)


def institutions(*names: str) -> dict[str, InstitutionSettings]:
    return {"north": InstitutionSettings(names=list(dict.fromkeys(names)))}


def nih(rows: list[dict[str, Any]]) -> tuple[Adapter, Request, Any]:
    raws = [as_v2(row, number) for number, row in enumerate(rows, start=1)]
    names = institutions(*(raw["organization"]["org_name"] for raw in raws))
    adapter = NihAdapter("nih", NihPortalSettings(kind="nih", institutions=names))
    meta = {"total": len(raws), "offset": 0, "limit": 500, "sort_field": "appl_id"}
    return adapter, adapter.begin(None, NOW)[0], {"meta": meta, "results": raws}


def nsf(rows: list[dict[str, Any]]) -> tuple[Adapter, Request, Any]:
    names = institutions(*(row["awardeeName"] for row in rows))
    adapter = NsfAdapter("nsf", NsfPortalSettings(kind="nsf", institutions=names))
    return adapter, adapter.begin(None, NOW)[0], {"response": {"award": rows}}


def usaspending(rows: list[dict[str, Any]]) -> tuple[Adapter, Request, Any]:
    names = institutions(*(row["Recipient Name"] for row in rows))
    adapter = UsaSpendingAdapter("usa", UsaSpendingPortalSettings(kind="usaspending", institutions=names))
    paging = {"page": 1, "hasNext": False, "last_record_unique_id": None, "last_record_sort_value": "None"}
    return adapter, adapter.begin(None, NOW)[0], {"results": rows, "page_metadata": paging, "messages": []}


KINDS = {"nih": (nih, NIH), "nsf": (nsf, NSF), "usaspending": (usaspending, USASPENDING)}
FILES = sorted(path.name for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", FILES)
def test_every_record_of_a_recorded_page_is_taken_and_every_field_of_it_is_accounted_for(file: str) -> None:
    make, account = KINDS[file.partition("_")[0]]
    rows = rows_of(file)
    adapter, request, document = make(rows)

    read = adapter.read(request, answer_of(document))

    assert (len(read.records), read.unread) == (len(rows), ())
    assert [account.unknown(one.raw) for one in read.records] == [()] * len(rows)
    assert not [found for one in read.records if (found := deviations_of(one.raw, (*adapter.fields, *one.needs)))]
    assert len({one.natural_id for one in read.records}) == len(rows)
    assert_judged_well(read.records)


def test_every_field_of_the_recorded_table_of_opportunities_has_its_place() -> None:
    (header,) = {tuple(row) for row in rows_of("grantsgov_opportunity.csv")}
    known = {one.path for one in GRANTS_GOV.read} | set(GRANTS_GOV.kept)

    assert set(header) == set(_CSV) | set(_CSV_ONLY)
    assert set(_CSV.values()) <= known
    shelf = shelf_of("grants_gov", records=70)
    adapter = GrantsGovAdapter(
        "grants", GrantsGovPortalSettings(kind="grants_gov", campus="north", agencies=["HHS-NIH11"])
    )
    request = Request(adapter.settings.url + DETAIL, "POST", body={"opportunityId": 1})
    found: list[Record] = []
    for raw in shelf.records.values():
        (one,) = adapter.read(request, answer_of({"errorcode": 0, "data": raw})).records
        assert (GRANTS_GOV.unknown(raw), deviations_of(one.raw, adapter.fields)) == ((), ())
        found.append(one)
    assert_judged_well(found)


def assert_judged_well(records: list[Record] | tuple[Record, ...]) -> None:
    """The contract takes them, and nothing that is kept has the name of a column."""
    record = FEEDS["grants"].record_type(records[0].record_type)
    rows = [{name: one.data.get(name) for name in record.columns} for one in records]
    judged = verdicts(rows, feed=FEEDS["grants"].only(record.name))
    assert not [one for one in judged if not hasattr(one, "key")]


def test_what_is_kept_or_left_is_no_column_and_has_its_reason() -> None:
    of_awards = [("grants.sponsor_award", one) for one in (NIH, NSF, USASPENDING)]
    for record_type, account in [*of_awards, ("grants.opportunity", GRANTS_GOV)]:
        columns = set(FEEDS["grants"].record_type(record_type).columns)
        assert not columns & set(account.kept)
        assert all(len(reason.split()) > 1 for reason in (account.left or {}).values())
        read = {one.path.replace("[]", "") for one in account.read}
        inner = {path[:at] for path in read for at, sign in enumerate(path) if sign == "."}
        assert not (read | inner) & {*account.kept, *(account.left or {})}
    assert set(V1) == {"org_name"}


# ---- fields that come and go


def one_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["results"][0]
    return found


def test_a_field_that_is_new_is_kept_with_the_record_and_told() -> None:
    adapter, request, document = nih(rows_of("nih_reporter_v1.json")[:2])
    one_of(document)["foreign_component"] = {"country": "Canada"}

    read = adapter.read(request, answer_of(document))

    assert read.records[0].data["foreign_component"] == {"country": "Canada"}
    assert read.records[0].needs == ()
    assert read.remarks == ("foreign_component is new to the hub and was kept with 1 records",)


def test_a_field_that_may_be_a_steady_one_under_a_new_name_makes_its_record_strange_and_no_other() -> None:
    adapter, request, document = usaspending(rows_of("usaspending_all_fields.json"))
    one_of(document)["Modified On"] = one_of(document).pop("Last Modified Date")

    read = adapter.read(request, answer_of(document))

    strange = [deviations_of(one.raw, (*adapter.fields, *one.needs)) for one in read.records]
    assert [(one.path, one.before, one.now) for one in strange[0]] == [
        ("Last Modified Date", "text", "absent"),
        ("Modified On", "absent", "text"),
    ]
    assert strange[1:] == [()] * (len(strange) - 1)


def test_a_record_whose_day_is_none_waits_for_a_person_and_the_others_go_on() -> None:
    adapter, request, document = nih(rows_of("nih_reporter_v1.json")[:3])
    one_of(document)["project_end_date"] = "sometime"

    read = adapter.read(request, answer_of(document))

    assert len(read.records) == 2
    assert [one.reason for one in read.unread] == ["project_end_date is 'sometime', which is no day."]


def test_an_account_tells_the_highest_unknown_member_once() -> None:
    account = Account(read=NIH.read, kept=NIH.kept, left=NIH.left)
    raw = {"appl_id": "1", "agency_ic_fundings": [{"total_cost": "1", "cents": "2"}, {"cents": "3"}], "new": {"a": [1]}}
    assert account.unknown(raw) == ("agency_ic_fundings[].cents", "new")


@pytest.mark.parametrize("value", ["text", True, ["x"], {"a": "b"}, [], {}])
@pytest.mark.parametrize(
    ("make", "file"),
    [
        (nih, "nih_reporter_v1.json"),
        (nsf, next(one for one in FILES if one.startswith("nsf"))),
        (usaspending, "usaspending_all_fields.json"),
    ],
)
def test_a_field_of_another_kind_is_no_trouble_for_the_other_records_of_its_page(
    make: Any, file: str, value: object
) -> None:
    adapter, request, document = make(rows_of(file)[:3])
    rows = document["response"]["award"] if "response" in document else document["results"]
    whole = dict(rows[0])
    for name in whole:
        rows[0] = {**whole, name: value}

        read = adapter.read(request, answer_of(document))

        assert len(read.records) + len(read.unread) + read.others == len(rows), name
        assert len(read.records) >= len(rows) - 1, name


def test_an_opportunity_whose_listings_are_no_list_is_read() -> None:
    raw = {
        "id": "1",
        "opportunityNumber": "PAR-1",
        "opportunityTitle": "T",
        "cfdas": True,
        "synopsis": {"version": "1"},
    }
    adapter = GrantsGovAdapter("g", GrantsGovPortalSettings(kind="grants_gov", campus="north", agencies=["NSF"]))
    asked = Request(f"https://api.grants.gov{DETAIL}", "POST", body={"opportunityId": 1})

    read = adapter.read(asked, answer_of({"errorcode": "0", "data": raw}))

    assert [one.data["aln"] for one in read.records] == [None]
