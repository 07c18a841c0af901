"""Signed checkpoints, on both databases: what they find, and what a public key alone finds in an exported chain."""

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines import settings
from hub_pipelines.audit.checkpoints import service, store
from hub_pipelines.audit.checkpoints.bundle import NotABundle, Voucher, verify_bundle
from hub_pipelines.audit.checkpoints.exporting import export
from hub_pipelines.audit.checkpoints.keys import NEXT, CampusKeys, read_public
from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey
from hub_pipelines.audit.checkpoints.service import NotSigned
from hub_pipelines.audit.model import ChainReport, link_of
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines_tests.support import make_registry
from hub_pipelines_tests.tampering import (
    append,
    count_of_checkpoints,
    delete_checkpoints,
    edited,
    entries,
    files_of,
    last_seq,
    overwrite,
    replace_text,
    rewrite,
    texts,
    with_statement,
)

Told = list[tuple[Any, Any]]
SIGNERS = ("south", "north", "hub")
WHO = {"actor": "person/kim"}


@pytest.fixture
def signed(hub: Hub) -> Hub:
    """Seven entries of north and two of south, all covered, in two rounds."""
    append(hub, "north", "n1", "n2", "n3", "n4")
    append(hub, "south", "s1")
    hub.checkpoints.make()
    append(hub, "north", "n5", "n6", "n7")
    append(hub, "south", "s2")
    hub.checkpoints.make()
    return hub


def first_bad(hub: Hub) -> str:
    report = hub.checkpoints.verify()
    assert not report.ok
    return str(report.first_bad)


def checkpoint(hub: Hub, campus: str, number: int) -> Checkpoint:
    return Checkpoint.from_document(json.loads(texts(hub, campus)[number]))


# ---- making


def test_what_happened_is_signed_by_its_campus_and_countersigned_by_all_others(signed: Hub) -> None:
    report = signed.checkpoints.verify()
    assert (report.first_bad, report.notes) == (None, ())
    assert report.signed == {"north": 7, "south": 2}
    one = checkpoint(signed, "north", 2)
    assert [signature.campus for signature in one.signatures] == ["north", "south", "hub"]
    assert one.previous == checkpoint(signed, "north", 1).digest()
    assert one.seen["south"].seq == 2
    assert verify_all(signed).ok


def test_a_hub_of_one_campus_has_its_chain_countersigned_by_the_reserved_scope(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[campuses.north]\ntime_zone = "UTC"\n', encoding="utf-8")
    hub = open_hub(settings.load(KNOWN_FEEDS, environment={"HUB_HOME": str(tmp_path)}))
    append(hub, "north", "n1")
    (one,) = hub.checkpoints.make().checkpoints
    assert list(one.countersigners) == ["hub"]
    assert hub.checkpoints.verify().ok
    hub.db.dispose()


def test_checkpoints_stand_in_write_once_files_that_equal_the_database(signed: Hub) -> None:
    for number, told in texts(signed, "north").items():
        for path in files_of(signed, "north", number):
            assert path.read_text(encoding="utf-8") == told
            assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_without_news_nothing_is_signed(signed: Hub) -> None:
    assert not signed.checkpoints.is_due()
    assert signed.checkpoints.make() == service.Made((), 0, ())
    append(signed, "south", "s3")
    assert signed.checkpoints.is_due()
    assert [one.name for one in signed.checkpoints.make().checkpoints] == ["checkpoint 3 of south"]


def test_a_long_stretch_is_signed_in_several_checkpoints(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PER_CHECKPOINT", 3)
    append(hub, "north", *"abcdefgh")
    assert [one.seq for one in hub.checkpoints.make().checkpoints] == [3, 6, 8]
    assert hub.checkpoints.verify().signed == {"north": 8}


def test_rounds_at_once_make_each_checkpoint_once(hub: Hub) -> None:
    append(hub, "north", "n1", "n2")
    append(hub, "south", "s1")
    faults: list[BaseException] = []

    def round_of_it() -> None:
        try:
            hub.checkpoints.make()
        except BaseException as error:  # noqa: BLE001  # told by the test
            faults.append(error)

    rounds = [threading.Thread(target=round_of_it) for _ in range(6)]
    for one in rounds:
        one.start()
    for one in rounds:
        one.join(timeout=60)
    assert faults == []
    assert count_of_checkpoints(hub) == 2
    assert hub.checkpoints.verify().ok


def test_files_that_are_missing_are_told_and_written_again(signed: Hub) -> None:
    path = files_of(signed, "north", 1)[1]
    path.unlink()
    report = signed.checkpoints.verify()
    assert report.ok
    assert "1 checkpoints of north have no file in reports/checkpoints, the first is 1" in report.notes[0]
    assert signed.checkpoints.unwritten() == ["reports/checkpoints"]
    assert signed.checkpoints.make().files == 1
    assert path.read_text(encoding="utf-8") == texts(signed, "north")[1]


def test_a_place_that_cannot_be_written_is_told_and_the_others_are_written(hub: Hub) -> None:
    folder = hub.settings.reports / "checkpoints"
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way", encoding="utf-8")
    append(hub, "north", "n1")
    made = hub.checkpoints.make()
    assert made.files == 1
    assert made.trouble[0].startswith("reports/checkpoints: checkpoints can't be written there")
    folder.unlink()
    assert hub.checkpoints.make() == service.Made((), 1, ())


# ---- tampering with the chain


def test_an_edited_entry_is_found_and_named(signed: Hub) -> None:
    def change(told: Told) -> None:
        told[2] = (told[2][0], edited(told[2][1]))

    rewrite(signed, "north", change)
    assert first_bad(signed).startswith("north:3 was written anew")


def test_a_deleted_entry_in_the_middle_is_found_and_named_though_all_after_it_was_renumbered(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.__delitem__(1))
    assert first_bad(signed).startswith("north:2 was written anew")


def test_a_dropped_tail_is_found_and_named_though_the_head_was_set_back(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.__delitem__(slice(5, None)))
    assert first_bad(signed).startswith("north:6 is missing: entries were cut off")


def test_exchanged_entries_are_found_and_named(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.__setitem__(slice(4, 6), [told[5], told[4]]))
    assert first_bad(signed).startswith("north:5 was written anew")


def test_an_inserted_entry_is_found_and_named(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.insert(3, told[0]))
    assert first_bad(signed).startswith("north:4 was written anew")


def test_a_whole_chain_written_anew_is_found_and_its_first_entry_named(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.__setitem__(slice(None), [(at, edited(one)) for at, one in told]))
    assert first_bad(signed).startswith("north:1 was written anew")


def test_a_chain_that_was_emptied_is_found(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.clear())
    assert first_bad(signed).startswith("north:1 is missing")


def test_a_rewritten_entry_that_only_another_campus_has_seen_is_found(hub: Hub) -> None:
    append(hub, "north", "n1", "n2")
    append(hub, "south", "s1")
    hub.checkpoints.make()
    append(hub, "north", "n3")
    append(hub, "south", "s2")
    with hub.db.read() as tx:
        one = hub.checkpoints._next(tx, "south")
    assert one is not None
    with hub.db.write() as tx:
        store.keep(tx, one)  # only south has signed since
    rewrite(hub, "north", lambda told: told.__setitem__(2, (told[2][0], edited(told[2][1]))))
    assert first_bad(hub).startswith("north:3 or one shortly before it was written anew: checkpoint 2 of south tells")


def test_what_was_tampered_with_is_not_signed(signed: Hub) -> None:
    append(signed, "north", "n8")
    rewrite(signed, "north", lambda told: told.__setitem__(0, (told[0][0], edited(told[0][1]))))
    with pytest.raises(NotSigned) as refused:
        signed.checkpoints.make()
    assert "north:7 is not what checkpoint 2 of north tells" in str(refused.value)


# ---- tampering with checkpoints


def test_a_whole_chain_written_anew_with_forged_checkpoint_rows_is_found_by_the_files(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.__setitem__(slice(None), [(at, edited(one)) for at, one in told]))
    forge_rows(signed)
    report = signed.checkpoints.verify()
    assert str(report.first_bad).startswith("north:1 was written anew")
    assert "checkpoint 1 of north in the database carries a signature of north that does not fit" in report.notes[0]


def forge_rows(hub: Hub) -> None:
    """Make north's checkpoint rows tell what its rewritten chain is, as well as one can without its key."""
    from hub_pipelines.audit.model import link_of
    from hub_pipelines_tests.tampering import entries

    hashes = [entry.hash for entry in entries(hub, "north")]
    start = 0
    for number, told in texts(hub, "north").items():
        one = Checkpoint.from_document(json.loads(told))
        links = b"".join(link_of(one) for one in hashes[start : one.seq])
        document = Checkpoint(**{name: getattr(one, name) for name in one.__slots__} | {"links": links}).statement()
        replace_text(hub, "north", number, with_statement(told, links=document["links"], head=hashes[one.seq - 1]))
        start = one.seq


def test_forged_rows_and_files_are_found_by_their_signatures(signed: Hub) -> None:
    rewrite(signed, "north", lambda told: told.__setitem__(slice(None), [(at, edited(one)) for at, one in told]))
    forge_rows(signed)
    for number, told in texts(signed, "north").items():
        for path in files_of(signed, "north", number):
            overwrite(path, told)
    report = signed.checkpoints.verify()
    assert report.first_bad == (
        "north:4 or one shortly before it was written anew: checkpoint 1 of south tells of another entry in its place"
    )
    assert report.notes[0] == (
        "checkpoint 1 of north in the database and archive/checkpoints and reports/checkpoints "
        "carries a signature of north that does not fit: it was changed"
    )


@pytest.mark.parametrize("numbers", [(1,), (2,), (1, 2)])
def test_deleted_checkpoint_rows_are_found(signed: Hub, numbers: tuple[int, ...]) -> None:
    delete_checkpoints(signed, "north", *numbers)
    assert first_bad(signed).startswith(
        f"checkpoint {numbers[0]} of north is in archive/checkpoints and not in the database"
    )
    append(signed, "north", "n8")
    with pytest.raises(NotSigned) as refused:
        signed.checkpoints.make()
    assert f"checkpoint {numbers[0]} of north is in archive/checkpoints and not in the database" in str(refused.value)


def test_newest_checkpoints_deleted_everywhere_are_missed_by_the_campus_that_has_seen_them(signed: Hub) -> None:
    delete_checkpoints(signed, "north", 2)
    for path in files_of(signed, "north", 2):
        path.unlink()
    rewrite(signed, "north", lambda told: told.__delitem__(slice(4, None)))
    report = signed.checkpoints.verify()
    assert str(report.first_bad).startswith("north:5 is missing: entries were cut off, checkpoint 2 of south tells")


def test_a_checkpoint_missing_in_the_middle_is_found(signed: Hub) -> None:
    delete_checkpoints(signed, "north", 1)
    for path in files_of(signed, "north", 1):
        path.unlink()
    assert first_bad(signed) == "checkpoint 1 of north is missing, and there are later ones"


@pytest.mark.parametrize(
    "changes", [{"head": "0" * 64}, {"seq": 3}, {"previous": "0" * 64}, {"seen": {}}, {"countersigners": {"hub": "x"}}]
)
def test_an_edited_checkpoint_is_found(signed: Hub, changes: dict[str, object]) -> None:
    replace_text(signed, "north", 2, with_statement(texts(signed, "north")[2], **changes))
    assert first_bad(signed).startswith("checkpoint 2 of north in the database ")


def test_a_signature_that_was_taken_away_is_found(signed: Hub) -> None:
    document = json.loads(texts(signed, "north")[2])
    document["signatures"] = document["signatures"][:1]
    replace_text(signed, "north", 2, canonical_text(document))
    assert first_bad(signed) == "checkpoint 2 of north in the database lacks the signature of hub"


def test_a_text_that_is_no_checkpoint_is_found(signed: Hub) -> None:
    replace_text(signed, "north", 2, "[]")
    assert first_bad(signed) == "checkpoint 2 of north in the database can't be read: it was changed"


# ---- keys


def strangers(folder: Path) -> CampusKeys:
    """Keys that somebody made at home, in the hub's layout."""
    keys = CampusKeys(folder)
    keys.ensure(["north", "south", "hub"])
    return keys


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


# ---- folders that others write to


@pytest.mark.parametrize("name", ["\u00b23.json", "1.json", "0.json", "00000001 (copy).json", "Thumbs.db"])
def test_strange_files_beside_checkpoints_stop_nothing(signed: Hub, name: str) -> None:
    (signed.settings.reports / "checkpoints" / "north" / name).write_text("x", encoding="utf-8")
    append(signed, "north", "n8")
    assert signed.checkpoints.make().trouble == ()
    assert signed.checkpoints.verify().ok


def spoil_with_bytes(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"\xff\xfe")


def spoil_with_depth(path: Path) -> None:
    overwrite(path, "[" * 100_000)


def spoil_with_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [spoil_with_bytes, spoil_with_depth, spoil_with_a_folder])
def test_a_file_that_cannot_be_read_is_named(signed: Hub, spoil: Callable[[Path], None]) -> None:
    spoil(files_of(signed, "north", 1)[1])
    assert first_bad(signed) == "checkpoint 1 of north in reports/checkpoints can't be read: it was changed"


@pytest.mark.parametrize("folder", ["reports", "nothing"])
def test_a_copy_without_checkpoints_is_refused(signed: Hub, folder: str) -> None:
    copy = signed.settings.home / folder
    copy.mkdir(exist_ok=True)
    with pytest.raises(SettingsError) as refused:
        signed.checkpoints.verify(copy)
    assert "there is no checkpoint in it" in str(refused.value)


def test_how_far_a_copy_reaches_is_told(signed: Hub, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(signed.settings.reports / "checkpoints" / "north", copy / "north")
    append(signed, "north", "n8")
    signed.checkpoints.make()
    report = signed.checkpoints.verify(copy)
    assert report.ok
    assert report.notes == (
        f"{copy} reaches to checkpoint 2 of north; those up to 3 are not in it",
        f"{copy} has no checkpoint of south, so it tells nothing of south's chain",
    )


def test_a_campus_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[campuses.keys]\ntime_zone = "UTC"\n', encoding="utf-8")
    hub = open_hub(settings.load(KNOWN_FEEDS, environment={"HUB_HOME": str(tmp_path)}))
    append(hub, "keys", "k1")
    hub.checkpoints.make()
    assert (hub.checkpoints.verify().notes, hub.checkpoints.unwritten()) == ((), [])
    hub.db.dispose()


def test_what_was_not_signed_for_long_is_told(signed: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    append(signed, "north", "n8")
    monkeypatch.setattr(service, "OVERDUE", timedelta(0))
    (note,) = signed.checkpoints.verify().notes
    assert note.startswith("what north's chain holds since ")


# ---- without hub and database


def bundle_of(hub: Hub, tmp_path: Path, given: list[PublicKey]) -> Any:
    path = tmp_path / f"bundle-{len(list(tmp_path.glob('bundle-*')))}"
    export(hub.db, hub.checkpoints.keys, "north", path)
    return verify_bundle(path, {key.key_id: key for key in given})


def test_an_exported_chain_verifies_with_a_public_key_and_tells_what_is_not_signed_yet(
    signed: Hub, tmp_path: Path
) -> None:
    append(signed, "north", "n8", "n9")
    report = bundle_of(signed, tmp_path, [signed.checkpoints.keys.current("north")])
    assert (report.first_bad, report.entries, report.signed_upto, report.checkpoints) == (None, 9, 7, 2)
    assert report.signed_by == ["north", "hub", "south"]


def test_a_bundle_is_verified_by_a_process_that_has_no_hub(signed: Hub, tmp_path: Path) -> None:
    path, key = tmp_path / "north.jsonl", tmp_path / "north.pem"
    export(signed.db, signed.checkpoints.keys, "north", path)
    (public,) = (signed.checkpoints.keys.folder / "north" / "public").glob("*.pem")
    shutil.copy(public, key)
    elsewhere = tmp_path / "no" / "home"
    command = [sys.executable, "-m", "hub_pipelines.cli", "audit", "verify-bundle", str(path), "--public-key", str(key)]
    environment = {**os.environ, "HUB_HOME": str(elsewhere), "HUB_DATABASE_URL": "postgresql://nobody@nowhere/none"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "Entries 1 to 7 of north are as they were on" in answer.stdout
    assert not elsewhere.exists()
    told = path.read_text(encoding="utf-8")
    path.write_text(told.replace('"subject":"n3"', '"subject":"n0"'), encoding="utf-8")
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr.strip()) == (
        1,
        "NOT GENUINE: north:3 was changed after it was written",
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, documents: list[dict[str, Any]]) -> None:
    path.write_text("".join(canonical_text(one) + "\n" for one in documents), encoding="utf-8")


def drop_the_tail(told: list[dict[str, Any]]) -> None:
    del told[-3:]
    told[0]["entries"] -= 3


def exchange(told: list[dict[str, Any]]) -> None:
    told[-2], told[-1] = told[-1], told[-2]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda told: told.pop(-3), "north:5 is missing"),
        (drop_the_tail, "north:5 is missing: entries were cut off"),
        (exchange, "north:6 is missing"),
        (lambda told: told[-1]["entry"].update(actor="nobody"), "north:7 was changed after it was written"),
    ],
    ids=["deletion", "tail", "order", "edit"],
)
def test_a_spoilt_bundle_is_found(
    signed: Hub, tmp_path: Path, spoil: Callable[[list[dict[str, Any]]], None], named: str
) -> None:
    path = tmp_path / "north.jsonl"
    export(signed.db, signed.checkpoints.keys, "north", path)
    told = lines(path)
    spoil(told)
    write_lines(path, told)
    report = verify_bundle(path, {"north.pem": signed.checkpoints.keys.current("north")})
    assert str(report.first_bad).startswith(named)


def test_a_bundle_of_a_chain_written_anew_names_the_first_bad_entry(signed: Hub, tmp_path: Path) -> None:
    rewrite(signed, "north", lambda told: told.__setitem__(3, (told[3][0], edited(told[3][1]))))
    report = bundle_of(signed, tmp_path, [signed.checkpoints.keys.current("north")])
    assert str(report.first_bad).startswith("north:4 was written anew")


def in_entry(place: int, old: str, new: str) -> Callable[[str], str]:
    def change(told: str) -> str:
        all_lines = told.split("\n")
        at = [number for number, line in enumerate(all_lines) if line.startswith('{"entry"')][place]
        assert old in all_lines[at]
        all_lines[at] = all_lines[at].replace(old, new, 1)
        return "\n".join(all_lines)

    return change


@pytest.mark.parametrize(
    "change",
    [
        in_entry(2, '{"entry":{', '{"entry":{"actor":"person/innocent",'),
        in_entry(2, '{"entry":{', '{"entry":{"approved":"by the dean",'),
        in_entry(2, '{"entry":{', '{"entry":{},"entry":{'),
        in_entry(2, '"seq":3', '"seq":3.9'),
        in_entry(2, '"seq":3', '"seq":1e999'),
        in_entry(2, '"detail":{', '"detail":{"x":NaN,'),
        in_entry(2, '"detail":{', '"detail":{"x":"\\ud800",'),
        lambda told: told + "[" * 100_000 + "\n",
        lambda told: told.replace('"campus":"north"', '"campus":"north","certified":"yes"', 1),
        lambda told: told.replace('"campus":"north",', "", 1),
        lambda told: told.replace('"campus":"north"', '"campus":"north\\u001b[2K"', 1),
        lambda told: told.replace('"entries":7', '"entries":"many"', 1),
        lambda told: told.replace('{"key":{', '{"key":"x","old":{', 1),
        lambda told: told.replace('"raw":"', '"raw":"!', 1),
        lambda told: told + '{"comment":"all is well"}\n',
        lambda told: "\ufeff" + told,
    ],
)
def test_a_bundle_that_says_more_than_was_signed_is_refused_in_words(
    signed: Hub, tmp_path: Path, change: Callable[[str], str]
) -> None:
    path = tmp_path / "north.jsonl"
    export(signed.db, signed.checkpoints.keys, "north", path)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(NotABundle) as refused:
        verify_bundle(path, {"north.pem": signed.checkpoints.keys.current("north")})
    assert str(refused.value).startswith(str(path))


def test_a_bundle_of_another_release_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"format":"hub-audit-bundle/2"}\n', encoding="utf-8")
    with pytest.raises(NotABundle) as refused:
        verify_bundle(path, {})
    assert "is of another release" in str(refused.value)


def test_a_second_key_that_signed_nothing_is_no_proof(signed: Hub, tmp_path: Path) -> None:
    """Who stole south's key alone can write north's whole bundle, but not with north's own key in it."""
    wrong = strangers(tmp_path / "strangers").current("north")
    report = bundle_of(signed, tmp_path, [wrong, signed.checkpoints.keys.current("south")])
    assert not report.ok
    assert str(report.unproved).startswith(f"{wrong.key_id} has signed nothing in this bundle")


def test_each_given_key_is_told_with_what_it_proves(signed: Hub, tmp_path: Path) -> None:
    keys = signed.checkpoints.keys
    old = keys.current("north")
    keys.path("north").unlink()
    signed.checkpoints.rotate("north", actor="person/kim", lost=True)
    south = keys.current("south")
    report = bundle_of(signed, tmp_path, [old, south])
    assert report.vouchers == [Voucher(old.key_id, "north", 7), Voucher(south.key_id, "south", 8)]


def test_a_key_that_is_only_introduced_has_signed_nothing(signed: Hub, tmp_path: Path) -> None:
    """Anybody can introduce a public key; that does not make it vouch."""
    old = signed.checkpoints.keys.current("north")
    signed.checkpoints.rotate("north", actor="person/kim")
    new = signed.checkpoints.keys.current("north")
    assert "has signed nothing in this bundle" in str(bundle_of(signed, tmp_path, [new]).unproved)
    both = bundle_of(signed, tmp_path, [old, new])
    assert str(both.unproved).startswith(f"{new.key_id} is introduced in this bundle and has signed nothing of it yet")
    append(signed, "north", "n8")
    signed.checkpoints.make()
    assert bundle_of(signed, tmp_path, [old, new]).ok


def test_the_times_of_what_is_not_signed_are_told(signed: Hub, tmp_path: Path) -> None:
    append(signed, "north", "n8", "n9")
    report = bundle_of(signed, tmp_path, [signed.checkpoints.keys.current("north")])
    last = entries(signed, "north")[-2:]
    assert (report.unsigned_from, report.unsigned_to) == (last[0].at, last[1].at)


def test_an_export_that_fails_leaves_no_half_file(signed: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("hub_pipelines.audit.checkpoints.exporting._line", full)
        with pytest.raises(OSError, match="No space"):
            export(signed.db, signed.checkpoints.keys, "north", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    export(signed.db, signed.checkpoints.keys, "north", tmp_path / "x")


def test_a_private_key_is_no_public_key_and_its_holder_is_told(signed: Hub) -> None:
    with pytest.raises(SettingsError) as refused:
        read_public(signed.checkpoints.keys.path("north"))
    assert "is a private key" in str(refused.value)


def test_a_bundle_without_checkpoints_proves_nothing(hub: Hub, tmp_path: Path) -> None:
    append(hub, "north", "n1")
    report = bundle_of(hub, tmp_path, [hub.checkpoints.keys.current("north")])
    assert report.first_bad == "there is no checkpoint in the bundle, so nothing of it is signed"


@pytest.mark.parametrize("told", ["", "[]\n", "not json\n", '{"format":"other"}\n'])
def test_a_file_that_is_no_bundle_is_told_in_words(tmp_path: Path, told: str) -> None:
    path = tmp_path / "file"
    path.write_text(told, encoding="utf-8")
    with pytest.raises(NotABundle):
        verify_bundle(path, {})


def test_a_file_that_is_no_public_key_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("no key", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        read_public(path)
    assert "can't be read as a public key" in str(refused.value)


def test_a_posted_file_is_covered_and_verified_as_a_whole(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    hub.checkpoints.make()
    report: ChainReport = verify_all(hub)
    assert report.ok
    assert report.signed == {"north": last_seq(hub, "north")}
