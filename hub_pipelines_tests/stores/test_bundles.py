"""An exported chain, from both databases: what a public key alone finds in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.audit.checkpoints.bundle import NotABundle, Voucher, verify_bundle
from hub_pipelines.audit.checkpoints.exporting import export
from hub_pipelines.audit.checkpoints.keys import read_public
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.hub import Hub
from hub_pipelines_tests.tampering import (
    append,
    bundle_of,
    edited,
    entries,
    rewrite,
    strangers,
)


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
