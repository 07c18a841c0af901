"""SAM.gov, simulated over real HTTP after its documentation: few calls, and what they tell. Nothing was recorded."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.portals.model import Answer, Garbled, PageRead, Request
from hub_pipelines.portals.pacing import next_access_s
from hub_pipelines.portals.sam import ACCOUNT, SamAdapter, standing_of
from hub_pipelines.portals.service import Polling
from hub_pipelines.portals.shapes import deviations_of
from hub_pipelines.portals.simulator.sam import SamShelf
from hub_pipelines.portals.simulator.server import Simulated, serving, shelf_of
from hub_pipelines.portals.simulator.shelf import INSTITUTIONS
from hub_pipelines.portals.state import PollEnd
from hub_pipelines.settings.portals import InstitutionSettings, PortalAuth, SamPortalSettings
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.portals.test_federal import hub_of, settle_all
from hub_pipelines_tests.support import assert_invariants, ledger_values

ENTITIES = "/entity-information/v3/entities"
UEI = INSTITUTIONS["south"][1]


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulated]:
    monkeypatch.setenv("SAM_API_KEY", "SAM-0001")
    with serving(shelf_of("sam", records=25)) as simulated:
        yield simulated


@pytest.fixture
def hub(tmp_path: Path, sam: Simulated) -> Hub:
    return hub_of(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}", sam)


def tomorrow(hub: Hub, days: int = 1) -> Polling:
    """The hub's polling, so many days from now."""
    client = hub.portals.client

    class Later:
        def __init__(self, asker: object) -> None:
            self.asker = asker

        def ask(self, *told: object) -> Answer:
            answer: Answer = self.asker.ask(*told)  # type: ignore[attr-defined]  # the client's
            return replace(answer, read_at=answer.read_at + timedelta(days=days))

    class Opened:
        def __enter__(self) -> Later:
            self.inner = client()
            return Later(self.inner.__enter__())

        def __exit__(self, *told: object) -> None:
            self.inner.__exit__(*told)  # type: ignore[arg-type]  # what it was given

    return replace(hub.portals, now=lambda: datetime.now(UTC) + timedelta(days=days), client=Opened)  # type: ignore[arg-type]


def test_each_institutions_registration_is_read_once_a_day_and_its_standing_moves_with_the_days(
    hub: Hub, sam: Simulated
) -> None:
    first = hub.portals.poll("sam", for_s=60)
    assert (first.end, first.tally.requests, first.tally.taken) == (PollEnd.COMPLETE, 3, 3)
    settle_all(hub)
    told = {campus: next(iter(ledger_values(hub, f"grants.registration@{campus}").values())) for campus in INSTITUTIONS}
    assert {campus: one["standing"] for campus, one in told.items()} == {
        "north": "in force",
        "south": "expires within 60 days",
        "west": "expired",
    }
    assert told["west"]["registration_status"] == "Active"  # SAM.gov's word lags behind its date

    again = hub.portals.poll("sam", for_s=60)
    assert (again.end, again.tally.requests) == (PollEnd.COMPLETE, 0)
    assert isinstance(sam.shelf, SamShelf)
    assert sam.shelf.calls == 3

    later = tomorrow(hub, 32).poll("sam", for_s=60)
    assert (later.end, later.tally.requests, later.tally.taken) == (PollEnd.COMPLETE, 3, 1)
    settle_all(hub)
    (item,) = explain(hub, UEI).items
    assert item.changes[-1].news[0].startswith("The registration is expired; SAM.gov names ")
    assert_invariants(hub)


def test_a_renewal_and_an_exclusion_are_news(hub: Hub, sam: Simulated) -> None:
    hub.portals.poll("sam", for_s=60)
    settle_all(hub)
    raw = sam.shelf.records[UEI]
    until = (sam.shelf.today + timedelta(days=400)).isoformat()
    changed = {"registrationExpirationDate": until, "exclusionStatusFlag": "Y"}
    sam.shelf.put({**raw, "entityRegistration": {**raw["entityRegistration"], **changed}})

    tomorrow(hub).poll("sam", for_s=60)
    settle_all(hub)

    (item,) = explain(hub, UEI).items
    renewed, excluded = item.changes[-1].news
    assert renewed.startswith(f"The registration was renewed: it is in force until {until} and not ")
    assert excluded == "SAM.gov excludes the institution from federal awards."


def test_whoever_has_used_up_its_calls_waits_until_the_moment_that_the_answer_names(hub: Hub, sam: Simulated) -> None:
    assert isinstance(sam.shelf, SamShelf)
    sam.shelf.calls = 9

    began = datetime.now(UTC)
    outcome = hub.portals.poll("sam", for_s=60)

    assert (outcome.end, outcome.tally.pages, outcome.tally.failed_requests) == (PollEnd.WAITING, 1, 1)
    assert outcome.until is not None
    assert outcome.until.date() - timedelta(days=1) in {began.date(), datetime.now(UTC).date()}  # midnight may pass
    assert sam.outcomes["answered"] == 2
    sam.shelf.calls = 0
    done = tomorrow(hub, 2).poll("sam", for_s=60)
    assert (done.end, done.tally.pages) == (PollEnd.COMPLETE, 3)


def test_the_simulated_one_pages_by_ten_and_wants_a_key(sam: Simulated) -> None:
    key = {"x-api-key": "SAM-0001"}
    assert httpx.get(f"{sam.url}{ENTITIES}").status_code == 403
    assert httpx.get(f"{sam.url}{ENTITIES}?size=11", headers=key).status_code == 400
    pages = [httpx.get(f"{sam.url}{ENTITIES}?page={page}", headers=key).json() for page in range(3)]
    assert [len(one["entityData"]) for one in pages] == [10, 10, 5]
    assert {one["totalRecords"] for one in pages} == {25}
    for _ in range(8):
        last = httpx.get(f"{sam.url}{ENTITIES}", headers=key)
    assert last.status_code == 429
    assert next_access_s(last.content, datetime.now(UTC)) is not None


# ---- the adapter alone


def adapter() -> SamAdapter:
    names = {"north": InstitutionSettings(names=["Northern"], ueis=[UEI])}
    auth = PortalAuth(kind="header", header="x-api-key", env="SAM_API_KEY")
    return SamAdapter("sam", SamPortalSettings(kind="sam", institutions=names, auth=auth))


def read(document: object, page: int = 0) -> PageRead:
    (request,) = adapter().begin(None, NOW)
    asked = Request(request.url, params=(*request.params[:-1], ("page", str(page))))
    return adapter().read(asked, Answer(json.dumps(document).encode(), {}, NOW))


NOW = datetime(2026, 3, 2, tzinfo=UTC)


def entity(**changes: object) -> dict[str, object]:
    raw = SamShelf(2, NOW.date(), 1).records[UEI]
    return {**raw, "entityRegistration": {**raw["entityRegistration"], **changes}}


def test_every_field_of_a_registration_is_accounted_for() -> None:
    raw = entity()
    assert ACCOUNT.unknown(raw) == ()
    assert deviations_of(raw, ACCOUNT.read) == ()
    assert ACCOUNT.unknown(entity(naicsCode="541715")) == ("entityRegistration.naicsCode",)


def test_a_uei_has_a_record_for_each_eft_indicator_and_pages_follow_to_the_last() -> None:
    some = [entity(entityEFTIndicator=f"{number:04}") for number in range(10)]
    first = read({"totalRecords": 12, "entityData": some})
    assert [one.natural_id for one in first.records][:2] == [f"{UEI}/0000", f"{UEI}/0001"]
    (following,) = first.then
    assert dict(following.params)["page"] == "1"
    assert read({"totalRecords": 12, "entityData": some[:2]}, page=1).then == ()
    with pytest.raises(Garbled):
        read({"totalRecords": 12, "entityData": []}, page=1)


def test_a_uei_that_sam_does_not_know_is_told_and_takes_nothing_away() -> None:
    page = read({"totalRecords": 0, "entityData": []})
    assert (page.records, page.remarks) == ((), (f"it knows no registration of {UEI}",))


def test_an_exclusion_is_never_read_as_none() -> None:
    assert (
        read({"totalRecords": 1, "entityData": [entity(exclusionStatusFlag="D")]}).records[0].data["excluded"] == "yes"
    )
    (unread,) = read({"totalRecords": 1, "entityData": [entity(exclusionStatusFlag="maybe")]}).unread
    assert "exclusionStatusFlag is 'maybe'" in unread.reason


@pytest.mark.parametrize(
    ("status", "until", "standing"),
    [
        ("Active", "2026-03-01", "expired"),
        ("Active", "2026-03-02", "expires within 60 days"),
        ("Active", "2026-05-01", "expires within 60 days"),
        ("Active", "2026-05-02", "in force"),
        ("Submitted", "2026-09-01", "not active"),
        (None, None, None),
    ],
)
def test_the_standing_goes_by_date_and_status(status: str | None, until: str | None, standing: str | None) -> None:
    assert standing_of(status, until, NOW.date()) == standing


def test_more_ueis_than_calls_a_day_are_refused_at_once() -> None:
    names = {"north": InstitutionSettings(names=["Northern"], ueis=[f"NRTHSTATE1{number}" for number in range(11, 22)])}
    auth = PortalAuth(kind="header", header="x-api-key", env="SAM_API_KEY")
    with pytest.raises(ValueError, match="11 UEIs need as many calls a day, and `calls_per_day` is 10"):
        SamPortalSettings(kind="sam", institutions=names, auth=auth)
    with pytest.raises(ValueError, match="a key in an address is seen"):
        SamPortalSettings(
            kind="sam",
            institutions={"north": InstitutionSettings(names=["N"], ueis=[UEI])},
            auth=PortalAuth(kind="bearer", env="SAM_API_KEY"),
        )
