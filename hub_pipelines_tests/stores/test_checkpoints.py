"""Signed checkpoints, on both databases: how they are made, and what they find."""

import json
import shutil
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines import settings
from hub_pipelines.audit.checkpoints import service, store
from hub_pipelines.audit.checkpoints.model import Checkpoint
from hub_pipelines.audit.checkpoints.service import NotSigned
from hub_pipelines.audit.model import ChainReport, link_of
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines_tests.support import make_registry
from hub_pipelines_tests.tampering import (
    append,
    checkpoint,
    count_of_checkpoints,
    delete_checkpoints,
    edited,
    entries,
    files_of,
    first_bad,
    last_seq,
    overwrite,
    replace_text,
    rewrite,
    texts,
    with_statement,
)

Told = list[tuple[Any, Any]]


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


def test_a_posted_file_is_covered_and_verified_as_a_whole(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    hub.checkpoints.make()
    report: ChainReport = verify_all(hub)
    assert report.ok
    assert report.signed == {"north": last_seq(hub, "north")}
