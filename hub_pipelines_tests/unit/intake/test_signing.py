"""Signatures of envelopes: what they cover, and that keys may be rotated."""

import base64
import hashlib
import json
import os
import stat
import subprocess
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.submission.model import Envelope, Integrity

ENVELOPE = Envelope(
    request_id="north-inventory-abc",
    campus="north",
    feed="inventory",
    channel="drop_folder",
    source_system="drop_folder",
    source_name="lab é.csv",
    content_digest="a" * 64,
    size_bytes=12,
    received_at=datetime(2026, 3, 2, 12, 0, 0, 5, tzinfo=UTC),
    headers={"file_name": "lab é.csv"},
    sender_key=None,
)
CHANGES: dict[str, object] = {
    "request_id": "north-inventory-abd",
    "campus": "south",
    "feed": "procurement",
    "channel": "upload",
    "source_system": "other",
    "source_name": "lab e.csv",
    "content_digest": "b" * 64,
    "size_bytes": 13,
    "received_at": ENVELOPE.received_at + timedelta(microseconds=1),
    "headers": {"file_name": "lab é.csv", "more": ""},
    "sender_key": "",
    "key_id": "0" * 16,
    "signature": "AAAA",
    "complete_count": True,
}


def put_new_key(folder: Path) -> None:
    """As an operator does it."""
    path = folder / "signing.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True)
    path.chmod(0o600)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    made = KeyRing(tmp_path / "keys")
    made.ensure()
    return made


def test_a_signed_envelope_verifies_in_another_process_too(ring: KeyRing, tmp_path: Path) -> None:
    signed = ring.sign(ENVELOPE)
    ring.verify(signed)
    KeyRing(tmp_path / "keys").verify(Envelope.from_document(signed.document()))


@pytest.mark.parametrize("field", [field.name for field in fields(Envelope)])
def test_an_envelope_with_any_field_changed_does_not_verify(ring: KeyRing, field: str) -> None:
    signed = ring.sign(ENVELOPE)
    with pytest.raises(Integrity) as caught:
        ring.verify(replace(signed, **{field: CHANGES[field]}))  # type: ignore[arg-type]
    assert caught.value.fix


@pytest.mark.parametrize("signature", ["", "not base64!", "é"])
def test_a_signature_that_is_none_does_not_verify(ring: KeyRing, signature: str) -> None:
    with pytest.raises(Integrity):
        ring.verify(replace(ring.sign(ENVELOPE), signature=signature))


@pytest.mark.parametrize("key_id", ["", "../../signing", "../signing", "f" * 16])
def test_a_key_id_never_leads_out_of_the_key_folder(ring: KeyRing, key_id: str) -> None:
    with pytest.raises(Integrity):
        ring.verify(replace(ring.sign(ENVELOPE), key_id=key_id))


def test_an_envelope_of_a_stranger_does_not_verify(ring: KeyRing, tmp_path: Path) -> None:
    stranger = KeyRing(tmp_path / "stranger")
    stranger.ensure()
    with pytest.raises(Integrity):
        ring.verify(stranger.sign(ENVELOPE))


def test_a_key_under_another_keys_name_does_not_verify(ring: KeyRing, tmp_path: Path) -> None:
    signed = ring.sign(ENVELOPE)
    stranger = KeyRing(tmp_path / "stranger")
    stranger.ensure()
    forged = stranger.sign(ENVELOPE)
    public = tmp_path / "keys" / "public" / f"{signed.key_id}.pem"
    public.write_bytes((tmp_path / "stranger" / "public" / f"{forged.key_id}.pem").read_bytes())
    with pytest.raises(Integrity):
        KeyRing(tmp_path / "keys").verify(replace(forged, key_id=signed.key_id))


def test_envelopes_of_a_rotated_key_stay_valid(ring: KeyRing, tmp_path: Path) -> None:
    old = ring.sign(ENVELOPE)
    put_new_key(tmp_path / "keys")
    rotated = KeyRing(tmp_path / "keys")
    rotated.ensure()
    new = rotated.sign(ENVELOPE)
    assert new.key_id != old.key_id
    rotated.verify(old)
    rotated.verify(new)


def test_the_private_key_is_made_once_and_only_its_owner_may_read_it(ring: KeyRing, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    before = path.read_bytes()
    ring.ensure()
    KeyRing(tmp_path / "keys").ensure()
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in (tmp_path / "keys").iterdir() if one.name.endswith(".draft")] == []


def test_a_damaged_private_key_is_named_with_the_way_out(ring: KeyRing, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    path.write_bytes(b"damaged")
    with pytest.raises(SettingsError) as caught:
        ring.sign(ENVELOPE)
    assert str(path) in str(caught.value)
    assert "backup" in str(caught.value)


def some_envelopes(number: int) -> list[Envelope]:
    """Two have a name that looks like a member of the envelope."""
    names = ['a","size_bytes":1', ',"size_bytes":']
    return [
        replace(
            ENVELOPE,
            request_id=f"north-inventory-{at}",
            content_digest=f"{at:064}",
            source_name=names[at] if at < len(names) else ENVELOPE.source_name,
        )
        for at in range(number)
    ]


def signed_together(ring: KeyRing, envelopes: list[Envelope]) -> list[Envelope]:
    texts = ring.sign_together(envelopes)
    assert texts == [canonical_text(json.loads(text)) for text in texts]
    return [Envelope.from_document(json.loads(text)) for text in texts]


@pytest.mark.parametrize("number", [1, 2, 3, 5, 32, 33])
def test_envelopes_that_are_signed_together_verify_each_alone(ring: KeyRing, tmp_path: Path, number: int) -> None:
    signed = signed_together(ring, some_envelopes(number))
    other = KeyRing(tmp_path / "keys")
    for one, before in zip(signed, some_envelopes(number), strict=True):
        other.verify(Envelope.from_document(one.document()))
        assert replace(one, key_id="", signature="") == before
    assert ring.sign_together([]) == []


def test_one_of_them_is_verified_by_hand_as_the_readme_tells_an_inspector(ring: KeyRing, tmp_path: Path) -> None:
    signed = signed_together(ring, some_envelopes(5))[2]
    document = signed.document()
    index, size, path, signature = str(document.pop("signature")).split(".")
    signed_bytes = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    first, second, third = (base64.b64decode(path)[at : at + 32] for at in (0, 32, 64))
    node = sha256(b"\x00" + sha256(signed_bytes))
    node = sha256(b"\x01" + node + first)
    node = sha256(b"\x01" + second + node)
    node = sha256(b"\x01" + node + third)
    public = load_pem_public_key((tmp_path / "keys" / "public" / f"{signed.key_id}.pem").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(base64.b64decode(signature), f"hub envelopes\n{size} {node.hex()}".encode())
    assert (index, size) == ("2", "5")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize("field", [field.name for field in fields(Envelope)])
def test_one_of_them_with_any_field_changed_does_not_verify(ring: KeyRing, field: str) -> None:
    signed = signed_together(ring, some_envelopes(5))[3]
    ring.verify(signed)
    with pytest.raises(Integrity):
        ring.verify(replace(signed, **{field: CHANGES[field]}))  # type: ignore[arg-type]


def test_what_one_of_them_carries_vouches_for_no_other_envelope_and_for_no_other_purpose(ring: KeyRing) -> None:
    signed = signed_together(ring, some_envelopes(5))
    index, size, path, whole = signed[3].signature.split(".")
    ring.verify(signed[3])  # that its signature is known as genuine by now vouches for nothing else either
    forged = [
        signed[2].signature,
        f"2.{size}.{path}.{whole}",
        f"{index}.6.{path}.{whole}",
        f"0.1..{whole}",
        f"{index}.{size}.{path[:-4]}.{whole}",
        f"{index}.{size}.{path}",
        f"{index}.{size}.{path}.{whole}.",
        f"-1.{size}.{path}.{whole}",
        f"x.{size}.{path}.{whole}",
        f" {index}.{size}.{path}.{whole}",
        f"+{index}.{size}.{path}.{whole}",
        f"{index}.0{size}.{path}.{whole}",
        f"٣.{size}.{path}.{whole}",
        f"{index}.{size}.{path}.{whole[:-3]}{chr(ord(whole[-3]) + 1)}{whole[-2:]}",
        f"{index}.{size}.{path}.{whole}\n",
        f"{index}.{size}.!.{whole}",
        whole,
    ]
    for signature in forged:
        with pytest.raises(Integrity):
            ring.verify(replace(signed[3], signature=signature))
    single = ring.sign(ENVELOPE)
    with pytest.raises(Integrity):
        ring.verify(replace(single, signature=f"0.1..{single.signature}"))
    for same_bytes in (f"{single.signature}\n", f"!{single.signature}"):
        with pytest.raises(Integrity):
            ring.verify(replace(single, signature=same_bytes))


def test_a_lost_private_key_is_not_replaced_where_there_was_one(ring: KeyRing, tmp_path: Path) -> None:
    signed = ring.sign(ENVELOPE)
    path = tmp_path / "keys" / "signing.pem"
    path.unlink()
    with pytest.raises(SettingsError, match="Restore it from a backup"):
        KeyRing(tmp_path / "keys").ensure()
    assert not path.exists()
    put_new_key(tmp_path / "keys")
    fresh = KeyRing(tmp_path / "keys")
    fresh.ensure()
    fresh.verify(signed)
    fresh.verify(fresh.sign(ENVELOPE))


def test_no_key_is_made_for_a_hub_that_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is missing, and this hub has signed"):
        KeyRing(tmp_path / "keys").ensure(begins=False)
    assert not (tmp_path / "keys").exists()


def test_the_keys_and_their_folders_are_on_the_disk_before_anything_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    KeyRing(tmp_path / "keys").ensure()
    keys = tmp_path / "keys"
    assert [one for one in synced if ".draft-" not in one] == [*map(str, (tmp_path, keys, keys, keys / "public"))]
    assert len([one for one in synced if ".draft-" in one]) == 2
