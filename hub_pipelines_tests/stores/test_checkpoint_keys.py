"""The keys that sign checkpoints, on both databases: swapped, lost, rotated and forged ones."""

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.audit.checkpoints import service
from hub_pipelines.audit.checkpoints.keys import NEXT, CampusKeys
from hub_pipelines.audit.checkpoints.model import Checkpoint
from hub_pipelines.audit.checkpoints.service import NotSigned
from hub_pipelines.audit.model import link_of
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.hub import Hub
from hub_pipelines_tests.tampering import (
    append,
    bundle_of,
    checkpoint,
    delete_checkpoints,
    edited,
    entries,
    files_of,
    first_bad,
    overwrite,
    replace_text,
    rewrite,
    strangers,
    texts,
    with_statement,
)

SIGNERS = ("south", "north", "hub")
WHO = {"actor": "person/kim"}


def test_a_swapped_private_key_signs_nothing(signed: Hub, tmp_path: Path) -> None:
    append(signed, "north", "n8")
    shutil.copy(strangers(tmp_path / "strangers").path("north"), signed.checkpoints.keys.path("north"))
    assert signed.checkpoints.keys_astray() == {"north": signed.checkpoints.keys.path("north")}
    with pytest.raises(SettingsError) as refused:
        signed.checkpoints.make()
    assert "is not the key" in str(refused.value)
    assert "hub audit rotate-key --campus north --lost" in str(refused.value)


def test_a_checkpoint_signed_with_a_swapped_key_is_found(signed: Hub, tmp_path: Path) -> None:
    keys = strangers(tmp_path / "strangers")
    one = checkpoint(signed, "north", 2)
    forged = one.signed([keys.signer("north").sign(one.message()), *one.signatures[1:]])
    replace_text(signed, "north", 2, forged.text())
    assert first_bad(signed) == "checkpoint 2 of north in the database lacks the signature of north"


def test_a_public_key_that_was_put_in_place_of_another_verifies_nothing(signed: Hub, tmp_path: Path) -> None:
    keys = signed.checkpoints.keys
    (there,) = (keys.folder / "north" / "public").glob("*.pem")
    (strange,) = (strangers(tmp_path / "strangers").folder / "north" / "public").glob("*.pem")
    shutil.copy(strange, there)
    assert "is signed with a key of north that is not known here" in first_bad(signed)


def rewritten_with_everything(hub: Hub) -> None:
    """Chain, checkpoints, files and keys anew, by somebody who may write all of this machine."""
    rewrite(hub, "north", lambda told: told.__setitem__(slice(None), [(at, edited(one)) for at, one in told]))
    for campus in ("north", "south"):
        delete_checkpoints(hub, campus, 1, 2)
    for files in hub.checkpoints.places.values():
        shutil.rmtree(files.folder)
    shutil.rmtree(hub.checkpoints.keys.folder)
    hub.checkpoints.make()


def test_a_whole_chain_written_anew_with_new_keys_and_checkpoints_is_found_by_the_old_public_key(
    signed: Hub, tmp_path: Path
) -> None:
    held = signed.checkpoints.keys.current("north")
    kept_elsewhere = tmp_path / "elsewhere"
    shutil.copytree(signed.settings.reports / "checkpoints", kept_elsewhere)
    rewritten_with_everything(signed)
    assert signed.checkpoints.verify().ok, "on this machine nothing is left that tells"
    assert not signed.checkpoints.verify(kept_elsewhere).ok
    report = bundle_of(signed, tmp_path, [held])
    assert f"{held.key_id} has signed nothing in this bundle" in str(report.unproved)
    assert (report.ok, report.signed_upto) == (False, 0)


def test_a_key_that_others_may_read_signs_nothing(signed: Hub) -> None:
    append(signed, "north", "n8")
    signed.checkpoints.keys.path("south").chmod(0o640)
    with pytest.raises(SettingsError) as refused:
        signed.checkpoints.make()
    assert f"chmod 600 {signed.checkpoints.keys.path('south')}" in str(refused.value)


def test_a_rotated_key_is_introduced_by_the_old_one_and_both_verify_their_periods(signed: Hub, tmp_path: Path) -> None:
    old = signed.checkpoints.keys.current("north")
    one = signed.checkpoints.rotate("north", actor="person/kim")
    new = signed.checkpoints.keys.current("north")
    assert (one.key_id, one.active_after) == (old.key_id, new.key_id)
    append(signed, "north", "later")
    signed.checkpoints.make()
    assert checkpoint(signed, "north", one.number + 1).key_id == new.key_id
    assert signed.checkpoints.verify().ok
    for held in (old, new):
        assert bundle_of(signed, tmp_path, [held]).first_bad is None


def test_what_the_old_key_signs_after_its_time_is_found(signed: Hub, tmp_path: Path) -> None:
    keys = signed.checkpoints.keys
    stolen = CampusKeys(tmp_path / "stolen")
    shutil.copytree(keys.folder, stolen.folder)
    signed.checkpoints.rotate("north", actor="person/kim")
    append(signed, "north", "later")
    signed.checkpoints.make()
    number = max(texts(signed, "north"))
    one = checkpoint(signed, "north", number)
    old = stolen.current("north").key_id
    forged = Checkpoint(**{name: getattr(one, name) for name in one.__slots__} | {"key_id": old})
    message = forged.message()
    told = forged.signed([stolen.signer(campus).sign(message) for campus in ("north", "south", "hub")]).text()
    replace_text(signed, "north", number, told)
    assert first_bad(signed) == (
        f"checkpoint {number} of north in the database is signed with a key that no checkpoint before it has "
        f"introduced ({old})"
    )


def test_a_rotation_that_was_cut_off_after_its_checkpoint_is_finished_by_the_next_round(
    signed: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(service.Checkpoints, "_write_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        cut.setattr(service.Checkpoints, "_round", lambda _: None)
        real = CampusKeys.in_place
        introduced = signed.checkpoints.keys.new_key("north").key_id
        cut.setattr(
            CampusKeys, "in_place", lambda keys, campus, key: real(keys, campus, key) if key != introduced else None
        )
        with pytest.raises(KeyboardInterrupt):
            signed.checkpoints.rotate("north", actor="person/kim")
    assert signed.checkpoints.keys.path("north", NEXT).exists()
    append(signed, "north", "later")
    signed.checkpoints.make()
    assert not signed.checkpoints.keys.path("north", NEXT).exists()
    assert signed.checkpoints.keys.current("north").key_id == introduced
    assert signed.checkpoints.verify().ok


def test_after_a_lost_key_the_others_vouch_for_the_new_one_and_everybody_is_told(signed: Hub, tmp_path: Path) -> None:
    old, south = signed.checkpoints.keys.current("north"), signed.checkpoints.keys.current("south")
    signed.checkpoints.keys.path("north").unlink()
    append(signed, "north", "n8")
    with pytest.raises(SettingsError):
        signed.checkpoints.make()
    signed.checkpoints.keys.ensure(["north"])
    assert not signed.checkpoints.keys.path("north").exists(), "a lost key must not be made anew in silence"
    signed.checkpoints.rotate("north", actor="person/kim", lost=True)
    report = signed.checkpoints.verify()
    assert report.ok
    assert report.notes == ("north: with checkpoint 3 of north a new key began that the one before has not signed",)
    assert bundle_of(signed, tmp_path, [south]).ok
    assert bundle_of(signed, tmp_path, [old]).first_bad == (
        "checkpoint 3 of north is vouched for by none of the given keys"
    )


def forged_newest(hub: Hub, campus: str, keys: CampusKeys) -> str:
    """A newest checkpoint over the chain as it is now, its own and all countersigning keys made at home."""
    told = texts(hub, campus)
    before, newest = (checkpoint(hub, campus, number) for number in (max(told) - 1, max(told)))
    covered = [entry for entry in entries(hub, campus) if entry.seq > before.seq]
    own = keys.current(campus)
    forged = replace(
        newest,
        seq=covered[-1].seq,
        head=covered[-1].hash,
        links=b"".join(link_of(entry.hash) for entry in covered),
        key_id=own.key_id,
        introduces=own,
        countersigners={other: keys.current(other).key_id for other in newest.countersigners},
    )
    signers = (campus, *forged.countersigners)
    return forged.signed([keys.signer(one).sign(forged.message()) for one in signers]).text()


def test_a_checkpoint_whose_keys_somebody_put_among_the_public_ones_is_found(signed: Hub, tmp_path: Path) -> None:
    """Nobody has seen the newest checkpoint of the last campus of a round yet, so only its signatures tell."""
    stranger = strangers(tmp_path / "strangers")
    for public in stranger.folder.rglob("public/*.pem"):
        shutil.copy(public, signed.checkpoints.keys.folder / public.relative_to(stranger.folder))
    append(signed, "south", "guilty")
    signed.checkpoints.make()
    rewrite(signed, "south", lambda told: told.__setitem__(-1, (told[-1][0], edited(told[-1][1]))))
    told = forged_newest(signed, "south", stranger)
    replace_text(signed, "south", 3, told)
    for path in files_of(signed, "south", 3):
        overwrite(path, told)
    assert first_bad(signed).startswith("checkpoint 3 of south is countersigned with a key that was not north's then")


def test_a_checkpoint_that_claims_to_know_less_than_the_one_before_is_found(signed: Hub) -> None:
    told = json.loads(texts(signed, "south")[2])["statement"]["seen"]
    forged = with_statement(texts(signed, "south")[2], seen={"north": {**told["north"], "number": 0}})
    one = Checkpoint.from_document(json.loads(forged))
    keys = signed.checkpoints.keys
    replace_text(signed, "south", 2, one.signed([keys.signer(x).sign(one.message()) for x in SIGNERS]).text())
    assert "has seen less of other campuses than the one before" in first_bad(signed)


def test_a_countersigner_that_stays_away_is_told(signed: Hub) -> None:
    append(signed, "north", "n8")
    replace(signed.checkpoints, campuses=("north",)).make()
    (note,) = signed.checkpoints.verify().notes
    assert note == "north: south no longer countersigned checkpoint 3 of north"


@pytest.mark.parametrize("change", [{"note": "approved"}, {"seq": "7"}], ids=["says more", "another kind"])
def test_a_checkpoint_that_is_not_written_as_it_was_signed_is_found(signed: Hub, change: dict[str, object]) -> None:
    replace_text(signed, "north", 2, with_statement(texts(signed, "north")[2], **change))
    assert first_bad(signed).endswith("is not written as it was signed: it was changed")


def test_a_key_that_is_changed_while_another_signs_signs_nothing_that_does_not_fit(
    signed: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation that comes while south's key has been told and not used: it waits until the round is done."""
    append(signed, "north", "n8")
    real = CampusKeys.signer
    rotations: list[threading.Thread] = []

    def signer(keys: CampusKeys, campus: str, *, name: str = "signing.pem") -> Any:
        found = real(keys, campus, name=name)
        if campus == "south" and not rotations:
            rotations.append(threading.Thread(target=signed.checkpoints.rotate, args=("south",), kwargs=WHO))
            rotations[0].start()
            time.sleep(0.3)
        return found

    monkeypatch.setattr(CampusKeys, "signer", signer)
    signed.checkpoints.make()
    rotations[0].join(timeout=60)
    append(signed, "north", "n9")
    signed.checkpoints.make()
    assert (signed.checkpoints.verify().first_bad, signed.checkpoints.keys_astray()) == (None, {})


def test_keys_of_several_campuses_that_were_lost_are_replaced_one_after_the_other(signed: Hub) -> None:
    for campus in ("north", "south"):
        signed.checkpoints.keys.path(campus).unlink()
    append(signed, "north", "n8")
    for campus in ("north", "south"):
        signed.checkpoints.rotate(campus, actor="person/kim", lost=True)
    signed.checkpoints.make()
    report = signed.checkpoints.verify()
    assert report.ok
    assert "north: south no longer countersigned checkpoint 3 of north" in report.notes
    assert len([note for note in report.notes if "a new key began" in note]) == 2


def test_when_all_keys_are_lost_nothing_is_signed_in_their_name(signed: Hub) -> None:
    for campus in SIGNERS:
        signed.checkpoints.keys.path(campus).unlink()
    with pytest.raises(NotSigned) as refused:
        signed.checkpoints.rotate("north", actor="person/kim", lost=True)
    assert "Restore" in str(refused.value)


def test_a_key_that_was_lost_before_its_campus_had_any_entry_is_replaced(hub: Hub) -> None:
    append(hub, "north", "n1")
    hub.checkpoints.keys.path("south").unlink()
    with pytest.raises(SettingsError):
        hub.checkpoints.make()
    hub.checkpoints.rotate("south", actor="person/kim", lost=True)
    hub.checkpoints.make()
    assert hub.checkpoints.verify().signed == {"north": 1, "south": 1}


def test_a_public_key_that_is_missing_is_told_with_where_there_is_a_copy(signed: Hub) -> None:
    for path in (signed.checkpoints.keys.folder / "north" / "public").glob("*.pem"):
        path.unlink()
    append(signed, "north", "n8")
    with pytest.raises(NotSigned) as refused:
        signed.checkpoints.make()
    assert "are in reports/checkpoints/public-keys" in str(refused.value)
