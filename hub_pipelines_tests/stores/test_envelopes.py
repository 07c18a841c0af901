"""Archived envelopes beside those in the database: what is lost is named, and written again, on both databases."""

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.recovery import envelopes
from hub_pipelines.recovery.model import Kind, Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.submission import store as submissions
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.stores.test_recovery import KnownRuns, forget, kinds, look, recovery_events
from hub_pipelines_tests.support import (
    asset,
    inventory_csv,
    send,
    send_assets,
    submission,
)


def file_of(hub: Hub, request_id: str) -> Path:
    (path,) = hub.archive.envelopes_of(request_id)
    return path


def rename_in(path: Path) -> None:
    """Edit an envelope's file, as one with rights on the archive can."""
    told = json.loads(path.read_text(encoding="utf-8"))
    path.chmod(0o644)
    path.write_text(json.dumps({**told, "source_name": "other.csv"}), encoding="utf-8")


@pytest.mark.parametrize(("change", "how"), [(Path.unlink, "is missing"), (rename_in, "is not what was signed")])
def test_an_archived_envelope_that_is_gone_or_edited_is_named_and_the_reconciler_writes_it_again(
    hub: Hub, request_id: str, change: object, how: str
) -> None:
    assert verify_all(hub).ok
    path = file_of(hub, request_id)
    before = path.read_bytes()
    change(path)  # type: ignore[operator]
    named = f"archive/{path.relative_to(hub.settings.archive)}"
    what = f"{request_id}: The archived envelope {named} {how}."
    assert verify_all(hub).first_bad == f"{what} `hub reconcile` writes it again from the database."

    (found,) = look(hub, dry_run=True).left
    assert (found.kind, found.what, found.done) == (Kind.ENVELOPE_LOST, what, None)
    report = look(hub)
    assert kinds(report) == [Kind.ENVELOPE_LOST]
    assert report.left == ()
    assert path.read_bytes() == before
    assert recovery_events(hub, request_id) == ["recovery:envelope_written"]
    (story,) = explain(hub, request_id).stories
    told = [one.what for one in story.moments]
    assert any("the reconciler wrote its archived envelope again" in one for one in told)
    assert look(hub).findings == ()
    assert verify_all(hub).ok
    assert_invariants(hub)


def test_what_was_written_again_is_registered_when_the_database_is_lost_afterwards(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    file_of(hub, request_id).unlink()
    look(hub)
    before = submission(hub, request_id).envelope
    forget(hub, request_id)
    assert kinds(look(hub, unregistered_s=0.0)) == [Kind.NOT_REGISTERED]
    assert submission(hub, request_id).envelope == before


def test_an_envelope_that_the_database_does_not_have_as_it_was_signed_is_not_written(hub: Hub, request_id: str) -> None:
    path = file_of(hub, request_id)
    path.unlink()
    forged = {**submission(hub, request_id).envelope.document(), "source_name": "other.csv"}
    with hub.db.write() as tx:
        where = submissions.submission.c.request_id == request_id
        tx.execute(update(submissions.submission).where(where).values(envelope=forged))
    report = look(hub)
    (found,) = report.left
    assert found.kind is Kind.ENVELOPE_LOST
    assert "It can't be written again: " in found.what
    assert report.checks()["every_envelope_is_archived"] == (found,)
    assert hub.archive.envelopes_of(request_id) == []


def test_when_all_envelopes_are_gone_each_stretch_brings_its_own_back(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelopes, "_AT_ONCE", 2)
    sent = [send_assets(hub, f"lab-{number}.csv", asset(f"N-{number}")) for number in range(5)]
    shutil.rmtree(hub.settings.archive / "envelopes")
    position = Position()
    for _ in range(3):
        position = Position.from_document(json.loads(json.dumps(position.document())))
        report = Reconciler(hub, KnownRuns(), budget_s=-1.0).look(position, thorough=True)
        assert len(report.mended) in (1, 2)
        position = report.position
    assert sorted(hub.archive.request_ids()) == sorted(sent)
    assert verify_all(hub).ok
    assert position == Position(heads=position.heads)


def test_the_envelope_of_a_conflict_is_missed_and_not_made_up(hub: Hub) -> None:
    first = send(hub, "lab.csv", inventory_csv([asset("N-1")]), sender_key="k-1")
    other = send(hub, "lab.csv", inventory_csv([asset("N-2")]), sender_key="k-1")
    request_id = str(first.request_id)
    assert len(hub.archive.envelopes_of(request_id)) == 2
    assert verify_all(hub).ok
    own = hub.archive.envelope_path(submission(hub, request_id).envelope)
    (path,) = {*hub.archive.envelopes_of(request_id)} - {own}
    rename_in(path)
    assert look(hub).findings == ()
    assert verify_all(hub).first_bad == (
        f"lab.csv, a conflict with {other.request_id}: its archived envelope is missing or was changed. "
        "Restore it from a backup."
    )


def test_an_envelope_beside_that_of_a_submission_is_nobodys_trouble(hub: Hub, request_id: str) -> None:
    """Who died before the commit has left one, and came again."""
    path = file_of(hub, request_id)
    path.with_stem("0" * 64).write_bytes(path.read_bytes())
    assert verify_all(hub).ok
    with hub.db.write() as tx:
        tx.execute(delete(submissions.attempt))
    assert look(hub).findings == ()
