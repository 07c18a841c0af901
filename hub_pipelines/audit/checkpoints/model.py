"""A checkpoint and the rules that a row of them must keep. Pure: signatures are made and verified in keys.py.

A checkpoint says of one campus's chain: up to here it is so. What is signed is its `statement()` in canonical JSON;
its digest is the SHA-256 of that, and the next checkpoint names it, so that a signature on the newest one vouches for
all before. decisions/0045 tells why it is so.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub_pipelines.audit.model import GENESIS, LINK_BYTES, link_of
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.clock import iso
from hub_pipelines.common.scope import NAME

FORMAT = "hub-checkpoint/1"
PER_CHECKPOINT = 10_000
"""Entries that one checkpoint covers at most; a longer stretch gets several in a row."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`raw` are the 32 bytes of an Ed25519 key; `key_id` is made of their SHA-256, so a key can't pose as another."""

    campus: str
    raw: bytes

    @property
    def key_id(self) -> str:
        return key_id_of(self.raw)


def key_id_of(raw: bytes) -> str:
    return sha256_hex(raw)[:32]


@dataclass(frozen=True, slots=True)
class Signature:
    campus: str
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """The end of another campus's chain at the time, and that campus's newest checkpoint (0: none yet)."""

    seq: int
    head: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Number `number` of a campus: its chain ends, for now, with entry `seq`, whose hash is `head`.

    `links` has LINK_BYTES of the hash of each entry since the checkpoint before. `introduces` is the key that signs
    from the next checkpoint on; the first one introduces its own. `countersigners` names who signs beside the campus
    itself, so that a signature can't be taken away unnoticed.
    """

    campus: str
    number: int
    previous: str
    seq: int
    head: str
    at: datetime
    links: bytes
    seen: Mapping[str, Seen]
    key_id: str
    countersigners: Mapping[str, str]
    introduces: PublicKey | None = None
    signatures: tuple[Signature, ...] = ()

    def statement(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "campus": self.campus,
            "number": self.number,
            "previous": self.previous,
            "seq": self.seq,
            "head": self.head,
            "at": iso(self.at),
            "links": base64.b64encode(self.links).decode("ascii"),
            "seen": {
                campus: {"seq": one.seq, "head": one.head, "number": one.number, "digest": one.digest}
                for campus, one in self.seen.items()
            },
            "key_id": self.key_id,
            "countersigners": dict(self.countersigners),
            "introduces": base64.b64encode(self.introduces.raw).decode("ascii") if self.introduces else None,
        }

    def message(self) -> bytes:
        """The bytes that are signed."""
        return canonical_text(self.statement()).encode("utf-8")

    def digest(self) -> str:
        return sha256_hex(self.message())

    def signed(self, signatures: Sequence[Signature]) -> "Checkpoint":
        return replace(self, signatures=tuple(signatures))

    def text(self) -> str:
        """Statement and signatures as one line; the same bytes in the database and in files."""
        signatures = [
            {
                "campus": one.campus,
                "key_id": one.key_id,
                "signature": base64.b64encode(one.signature).decode("ascii"),
            }
            for one in self.signatures
        ]
        return canonical_text({"statement": self.statement(), "signatures": signatures})

    @property
    def name(self) -> str:
        return f"checkpoint {self.number} of {self.campus}"

    @property
    def active_after(self) -> str:
        """The key that signs the next checkpoint."""
        return self.introduces.key_id if self.introduces else self.key_id

    @staticmethod
    def from_document(document: Any) -> "Checkpoint":
        """Raises KeyError, TypeError or ValueError when it is none."""
        told = document["statement"]
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']!r}")
        introduced = told["introduces"]
        campus = str(told["campus"])
        named = [campus, *told["seen"], *told["countersigners"], *(one["campus"] for one in document["signatures"])]
        if not all(NAME.fullmatch(name) for name in named):  # messages show them
            raise ValueError("a name that no campus has")
        return Checkpoint(
            campus=campus,
            number=int(told["number"]),
            previous=str(told["previous"]),
            seq=int(told["seq"]),
            head=str(told["head"]),
            at=datetime.fromisoformat(told["at"]),
            links=base64.b64decode(told["links"], validate=True),
            seen={
                name: Seen(int(one["seq"]), str(one["head"]), int(one["number"]), str(one["digest"]))
                for name, one in told["seen"].items()
            },
            key_id=str(told["key_id"]),
            countersigners={str(name): str(key) for name, key in told["countersigners"].items()},
            introduces=PublicKey(campus, base64.b64decode(introduced, validate=True)) if introduced else None,
            signatures=tuple(
                Signature(str(one["campus"]), str(one["key_id"]), base64.b64decode(one["signature"], validate=True))
                for one in document["signatures"]
            ),
        )


def fault_of_row(before: Checkpoint | None, one: Checkpoint) -> str | None:
    """Why a checkpoint can't be the one after `before` (None: the first one); None when it can."""
    number, previous, seq = (before.number, before.digest(), before.seq) if before else (0, GENESIS, 0)
    if one.number != number + 1 or one.previous != previous:
        return f"does not continue checkpoint {number}" if before else "is not the first one"
    if one.seq < seq or len(one.links) != (one.seq - seq) * LINK_BYTES:
        return "does not tell of the entries since the one before"
    if before and any(
        (one.seen[name].number, one.seen[name].seq) < (seen.number, seen.seq) if name in one.seen else True
        for name, seen in before.seen.items()
    ):
        return "has seen less of other campuses than the one before"
    if one.seq == seq and before and one.head != before.head:
        return "tells of another entry than the one before"
    if one.seq > seq and one.links[-LINK_BYTES:] != link_of(one.head):
        return "does not fit in itself"
    return None


def is_its_own_root(before: Checkpoint | None, one: Checkpoint) -> bool:
    """Signed by a key that no checkpoint before has introduced: the first one, or one after the key was lost."""
    active = before.active_after if before else None
    return one.key_id != active and one.introduces is not None and one.introduces.key_id == one.key_id
