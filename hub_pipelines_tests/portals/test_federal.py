"""The four federal portals, simulated over real HTTP, read and posted: each record once, and again when it changes."""

import json
import math
import re
import time
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.hub import Hub
from hub_pipelines.portals.simulator.grants_gov import GrantsGovShelf
from hub_pipelines.portals.simulator.server import SHELVES, Behaviour, Simulated, serving, shelf_of
from hub_pipelines.portals.simulator.shelf import INSTITUTIONS, Asked, Reply
from hub_pipelines.portals.state import PollEnd, Tally
from hub_pipelines_tests.commands import run
from hub_pipelines_tests.messages import settle
from hub_pipelines_tests.support import assert_invariants, ledger_values, open_test_hub

_CAMPUSES = "".join(f'[campuses.{campus}]\ntime_zone = "America/New_York"\n\n' for campus in INSTITUTIONS)
_RECORD_TYPE = {"grants_gov": "grants.opportunity"}


def hub_of(home: Path, url: str, *portals: Simulated, quick: bool = True) -> Hub:
    tables = "\n".join(one.shelf.table(one.url) for one in portals)
    if quick:
        tables = tables.replace("interval_s = 0.1", "interval_s = 0").replace("interval_s = 0.02", "interval_s = 0")
    home.mkdir(parents=True, exist_ok=True)
    (home / "hub.toml").write_text(f"{_CAMPUSES}[limits]\nstable_s = 0.1\n\n{tables}", encoding="utf-8")
    hub = open_test_hub(home, url)
    return replace(hub, portals=replace(hub.portals, draw=lambda: 0.0))  # waits after failures end at once


def posted(hub: Hub, kind: str) -> dict[str, dict[str, object]]:
    """What the ledgers of all campuses hold, by key."""
    record_type = _RECORD_TYPE.get(kind, "grants.sponsor_award")
    return {key: one for campus in INSTITUTIONS for key, one in ledger_values(hub, f"{record_type}@{campus}").items()}


def settle_all(hub: Hub) -> None:
    for campus in INSTITUTIONS:
        settle(hub, campus)


def ours(simulated: Simulated) -> set[str]:
    """Natural ids of the records that are our institutions' (at Grants.gov: of the agency that is named)."""
    shelf = simulated.shelf
    names = {name.casefold() for name, _ in INSTITUTIONS.values()} | {"hhs-nih11"}
    found = set()
    for natural_id, raw in shelf.records.items():
        organization = raw.get("organization") or {}
        called = raw.get("awardeeName") or raw.get("Recipient Name") or raw.get("owningAgencyCode")
        if str(organization.get("org_name") or called).casefold() in names:
            found.add(natural_id)
    return found


@pytest.mark.parametrize("kind", sorted(SHELVES.keys() - {"sam"}))
def test_a_portals_records_are_posted_once_and_an_amended_one_again(tmp_path: Path, kind: str) -> None:
    """With some of the requests failing."""
    with serving(shelf_of(kind, records=90 if kind == "grants_gov" else 200), Behaviour(fail=0.05)) as simulated:
        hub = hub_of(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}", simulated)
        name = simulated.shelf.kind

        first = _to_the_end(hub, name)
        settle_all(hub)
        before = posted(hub, kind)

        assert {key.rpartition("|")[2] for key in before} == ours(simulated)
        assert first.taken == len(before)
        again = _to_the_end(hub, name)
        assert (again.taken, again.held, {one.messages for one in hub.inbox.waiting()}) == (0, 0, set())

        natural_id = sorted(ours(simulated))[0]
        simulated.shelf.amend(natural_id)
        assert _to_the_end(hub, name).taken == 1
        settle_all(hub)
        after = posted(hub, kind)
        (changed,) = [key for key in after if after[key] != before.get(key)]
        assert changed.rpartition("|")[2] == natural_id
        assert_invariants(hub)


def test_a_list_with_a_count_and_a_page_for_each_record_is_read_once(tmp_path: Path) -> None:
    with serving(shelf_of("grants_gov", records=250)) as simulated:
        hub = hub_of(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}", simulated)
        tally = _to_the_end(hub, "grants_gov")
    listed = len(ours(simulated))
    assert listed > 100
    assert tally.requests == listed + math.ceil(listed / 100)


class Slipping(GrantsGovShelf):
    """One that was listed is gone before the next page of the list, so that another one slips past."""

    lists = 0

    def answer(self, asked: Asked) -> Reply:
        self.lists += asked.path.endswith("search2")
        if self.lists == 2:
            self.lists += 1
            del self.records[min(self.records, key=int)]
        return super().answer(asked)


def test_a_list_whose_count_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    shelf = Slipping(250, datetime.now(UTC).date(), 1)
    with serving(shelf) as simulated:
        hub = hub_of(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}", simulated)
        gone = min(shelf.records, key=int)
        _to_the_end(hub, "grants_gov")
        settle_all(hub)
    assert {key.rpartition("|")[2] for key in posted(hub, "grants_gov")} - {gone} == ours(simulated)


def _to_the_end(hub: Hub, name: str) -> Tally:
    outcome = hub.portals.poll(name, for_s=60)
    assert outcome.end is PollEnd.COMPLETE, outcome
    return outcome.tally


def test_records_that_change_while_they_are_paged_are_each_taken_once(tmp_path: Path) -> None:
    """Records are amended and added before each answer, and some requests fail."""
    with serving(shelf_of("nih", records=2_500), Behaviour(fail=0.05, changing=5)) as simulated:
        hub = hub_of(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}", simulated)
        before = ours(simulated)

        tally = _to_the_end(hub, "nih")

        waiting = sum(one.messages for one in hub.inbox.waiting())
        assert waiting == tally.taken == tally.records
        settle_all(hub)
        assert before <= {key.rpartition("|")[2] for key in posted(hub, "nih")}


def test_a_record_with_a_renamed_field_is_held_with_old_and_new_and_is_taken_once_that_is_accepted(
    tmp_path: Path,
) -> None:
    with serving(shelf_of("nih", records=70)) as simulated:
        hub = hub_of(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}", simulated)
        natural_id = min(ours(simulated))
        raw = simulated.shelf.records[natural_id]
        place = {name: value for name, value in raw["organization"].items() if name != "primary_uei"}
        simulated.shelf.put({**raw, "organization": {**place, "uei": raw["organization"]["primary_uei"]}})

        tally = _to_the_end(hub, "nih")
        settle_all(hub)

        assert (tally.held, tally.taken) == (1, len(ours(simulated)) - 1)
        (item,) = hub.review.listing()
        fields = hub.portal_shapes.show(item.item_id)[2]
        assert [(one["path"], one["before"], one["now"]) for one in fields] == [
            ("organization.primary_uei", "text", "absent"),
            ("organization.uei", "absent", "text"),
        ]
        hub.portal_shapes.accept(item.item_id, actor="person/ann")
        settle_all(hub)
        assert {key.rpartition("|")[2] for key in posted(hub, "nih")} == ours(simulated)
        assert_invariants(hub)


def test_a_simulated_portal_has_outages_and_asks_for_patience() -> None:
    with serving(shelf_of("nsf", records=3), Behaviour(outage=(0.0, 2.0))) as simulated:
        address = f"{simulated.url}/services/v1/awards.json"
        while (answer := httpx.get(address, timeout=30)).status_code == 503:
            time.sleep(0.1)
        assert len(answer.json()["response"]["award"]) == 3
        assert list(simulated.outcomes) == ["outage", "answered"]
    with serving(shelf_of("nsf", records=3), Behaviour(per_second=0.1)) as simulated:
        first, second = (httpx.get(f"{simulated.url}/services/v1/awards.json", timeout=30) for _ in range(2))
        assert (first.status_code, second.status_code, second.headers["retry-after"]) == (200, 429, "1")


def test_a_simulated_portal_answers_at_once_on_a_connection_that_is_kept() -> None:
    with serving(shelf_of("nsf", records=3)) as simulated, httpx.Client(base_url=simulated.url) as client:

        def took_s() -> float:
            begun = time.perf_counter()
            client.get("/services/v1/awards.json").raise_for_status()
            return time.perf_counter() - begun

        took = [took_s() for _ in range(40)]
    # the first ones are acknowledged at once anyway, and a busy machine keeps some of the others waiting
    assert min(took[20:]) < 0.03, "what is sent in two parts waits 40 ms for the other side"


def test_a_simulated_portal_prints_the_settings_that_read_it() -> None:
    ended = run("simulate", "portal", "nih", "--port", "0", "--records", "30", "--seconds", "0.1", "--json")

    assert (ended.code, json.loads(ended.out)["records"]) == (0, 30)
    told = tomllib.loads(ended.err.partition("In hub.toml:")[2])
    assert told["portals"]["nih"]["institutions"]["north"]["ueis"] == ["NRTHSTATE111"]


def test_an_outage_is_written_as_two_numbers() -> None:
    assert "60:600" in run("simulate", "portal", "nih", "--outage", "soon").err


def test_the_portals_of_the_readme_are_settings_that_the_hub_takes(tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"^```toml\n(\[portals\.nih\].*?)^```", readme, re.M | re.S)
    (tmp_path / "hub.toml").write_text(f"{_CAMPUSES}{told}", encoding="utf-8")
    adapters = open_test_hub(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}").portals.adapters
    assert {name: one.every.days for name, one in adapters.items()} == {"nih": 1, "opportunities": 1, "sam": 1}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('kind = "nih"\n[portals.x.institutions.east]\nnames = ["A"]\n', "'east' is no campus"),
        ('kind = "nsf"\n[portals.x.institutions.north]\nnames = ["A", "a"]\n', "a is written twice"),
        ('kind = "nih"\n[portals.x.institutions.north]\nnames = ["A"]\nueis = ["12"]\n', "'12' is no UEI"),
        (
            'kind = "sam"\n[portals.x.institutions.north]\nnames = ["A"]\n'
            '[portals.x.auth]\nkind = "header"\nheader = "x-api-key"\nenv = "KEY"\n',
            "institutions.north has no `ueis`",
        ),
    ],
)
def test_settings_of_a_federal_portal_that_cannot_be_meant_are_refused(tmp_path: Path, wrong: str, told: str) -> None:
    (tmp_path / "hub.toml").write_text(f"{_CAMPUSES}[portals.x]\n{wrong}", encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        open_test_hub(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}")
