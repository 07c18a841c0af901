"""Systems that send messages, by commands alone."""

from pathlib import Path

import pytest

from hub_pipelines.audit.store import audit_entry
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.settings import load
from hub_pipelines_tests.commands import answer, printed


def test_a_system_is_added_gets_other_rights_and_keys_and_is_revoked(home: Path) -> None:
    added = answer("sources", "add", "erp", "--may", "north/inventory", "--by", "Ada Lovelace")
    assert added["addresses"] == [address("north")]
    assert added["secret"].startswith("whsec_")
    permitted = answer("sources", "permit", "erp", "--may", "*/inventory", "--by", "Ada Lovelace")
    assert set(permitted["addresses"]) == {address("north"), address("south"), address("west")}
    assert address("south") in printed("sources", "permit", "erp", "--may", "south/inventory")
    (listed,) = answer("sources", "list")["sources"]
    assert (listed["may"], len(listed["keys"])) == (["south/inventory"], 2)
    rotated = answer("sources", "rotate", "erp")
    assert (rotated["addresses"], rotated["secret"] == added["secret"]) == ([address("south")], False)
    assert len(answer("sources", "list")["sources"][0]["keys"]) == 4
    answer("sources", "revoke", "erp", "--reason", "replaced")
    assert "revoked" in printed("sources", "list")
    for command in ("permit", "rotate"):
        wrong = answer("sources", command, "erp", *(["--may", "north/*"] if command == "permit" else []), code=1)
        assert "was revoked" in wrong["error"]
    assert events(home) == ["source:added", "source:permitted", "source:permitted", "source:rotated", "source:revoked"]


@pytest.mark.usefixtures("home")
def test_rights_that_there_are_not_change_nothing() -> None:
    answer("sources", "add", "erp", "--may", "north/inventory")
    wrong = answer("sources", "permit", "erp", "--may", "north/nothing", code=1)
    assert "is no campus and feed of this hub" in wrong["error"]
    assert "There is no source" in answer("sources", "permit", "lims", "--may", "north/*", code=1)["error"]
    assert answer("sources", "list")["sources"][0]["may"] == ["north/inventory"]


def address(campus: str) -> str:
    return f"http://127.0.0.1:3001/v1/{campus}/inventory/messages?source=erp"


def events(home: Path) -> list[str]:
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    with hub.db.read() as tx:
        told = audit_entry.select().where(audit_entry.c.event.like("source:%")).order_by(audit_entry.c.seq)
        return [row.event for row in tx.execute(told)]
