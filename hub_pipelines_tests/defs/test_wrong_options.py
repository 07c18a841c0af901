"""What an operator mistypes is told in one line, whichever command it is: nothing is taken without a word, and no trace
is shown."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.settings import load
from hub_pipelines_tests.commands import Ended, printed, run
from hub_pipelines_tests.support import asset, send_assets

DAYS = ("--from", "2026-03-01", "--to", "2026-03-02")
REVERSED = ("--from", "2026-03-02", "--to", "2026-03-01")
INVENTORY = ("--feed", "inventory")


@pytest.fixture
def hub(home: Path) -> Iterator[Hub]:
    assert home.is_dir()
    opened = open_hub(load(KNOWN_FEEDS))
    yield opened
    opened.db.dispose()


def refused(*command: str, code: int = 1) -> str:
    """What a command that took nothing has told, in one line unless its usage was wrong."""
    ended: Ended = run(*command)
    assert (ended.code, ended.out) == (code, ""), ended
    assert "Errno" not in ended.err
    assert code == 2 or len(ended.err.strip().splitlines()) == 1, ended.err
    return " ".join(ended.err.replace("│", " ").split())


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "command",
    [
        ("shapes", "list"),
        ("mapping", "list"),
        ("mapping", "try", __file__, *INVENTORY),
        ("locks", "list"),
        ("partitions", "revive", *INVENTORY, *DAYS),
        ("retention", "status"),
        ("hold", "add", "--reason", "x", *DAYS),
        ("pause", "--reason", "x"),
        ("submit", __file__, *INVENTORY),
        ("preview", __file__, *INVENTORY),
        ("requeue", "--cause", "drift"),
        ("backfill", *INVENTORY, *DAYS),
        ("ledger", "export", "--type", "inventory.asset"),
        ("findings", "list"),
        ("findings", "evaluate"),
        ("report", "--no-open"),
        ("simulate", "erp"),
        ("audit", "rotate-key"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_a_campus_that_there_is_not_is_told_with_those_that_there_are(command: tuple[str, ...]) -> None:
    assert "There is no campus 'nroth'. Campuses in hub.toml: north, south" in refused(*command, "--campus", "nroth")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "command",
    [
        ("shapes", "list"),
        ("mapping", "list"),
        ("mapping", "try", __file__, "--campus", "north"),
        ("partitions", "list"),
        ("partitions", "retire", "--older-than", "5"),
        ("partitions", "revive", *DAYS),
        ("retention", "status"),
        ("hold", "add", "--reason", "x", *DAYS),
        ("pause", "--reason", "x"),
        ("submit", __file__, "--campus", "north"),
        ("preview", __file__, "--campus", "north"),
        ("backfill", "--campus", "north", *DAYS),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_a_feed_that_there_is_not_is_told_with_those_that_there_are(command: tuple[str, ...]) -> None:
    assert "There is no feed 'foo'. Feeds in hub.toml: procurement, inventory" in refused(*command, "--feed", "foo")


def test_what_the_settings_no_longer_name_is_still_listed_where_something_came_for_it(hub: Hub, home: Path) -> None:
    send_assets(hub, "lab.csv", asset("NC-0001"))
    (home / "hub.toml").write_text("[campuses.south]\n", encoding="utf-8")
    assert "No file has been posted" in printed("shapes", "list", "--campus", "north", "--feed", "inventory")
    assert "Nothing is remembered" in printed("mapping", "list", "--campus", "north")
    assert "There is no campus 'north'" in refused("pause", "--reason", "x", "--campus", "north")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "command",
    [
        ("partitions", "revive", *INVENTORY),
        ("hold", "add", "--reason", "x", *INVENTORY),
        ("backfill", *INVENTORY, "--campus", "north"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_days_in_the_wrong_order_are_told(command: tuple[str, ...]) -> None:
    assert refused(*command, *REVERSED) == "--from 2026-03-02 is after --to 2026-03-01."


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("ledger", "export", "--type", "inventory.asset", "--campus", "north", "--as-of", "2999-01-01"), "--as-of"),
        (("poll", "nih", "--since", "2999-01-01"), "--since"),
        (("report", "--weekly", "--week", "2999-W01", "--no-open"), "--week"),
    ],
    ids=["as-of", "since", "week"],
)
def test_a_day_that_is_yet_to_come_is_told_where_only_what_was_can_be_asked(
    command: tuple[str, ...], told: str
) -> None:
    assert f"{told} 2999-" in refused(*command)
    assert "is yet to come" in refused(*command)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "command",
    [
        ("partitions", "retire", "some-request", *INVENTORY),
        ("partitions", "revive", "some-request", "--campus", "north"),
        ("partitions", "revive", "some-request", "--from", "2026-03-01"),
    ],
    ids=["retire --feed", "revive --campus", "revive --from"],
)
def test_options_that_would_say_nothing_beside_request_ids_are_told(command: tuple[str, ...]) -> None:
    assert "Name request_ids, or --" in refused(*command)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("up", "--port", "99999"), "--port"),
        (("up", "--port", "0"), "--port"),
        (("demo", "--port", "-1"), "--port"),
        (("simulate", "portal", "nih", "--port", "99999"), "--port"),
        (("simulate", "portal", "nih", "--seconds", "1e300"), "--seconds"),
        (("drain", "--timeout-s", "-5"), "--timeout-s"),
        (("requeue", "x", "--timeout-s", "-5"), "--timeout-s"),
        (("poll", "nih", "--timeout-s", "-5"), "--timeout-s"),
        (("audit", "prove", "x", "--row", "0"), "--row"),
        (("sources", "rotate", "x", "--keep-h", "1e300"), "--keep-h"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_number_that_cannot_be_is_wrong_usage(command: tuple[str, ...], option: str) -> None:
    assert f"Invalid value for '{option}'" in refused(*command, code=2)


@pytest.mark.usefixtures("hub")
def test_a_port_that_another_program_has_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is taken by another program" in refused("simulate", "portal", "nih", "--port", port)


@pytest.mark.usefixtures("hub")
def test_an_outage_does_not_begin_before_the_start() -> None:
    assert "is no outage" in refused("simulate", "portal", "nih", "--port", "0", "--outage=-5:60")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "command",
    [
        ("migration", "add"),
        ("audit", "verify-row"),
        ("audit", "verify-bundle", "--public-key", "no.pem"),
        ("submit", *INVENTORY, "--campus", "north"),
        ("mapping", "try", *INVENTORY, "--campus", "north"),
        ("review", "edit", "some-item", "--file"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_a_file_that_is_not_there_is_told_by_its_name(command: tuple[str, ...]) -> None:
    assert refused(*command, "nofile") == "nofile is not a file. Is the path right?"


def test_a_bundle_that_cannot_be_written_where_it_is_to_be_is_told(hub: Hub, tmp_path: Path) -> None:
    send_assets(hub, "lab.csv", asset("NC-0001"))
    (tmp_path / "file").write_bytes(b"")
    to = tmp_path / "file" / "bundle"
    told = refused("audit", "export", "--campus", "north", "--to", str(to))
    assert told.startswith(f"--to {to}: nothing can be written there (Not a directory). Name a file in a folder")
    assert "Those have: north" in refused("audit", "export", "--campus", "nroth", "--to", str(tmp_path / "bundle"))


@pytest.mark.usefixtures("hub")
def test_a_file_that_cannot_be_read_to_its_end_is_told_without_the_number_that_python_has_for_it() -> None:
    told = refused("migration", "add", "/proc/self/mem")
    assert "Input/output error. Is the path right, and may this user read and write there?" in told


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("command", [("drain",), ("reconcile", "--dry-run"), ("up", "--port", "3999")])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "Dagster's database did not answer: connection to server at"),
        ("postgresql://u:hunter2@127.0.0.1:port/x", "must be a PostgreSQL address"),
        ("postgresql://u:hunter2@127.0.0.1/x?nonsense=1", "is no address that PostgreSQL takes"),
    ],
    ids=["unreachable", "bad-port", "unknown-parameter"],
)
def test_a_database_of_dagsters_that_cannot_be_used_is_told_with_its_setting(
    command: tuple[str, ...], url: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DAGSTER_DATABASE_URL", url)
    line = refused(*command)
    assert told in line
    assert "HUB_DAGSTER_DATABASE_URL (or [database] dagster_url in hub.toml)" in line
    assert "hunter2" not in line


def test_a_storage_of_dagster_that_the_disk_denies_is_told_in_one_sentence_with_the_room_that_is_left(
    hub: Hub,
) -> None:
    send_assets(hub, "lab.csv", asset("NC-0001"))
    (hub.settings.dagster_home / "storage" / "history" / "runs.db").mkdir(parents=True)
    ended = run("drain")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    told = ended.err.strip().splitlines()[-1]
    assert told.startswith(f"A database in {hub.settings.home} can't be read or written: ")
    assert "MB are free" in told
