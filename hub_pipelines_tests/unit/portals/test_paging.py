"""How the federal portals page: every record of a query is reached once, against what the portals refuse to give."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from hub_pipelines.portals import nih
from hub_pipelines.portals.grants_gov import GrantsGovAdapter
from hub_pipelines.portals.model import Adapter, Answer, Failing, Garbled, Rejected, Request
from hub_pipelines.portals.nih import NihAdapter
from hub_pipelines.portals.nsf import NsfAdapter
from hub_pipelines.portals.simulator.nih import NihShelf
from hub_pipelines.portals.simulator.nsf import NsfShelf
from hub_pipelines.portals.simulator.shelf import INSTITUTIONS, Asked, Reply, Shelf
from hub_pipelines.portals.simulator.usaspending import UsaSpendingShelf
from hub_pipelines.portals.usaspending import UsaSpendingAdapter
from hub_pipelines.portals.values import BadValue, amount_of, day_of, listing_number_of, text_of
from hub_pipelines.settings.portals import (
    GrantsGovPortalSettings,
    InstitutionSettings,
    NihPortalSettings,
    NsfPortalSettings,
    UsaSpendingPortalSettings,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NORTH = {"north": InstitutionSettings(names=[INSTITUTIONS["north"][0]], ueis=[INSTITUTIONS["north"][1]])}
NIH = NihAdapter("nih", NihPortalSettings(kind="nih", institutions=NORTH))
NSF = NsfAdapter("nsf", NsfPortalSettings(kind="nsf", institutions=NORTH))
USASPENDING = UsaSpendingAdapter("usa", UsaSpendingPortalSettings(kind="usaspending", institutions=NORTH))
GRANTS_GOV = GrantsGovAdapter("g", GrantsGovPortalSettings(kind="grants_gov", campus="north", agencies=["NSF", "ED"]))


def answered(reply: Reply) -> Answer:
    assert reply.status == 200, reply
    return Answer(json.dumps(reply.document).encode(), {}, NOW)


def asked(request: Request) -> Asked:
    path = request.url.partition("//")[2].partition("/")[2]
    return Asked(request.method, f"/{path}", urlencode(request.params), request.body)


def read_all(adapter: Adapter, answer: Callable[[Asked], Reply], since: datetime | None = None) -> Counter[str]:
    """How often each record is read, by the portal's own rules."""
    pending, found = list(adapter.begin(since, NOW)), Counter[str]()
    for _ in range(2_000):
        if not pending:
            return found
        request = pending.pop(0)
        page = adapter.read(request, answered(answer(asked(request))))
        found.update(one.natural_id for one in page.records)
        pending = [*page.then, *pending]
    raise AssertionError("it never ends")


def of_north(shelf: Shelf) -> set[str]:
    return {one for one, raw in shelf.records.items() if INSTITUTIONS["north"][0].lower() in json.dumps(raw).lower()}


@pytest.mark.parametrize(
    ("adapter", "shelf"),
    [(NIH, NihShelf), (NSF, NsfShelf), (USASPENDING, UsaSpendingShelf)],
    ids=["nih", "nsf", "usaspending"],
)
@pytest.mark.parametrize("records", [0, 1, 900])
def test_every_record_of_ours_is_reached_once(adapter: Adapter, shelf: type[Shelf], records: int) -> None:
    full = shelf(records + 120, NOW.date(), 1)
    full.records = dict(list(full.records.items())[: records + (120 if records else 0)])
    found = read_all(adapter, full.answer)
    assert (set(found), set(found.values())) == (of_north(full), {1} if found else set())


def test_a_year_with_more_than_nih_lets_be_read_from_one_end_is_read_from_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nih, "REACH", 1_500)
    shelf = NihShelf(7_600, date(2026, 3, 2), 1)
    for raw in shelf.records.values():
        raw["fiscal_year"] = 2025
    expected = of_north(shelf)
    assert 2_000 < len(expected) < 3_000

    found = read_all(NIH, shelf.answer)

    assert set(found) == expected  # what both ends reach is read twice, which is no harm


def test_a_year_that_both_ends_do_not_reach_is_refused_and_never_cut() -> None:
    (request, *_) = NIH.begin(None, NOW)
    page = {"meta": {"total": 30_001, "offset": 0}, "results": [{}] * 500}
    with pytest.raises(Rejected, match=r"30,001 records of fiscal year 2021.*Name fewer institutions"):
        NIH.read(request, answered(Reply(200, page)))


def test_usaspending_goes_on_behind_its_last_record_and_not_at_the_string_none() -> None:
    (request,) = USASPENDING.begin(datetime(2026, 3, 1, tzinfo=UTC), NOW)
    assert dict(request.body or {})["filters"]["time_period"] == [
        {"start_date": "2026-03-01", "end_date": "2026-03-04", "date_type": "last_modified_date"}
    ]

    def then(**paging: Any) -> list[dict[str, Any]]:
        page = {
            "results": [{"Recipient Name": "ANOTHER"}],
            "page_metadata": {"page": 1, **paging},
            "messages": ["late"],
        }
        read = USASPENDING.read(request, answered(Reply(200, page)))
        assert read.remarks[0] == "late"
        return [dict(one.body or {}) for one in read.then]

    (following,) = then(hasNext=True, last_record_unique_id=7, last_record_sort_value="DESC7")
    assert (following["page"], following["last_record_unique_id"], following["last_record_sort_value"]) == (
        2,
        7,
        "DESC7",
    )
    assert then(hasNext=False, last_record_unique_id=None, last_record_sort_value="None") == []
    assert (
        "last_record_unique_id" not in then(hasNext=True, last_record_unique_id=None, last_record_sort_value="None")[0]
    )


@pytest.mark.parametrize(
    ("adapter", "document", "error"),
    [
        (NIH, {"meta": {"total": 900, "offset": 0}, "results": [{}] * 30}, Garbled),
        (NIH, {"meta": {"total": 0, "offset": 500}, "results": []}, Garbled),
        (NIH, {"results": None, "meta": {}}, Garbled),
        (NSF, {"response": {"serviceNotification": [{"notificationMessage": "down"}]}}, Failing),
        (NSF, {"response": {"serviceNotification": [{"notificationType": "ERROR",
                                                      "notificationMessage": "Invalid parameter"}]}}, Rejected),
        (NSF, {"response": {}}, Garbled),
        (USASPENDING, {"results": []}, Garbled),
        (USASPENDING, {"results": [], "page_metadata": {"hasNext": True}}, Garbled),
        (GRANTS_GOV, {"errorcode": 1, "msg": "no"}, Failing),
        (GRANTS_GOV, {"errorcode": 0, "data": {"hitCount": 5, "startRecord": 0, "oppHits": []}}, Garbled),
        (GRANTS_GOV, {"errorcode": 0, "data": {"hitCount": 5, "startRecord": 25, "oppHits": []}}, Garbled),
    ],
)  # fmt: skip
def test_an_answer_that_failed_is_never_taken_for_an_empty_one(
    adapter: Adapter, document: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        adapter.read(adapter.begin(None, NOW)[0], answered(Reply(200, document)))


def test_grants_gov_is_asked_for_each_page_that_its_list_names_and_then_for_more_of_the_list() -> None:
    (request,) = GRANTS_GOV.begin(None, NOW)
    page = {"hitCount": 3, "startRecord": 0, "oppHits": [{"id": "5"}, {"id": "6"}, {"number": "X"}]}
    read = GRANTS_GOV.read(request, answered(Reply(200, {"errorcode": 0, "data": page})))
    assert [dict(one.body or {}) for one in read.then] == [{"opportunityId": 5}, {"opportunityId": 6}]
    assert len(read.unread) == 1
    assert dict(request.body or {})["agencies"] == "NSF|ED"
    gone = GRANTS_GOV.read(
        read.then[0], answered(Reply(200, {"errorcode": 0, "data": {"errorMessages": ["not found"]}}))
    )
    assert (gone.records, len(gone.remarks)) == ((), 1)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2018-04-15T04:00:00Z", "2018-04-15"),
        ("2004-01-01T12:01:00Z", "2004-01-01"),
        ("2023-08-01T00:00:00", "2023-08-01"),
        ("02/29/2024", "2024-02-29"),
        ("Oct 19, 2099 12:00:00 AM EDT", "2099-10-19"),
        ("", None),
        (None, None),
    ],
)
def test_a_day_is_read_in_each_way_that_portals_write_it(written: str | None, day: str | None) -> None:
    assert day_of("x", written) == day


def test_values_are_taken_as_the_contracts_have_them() -> None:
    assert [amount_of("x", one) for one in ("123.45000000000002", "-5798.0", "1.5E7", None)] == [
        "123.45", "-5798.00", "15000000.00", None,
    ]  # fmt: skip
    assert [listing_number_of(one) for one in ("859", "47.049, 47.083", "93.859", "unknown")] == [
        "93.859", "47.049", "93.859", None,
    ]  # fmt: skip
    assert text_of("AGADJANIAN, VICTOR \r\n") == "AGADJANIAN, VICTOR"
    assert len(text_of("x" * 5_000, 4_000) or "") == 4_000
    with pytest.raises(BadValue):
        day_of("expDate", "13/45/2024")
    with pytest.raises(BadValue):
        amount_of("award_amount", "much")
