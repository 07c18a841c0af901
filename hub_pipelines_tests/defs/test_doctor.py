"""`hub doctor` on a hub in which one thing was really broken: it says what and names the command that mends it."""

import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from hub_pipelines.audit.checkpoints import service as checkpoints
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.defs.doctor import dagster_checks, start_again
from hub_pipelines.defs.instance import prepare_dagster_home
from hub_pipelines.doctor.home import file_system_of, is_network
from hub_pipelines.doctor.model import Check, Diagnosis, Finding, diagnose
from hub_pipelines.doctor.service import checks_of, settings_check
from hub_pipelines.hub import Hub, open_hub
from hub_pipelines.locks.service import release
from hub_pipelines.settings import Settings
from hub_pipelines.submission.queue import store as queue
from hub_pipelines_tests.capabilities import CAP_LEASE, without
from hub_pipelines_tests.commands import answer
from hub_pipelines_tests.disks import small_disk
from hub_pipelines_tests.messages import add_source, body_of, message, stock, take
from hub_pipelines_tests.support import (
    asset,
    expire_lease,
    lease,
    make_registry,
    open_test_hub,
    send_assets,
)

LONG_AGO = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> Iterator[Hub]:
    """A hub with something in it, on either database."""
    opened = open_test_hub(tmp_path / "home", database_url)
    make_registry(opened, ["NC-0001"])
    yield opened
    opened.db.dispose()


@pytest.fixture
def sqlite_hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "home").mkdir()
    opened = open_test_hub(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'hub.db'}")
    make_registry(opened, ["NC-0001"])
    yield opened
    opened.db.dispose()


def found(settings: Settings, *, overdue_s: float = 600) -> Diagnosis:
    return diagnose(checks_of(settings, overdue_s=overdue_s))


def only(settings: Settings, *, overdue_s: float = 600) -> Finding:
    (finding,) = found(settings, overdue_s=overdue_s).findings
    return finding


def execute(hub: Hub, statement: str) -> None:
    with hub.db.write() as tx:
        tx.execute(text(statement))


# ---- the hub itself


def test_nothing_is_found_on_a_hub_that_is_well(hub: Hub) -> None:
    diagnosis = found(hub.settings)
    assert diagnosis.findings == ()
    assert diagnosis.is_well
    assert len(diagnosis.checks) == 19


def test_a_check_that_cannot_be_made_is_a_finding_and_stops_no_other() -> None:
    def broken() -> Iterator[Any]:
        raise RuntimeError("the floor is gone\nand more")
        yield

    diagnosis = diagnose(
        [Check("first", broken, "hub why"), Check("second", lambda: [("warning", "thin ice", "ls")], "")]
    )
    assert diagnosis.findings == (
        Finding("first", "error", "This can't be checked (RuntimeError): the floor is gone", "hub why"),
        Finding("second", "warning", "thin ice", "ls"),
    )


@pytest.mark.parametrize("name", ["signing.pem", "hub.toml"])
def test_a_secret_that_others_may_read_is_an_error(sqlite_hub: Hub, name: str) -> None:
    settings = sqlite_hub.settings
    path = settings.keys / name if name == "signing.pem" else settings.home / name
    if name == "hub.toml":
        assert found(settings).is_well
        path.write_text(path.read_text() + '\n[database]\ndagster_url = "postgresql://hub:secret@host/dagster"\n')
    path.chmod(0o644)
    finding = only(settings)
    assert (finding.check, finding.severity) == ("permissions", "error")
    assert finding.command == f"chmod 600 {path}"
    subprocess.run(finding.command, shell=True, check=True)
    assert found(settings).is_well


def test_a_home_that_everybody_may_write_is_an_error(sqlite_hub: Hub) -> None:
    sqlite_hub.settings.archive.chmod(0o777)
    finding = only(sqlite_hub.settings)
    assert finding.command == f"chmod o-w {sqlite_hub.settings.archive}"


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "50m") as disk:
        (disk / "home").mkdir()
        opened = open_test_hub(disk / "home", f"sqlite:///{tmp_path / 'hub.db'}")
        (finding,) = [one for one in found(opened.settings).findings if one.check == "disk"]
        opened.db.dispose()
    assert finding.severity == "error"
    assert "keep_free_mb" in finding.text


def test_commands_can_be_typed_whatever_a_folder_is_called(sqlite_hub: Hub) -> None:
    strange = sqlite_hub.settings.drop / "north" / "lab's list"
    strange.mkdir()
    subprocess.run(only(sqlite_hub.settings).command, shell=True, check=True)
    assert not strange.exists()


def test_a_drop_folder_that_is_gone_and_one_that_belongs_to_nobody_are_told(sqlite_hub: Hub) -> None:
    drop = sqlite_hub.settings.drop
    (drop / "nroth").mkdir()
    (drop / "north" / "payroll").mkdir()
    shutil.rmtree(drop / "south")
    findings = found(sqlite_hub.settings).findings
    assert [(one.check, one.severity) for one in findings] == [
        ("drop folders", "error"),
        ("drop folders", "warning"),
        ("drop folders", "warning"),
    ]
    assert "drop/south can't be read" in findings[0].text[0].lower() + findings[0].text[1:]
    assert [one.command for one in findings[1:]] == [f"rmdir {drop / 'north' / 'payroll'}", f"rmdir {drop / 'nroth'}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="does without one of root's capabilities")
def test_a_folder_in_which_others_may_write_unseen_is_told(sqlite_hub: Hub) -> None:
    (sqlite_hub.settings.drop / "north" / "inventory").chmod(0o775)
    with without(CAP_LEASE):
        finding = only(sqlite_hub.settings)
    assert (finding.check, finding.severity) == ("drop folders", "warning")
    assert "Others may write in drop/north/inventory." in finding.text
    assert "CAP_LEASE" in finding.text
    assert found(sqlite_hub.settings).findings == ()


def test_a_missing_signing_key_is_told_and_not_made_anew(sqlite_hub: Hub) -> None:
    private = sqlite_hub.settings.keys / "signing.pem"
    private.unlink()
    finding = only(sqlite_hub.settings)
    assert (finding.check, finding.severity) == ("keys", "error")
    assert not private.exists()


def test_a_hub_that_holds_submissions_does_not_start_without_its_signing_key(sqlite_hub: Hub) -> None:
    settings = sqlite_hub.settings
    send_assets(sqlite_hub, "lab.csv", asset("NC-0001"))
    shutil.rmtree(settings.keys)
    with pytest.raises(SettingsError, match="Is keys/ mounted"):
        open_hub(settings)
    assert not (settings.keys / "signing.pem").exists()


@pytest.mark.parametrize("name", ["signing.pem", "next.pem"])
def test_a_campuss_key_that_others_may_read_is_an_error(sqlite_hub: Hub, name: str) -> None:
    sqlite_hub.checkpoints.keys.new_key("north")
    path = sqlite_hub.checkpoints.keys.path("north", name)
    path.chmod(0o640)
    finding = only(sqlite_hub.settings)
    assert (finding.check, finding.severity, finding.command) == ("permissions", "error", f"chmod 600 {path}")


def test_a_campuss_missing_key_is_told_and_not_made_anew(sqlite_hub: Hub) -> None:
    path = sqlite_hub.checkpoints.keys.path("hub")
    path.unlink()
    finding = only(sqlite_hub.settings)
    assert (finding.check, finding.severity) == ("keys", "error")
    assert "nothing of hub is signed" in finding.text
    assert not path.exists()


def test_another_key_in_the_place_of_a_campuss_is_told(hub: Hub) -> None:
    hub.checkpoints.make()
    path = hub.checkpoints.keys.path("north")
    path.write_bytes(hub.checkpoints.keys.path("south").read_bytes())
    finding = only(hub.settings)
    assert (finding.check, finding.severity) == ("checkpoints", "error")
    assert f"{path} is not the key that north's newest checkpoint names" in finding.text


def test_a_checkpoint_that_is_overdue_is_told_until_it_is_made(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "OVERDUE", timedelta(0))
    finding = only(hub.settings)
    assert (finding.check, finding.severity, finding.command) == ("checkpoints", "warning", "hub audit checkpoint")
    assert "What north's audit chain holds since" in finding.text
    hub.checkpoints.make()
    assert found(hub.settings).findings == ()


def test_a_checkpoint_without_its_file_is_told(hub: Hub) -> None:
    hub.checkpoints.make()
    (hub.settings.reports / "checkpoints" / "north" / "00000001.json").unlink()
    finding = only(hub.settings)
    assert (finding.check, finding.command) == ("checkpoints", "hub audit checkpoint")
    assert str(hub.settings.reports / "checkpoints") in finding.text


def test_a_damaged_key_and_another_one_in_its_place_are_told(sqlite_hub: Hub) -> None:
    keys = sqlite_hub.settings.keys
    original = (keys / "signing.pem").read_bytes()
    (keys / "signing.pem").write_bytes(b"-----BEGIN NOTHING")
    assert "can't be read as a signing key" in only(sqlite_hub.settings).text
    (keys / "signing.pem").write_bytes(original)
    (public,) = (keys / "public").iterdir()
    kept = public.read_bytes()
    public.unlink()
    missing, unverified = found(sqlite_hub.settings).findings
    assert (missing.check, unverified.check) == ("keys", "signatures")
    subprocess.run(missing.command, shell=True, check=True)
    assert public.read_bytes() == kept
    assert found(sqlite_hub.settings).is_well


def test_the_public_half_comes_back_with_its_folder(sqlite_hub: Hub) -> None:
    shutil.rmtree(sqlite_hub.settings.keys / "public")
    subprocess.run(found(sqlite_hub.settings).findings[0].command, shell=True, check=True)
    assert found(sqlite_hub.settings).is_well


def test_a_missing_database_is_told_and_not_made_anew(sqlite_hub: Hub) -> None:
    sqlite_hub.db.dispose()
    path = sqlite_hub.settings.home / "hub.db"
    path.unlink()
    findings = found(sqlite_hub.settings).findings
    assert "the hub does not start without it" in findings[0].text
    assert {one.severity for one in findings} == {"error"}
    assert not path.exists()


def test_a_damaged_sqlite_file_is_told(sqlite_hub: Hub) -> None:
    sqlite_hub.db.dispose()
    path = sqlite_hub.settings.home / "hub.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    findings = found(sqlite_hub.settings).findings
    assert findings[0].check == "database"
    assert "is damaged" in findings[0].text
    (path.parent / "backup").mkdir()
    (path.parent / "backup" / "hub.db").write_bytes(whole)
    stale = path.with_name("hub.db-wal")
    stale.write_bytes(b"what the damaged file left")
    subprocess.run(findings[0].command.replace("<backup>", str(path.parent / "backup")), shell=True, check=True)
    assert not stale.exists()
    assert found(sqlite_hub.settings).is_well
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    path.write_bytes(b"not a database at all")
    assert "is not an SQLite database" in found(sqlite_hub.settings).findings[0].text


def test_the_command_that_restores_a_database_brings_what_its_backup_has_in_the_log(sqlite_hub: Hub) -> None:
    path = sqlite_hub.settings.home / "hub.db"
    backup = path.parent / "backup"
    backup.mkdir()
    writing = sqlite3.connect(path)
    writing.execute("CREATE TABLE written_last (only_in_the_log)")
    writing.commit()
    for one in path.parent.glob("hub.db*"):
        shutil.copy(one, backup)
    writing.close()
    sqlite_hub.db.dispose()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    command = found(sqlite_hub.settings).findings[0].command
    subprocess.run(command.replace("<backup>", str(backup)), shell=True, check=True)
    restored = sqlite3.connect(path)
    assert restored.execute("SELECT count(*) FROM written_last").fetchone() == (0,)
    restored.close()
    assert found(sqlite_hub.settings).is_well


def test_an_sqlite_file_that_is_not_in_wal_mode_is_told(sqlite_hub: Hub) -> None:
    sqlite_hub.db.dispose()
    path = sqlite_hub.settings.home / "hub.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    finding = only(sqlite_hub.settings)
    assert "not in WAL mode" in finding.text
    assert found(sqlite_hub.settings).is_well  # opening it has set it again


@pytest.mark.parametrize(
    ("kind", "network"), [("ext4", False), ("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("tmpfs", False)]
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(tmp_path: Path, kind: str, network: bool) -> None:
    mounts = f"/dev/sda / xfs rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\nother {tmp_path}-else nfs rw 0 0\n"
    assert file_system_of(tmp_path / "home" / "hub.db", mounts) == kind
    assert is_network(kind) is network
    assert file_system_of(Path("/"), mounts) == "xfs"


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    opened = open_test_hub(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}")
    away = opened.settings.model_copy(update={"database_url": "postgresql://hub:x@127.0.0.1:1/hub"})
    findings = found(away).findings
    assert findings[0].check == "database"
    assert "did not answer" in findings[0].text
    opened.db.dispose()


@pytest.mark.parametrize("what", ["table", "column", "guard"])
def test_a_schema_that_lacks_something_is_told(hub: Hub, what: str) -> None:
    statements = {
        "table": "DROP TABLE pause",
        "column": "ALTER TABLE submission DROP COLUMN run_id",
        "guard": "DROP TRIGGER journal_refuses_changes ON journal"
        if hub.db.is_postgres
        else "DROP TRIGGER journal_refuses_update",
    }
    execute(hub, statements[what])
    told = {one.check: one.text for one in found(hub.settings).findings}
    assert {"table": "table pause", "column": "column submission.run_id", "guard": "guard journal_refuses"}[
        what
    ] in told["schema"]


@pytest.mark.parametrize("table", ["journal", "audit_entry", "audit_checkpoint", "decision", "migration_decision"])
def test_a_guard_that_is_gone_is_put_back_by_the_statement_that_is_told(hub: Hub, table: str) -> None:
    guard = f"{table}_refuses_changes ON {table}" if hub.db.is_postgres else f"{table}_refuses_delete"
    execute(hub, f"DROP TRIGGER {guard}")
    finding = only(hub.settings)
    assert f"guard {table}_refuses" in finding.text
    execute(hub, shlex.split(finding.command)[-1])
    assert found(hub.settings).findings == ()


@pytest.mark.parametrize(("version", "severity"), [("0001", "warning"), ("9999", "error")])
def test_a_database_of_another_release_is_told(hub: Hub, version: str, severity: str) -> None:
    execute(hub, f"UPDATE hub_schema_version SET version_num = '{version}'")
    finding = only(hub.settings)
    assert (finding.check, finding.severity) == ("schema", severity)
    assert version in finding.text


def test_a_clock_that_went_back_is_told(hub: Hub) -> None:
    future = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    guard = "audit_entry_refuses_changes ON audit_entry" if hub.db.is_postgres else "audit_entry_refuses_update"
    execute(hub, f"DROP TRIGGER {guard}")
    execute(hub, f"UPDATE audit_entry SET at = '{future}'")
    assert "in the future: a clock went back" in {one.check: one.text for one in found(hub.settings).findings}["clock"]


# ---- messages


def test_an_inbox_that_fills_and_one_that_nobody_empties_are_told(hub: Hub) -> None:
    body = body_of(stock("Ethanol", 5))
    take(hub, *(message(f"m-{at}", body) for at in range(950)))
    assert found(hub.settings).findings == ()
    for capacity, severity in ((1_200, "warning"), (1_000, "error")):
        messages = hub.settings.messages.model_copy(update={"capacity_messages": capacity})
        finding = only(hub.settings.model_copy(update={"messages": messages}))
        assert (finding.check, finding.severity, finding.command) == ("messages", severity, "hub up")
        assert f"950 of {capacity:,} messages" in finding.text
    (unsealed,) = (one for one in found(hub.settings, overdue_s=-1).findings if one.check == "messages")
    assert (unsealed.severity, unsealed.command) == ("warning", "hub up")
    assert "950 messages of north (inventory.stock) wait" in unsealed.text
    replace(hub.sealing, messages=900).seal_due("north", at_once=True)
    with hub.inbox.db.write() as tx:
        tx.execute(text("UPDATE inbox_batch SET submission = NULL"))
    (split,) = (one for one in found(hub.settings, overdue_s=-1).findings if one.check == "messages")
    assert (split.severity, split.command) == ("warning", "hub status")
    assert "50 messages of north (inventory.stock) wait" in split.text
    hub.sealing.seal_due("north")
    behind = [one for one in found(hub.settings, overdue_s=-1).findings if one.check == "messages"]
    assert [one.command.split("-")[0] for one in behind] == ["hub why north"]


def test_a_lost_inbox_and_a_lost_secret_are_told(sqlite_hub: Hub) -> None:
    add_source(sqlite_hub)
    (secret,) = sqlite_hub.settings.source_keys.glob("erp/*")
    secret.chmod(0o644)
    finding = only(sqlite_hub.settings)
    assert (finding.check, finding.command) == ("secrets of sources", f"chmod 600 {secret}")
    secret.unlink()
    assert only(sqlite_hub.settings).command == "hub sources rotate erp"
    sqlite_hub.sources.revoke("erp", actor="person/tester", reason="test")
    assert found(sqlite_hub.settings).findings == ()
    sqlite_hub.inbox.db.dispose()
    sqlite_hub.settings.inbox_path.unlink()
    assert "is missing" in only(sqlite_hub.settings).text
    assert not sqlite_hub.settings.inbox_path.exists()


# ---- stuck submissions


def test_a_lease_past_due_is_told_with_the_command_that_ends_it(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lease(hub, request_id, "run-a")
    assert found(hub.settings).is_well
    expire_lease(hub, request_id)
    finding = only(hub.settings)
    assert (finding.check, finding.command) == ("leases", f"hub locks release {request_id}")
    assert "run-a" in finding.text


@pytest.mark.parametrize("state", ["received", "retrying"])
def test_what_is_due_and_is_not_launched_is_told(hub: Hub, state: str) -> None:
    hub.receipts.write_due()
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    if state == "retrying":
        release(hub, lease(hub, request_id).request_id, actor="person/ann", force=True, run_lives=lambda _run: True)
    assert found(hub.settings).findings == ()  # in good time
    finding = only(hub.settings, overdue_s=0)
    assert (finding.check, finding.severity, finding.command) == ("launches", "error", "hub up")
    assert f"{request_id} is {state} and due since" in finding.text
    hub.pausing.pause("north", actor="person/ann", reason="maintenance")
    hub.receipts.write_due()
    assert found(hub.settings, overdue_s=0).findings == ()  # it waits on purpose
    execute(hub, f"UPDATE pause SET paused_at = '{LONG_AGO}'")
    finding = only(hub.settings, overdue_s=0)
    assert (finding.check, finding.severity, finding.command) == ("pauses", "warning", "hub resume --campus north")


def test_a_backlog_that_is_worked_off_is_not_what_nothing_launches(hub: Hub) -> None:
    waiting = send_assets(hub, "lab.csv", asset("NC-0001"))
    launched = send_assets(hub, "other.csv", asset("NC-0001", item_name="Pump"))
    hub.receipts.write_due()
    long_ago = f"UPDATE audit_entry SET at = '{LONG_AGO}' WHERE request_id = '{waiting}'"
    guard = "audit_entry_refuses_changes ON audit_entry" if hub.db.is_postgres else "audit_entry_refuses_update"
    execute(hub, f"DROP TRIGGER {guard}")
    execute(hub, long_ago)
    assert waiting in {one.check: one.text for one in found(hub.settings).findings}["launches"]
    with hub.db.write() as tx:
        queue.mark_launched(tx, launched)
    assert "launches" not in {one.check for one in found(hub.settings).findings}


def test_receipts_that_are_not_written_are_told(hub: Hub) -> None:
    execute(hub, f"UPDATE submission SET receipt_due = true, settled_at = '{LONG_AGO}'")
    finding = only(hub.settings)
    assert (finding.check, finding.severity) == ("receipts", "warning")
    hub.receipts.write_due()
    assert found(hub.settings).findings == ()


def test_a_submission_in_review_that_nobody_sees_is_told(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    execute(hub, f"UPDATE submission SET state = 'in_review', cause = 'unreadable' WHERE request_id = '{request_id}'")
    finding = only(hub.settings)
    assert (finding.check, finding.command) == ("review", "hub reconcile")
    assert request_id in finding.text


def test_what_waits_for_a_campus_that_the_settings_no_longer_name_is_told(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    campuses = {"south": hub.settings.campuses["south"]}
    findings = found(hub.settings.model_copy(update={"campuses": campuses})).findings
    assert [(one.check, one.severity) for one in findings] == [("drop folders", "warning"), ("scopes", "error")]
    assert request_id in findings[1].text


# ---- Dagster


def of_dagster(settings: Settings) -> dict[str, Finding]:
    return {one.check: one for one in diagnose(dagster_checks(settings)).findings}


def test_a_hub_that_was_never_started_and_one_that_is_down_are_told(sqlite_hub: Hub) -> None:
    findings = of_dagster(sqlite_hub.settings)
    assert set(findings) == {"Dagster's storage", "daemon"}
    assert "never been started" in findings["Dagster's storage"].text
    assert findings["daemon"].severity == "warning"
    prepare_dagster_home(sqlite_hub.settings)
    send_assets(sqlite_hub, "lab.csv", asset("NC-0001"))
    findings = of_dagster(sqlite_hub.settings)
    assert set(findings) == {"daemon"}
    assert (findings["daemon"].severity, findings["daemon"].command) == ("error", "hub up")
    assert "1 submissions wait" in findings["daemon"].text


def test_another_storage_in_dagsters_page_than_in_the_settings_is_told(sqlite_hub: Hub) -> None:
    page = prepare_dagster_home(sqlite_hub.settings) / "dagster.yaml"
    page.write_text(page.read_text().replace(str(sqlite_hub.settings.dagster_home / "storage"), "/elsewhere/storage"))
    assert "names another storage" in of_dagster(sqlite_hub.settings)["Dagster's storage"].text


def test_a_hub_on_postgresql_with_dagster_on_sqlite_is_a_warning(sqlite_hub: Hub, postgres_url: str) -> None:
    settings = sqlite_hub.settings.model_copy(update={"database_url": postgres_url})
    prepare_dagster_home(settings)
    finding = of_dagster(settings)["Dagster's storage"]
    assert finding.severity == "warning"
    assert "Dagster on SQLite" in finding.text


def test_a_database_of_dagsters_that_does_not_answer_is_told_with_its_setting(sqlite_hub: Hub) -> None:
    page = prepare_dagster_home(sqlite_hub.settings) / "dagster.yaml"
    url = "postgresql+psycopg2://u:p@127.0.0.1:1/dagster"
    config = yaml.safe_load(page.read_text()) | {"storage": {"postgres": {"postgres_url": url}}}
    page.write_text(yaml.safe_dump(config))
    findings = of_dagster(sqlite_hub.settings.model_copy(update={"dagster_database_url": url}))
    for check in ("Dagster's storage", "daemon"):
        assert "This can't be checked: Dagster's database did not answer: connection to" in findings[check].text
        assert "HUB_DAGSTER_DATABASE_URL" in findings[check].text


def test_another_version_of_dagster_than_the_project_asks_for_is_told(
    sqlite_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_dagster_home(sqlite_hub.settings)
    other = tmp_path / "site" / "dagster_webserver-1.12.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: dagster-webserver\nVersion: 1.12.0\n")
    monkeypatch.syspath_prepend(str(other.parent))
    findings = [one for one in diagnose(dagster_checks(sqlite_hub.settings)).findings if "version" in one.check]
    assert "dagster-webserver 1.12.0 is installed" in findings[0].text
    assert "different versions" in findings[1].text


def test_a_code_server_that_does_not_answer_is_told(sqlite_hub: Hub) -> None:
    import fcntl

    home = prepare_dagster_home(sqlite_hub.settings)
    (home / "workspace.yaml").write_text("load_from:\n  - grpc_server: {host: 127.0.0.1, port: 1, location_name: x}\n")
    handle = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    findings = of_dagster(sqlite_hub.settings)
    os.close(handle)
    assert "does not answer on port 1" in findings["code server"].text
    assert "no sensor has ticked ever" in findings["daemon"].text


# ---- the command


def test_the_command_tells_what_is_wrong_and_exits_with_1(home: Path) -> None:
    answer("status")
    well = answer("doctor")
    assert well["ok"] is True
    assert {one["severity"] for one in well["findings"]} == {"warning"}  # it was never started
    (home / "keys" / "signing.pem").chmod(0o644)
    ill = answer("doctor", code=1)
    assert [one["command"] for one in ill["findings"] if one["severity"] == "error"] == [
        f"chmod 600 {home / 'keys' / 'signing.pem'}"
    ]


def test_settings_that_cannot_be_read_are_a_finding(home: Path) -> None:
    (home / "hub.toml").write_text("[campuses.north]\ntime_zone = 'Mars/Phobos'\n")
    ill = answer("doctor", code=1)
    assert [one["check"] for one in ill["findings"]] == ["settings"]
    assert "Mars/Phobos" in ill["findings"][0]["text"]
    (home / "hub.toml").unlink()
    assert "is no hub's home" in answer("doctor", code=1)["findings"][0]["text"]
    assert not (home / "hub.toml").exists()


def test_a_storage_for_dagster_that_it_cannot_use_is_a_finding(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DAGSTER_DATABASE_URL", "mysql://user@host/dagster")
    (home / "hub.toml").touch()
    (finding,) = diagnose([settings_check(home / "hub.toml")]).findings
    assert "must be a PostgreSQL address" in finding.text


def test_hub_up_is_started_again_only_when_the_first_one_has_stopped(tmp_path: Path) -> None:
    """A second one is refused while the first still stops, and then none runs."""
    said = tmp_path / "said"
    slow = (
        "import pathlib, signal, sys, time\n"
        f"stop = lambda *_: (time.sleep(1), pathlib.Path({str(said)!r}).touch(), sys.exit())\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", slow], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        threading.Thread(target=first.wait).start()
        again = start_again(first.pid).replace("hub up", f"ls {said}")
        subprocess.run(again, shell=True, check=True, timeout=20)
