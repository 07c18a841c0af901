"""A proof that one row is in a posting that the audit chain tells of, for somebody without the hub. Pure.

Belongs here: what a proof holds and what it shows. Not here: where its entries come from (evidence.py), whether the
audit entry itself is genuine (audit/checkpoints/bundle.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hub_pipelines.audit.model import Entry, Event, entry_hash
from hub_pipelines.audit.tree import proof, proves
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.clock import iso
from hub_pipelines.common.errors import HubError
from hub_pipelines.ledger.digests import entry_leaf, leaves
from hub_pipelines.ledger.model import CHAIN, ENTERED_AT, LEAVES, TREE

FORMAT = "hub-row-proof/1"
_A_DAY = timedelta(days=1)
_PARTS: dict[str, Any] = {
    **dict.fromkeys(("ledger", "key", "operation", "values", "digest", "request_id", "campus", "ledger_date"), str),
    **dict.fromkeys(("version", "row_no", "revision", "contract_version"), int),
    **dict.fromkeys(("previous_version", "previous_row_no"), int | None),
}
"""What a proof's journal entry must have, and of which kind."""


class NotAProof(HubError):
    """The file is no proof, or can't be read. The person who has it asks for another."""


def digest_version_of(audited: Entry) -> int:
    """How the digest of a posting was made that this audit entry tells of."""
    made = audited.event.detail.get("digest_version", CHAIN)
    return made if isinstance(made, int) else CHAIN


def entries_of(audited: Entry) -> int:
    """How many journal entries the posting made that this audit entry tells of."""
    made = (audited.event.detail.get(name, 0) for name in ("posted", "replaced", "arrived"))
    return sum(number for number in made if isinstance(number, int))


def is_when_entered(audited: Entry, moment: datetime) -> bool:
    """Whether the journal may say that the posting that this audit entry tells of made its entries at this moment.

    Entries of audit from before the moment was told tell the ledger's day and when the submission was posted: within
    these, with a day for time zones and for a clock that was set.
    """
    detail = audited.event.detail
    if ENTERED_AT in detail:
        return iso(moment) == detail[ENTERED_AT]
    posted_at = datetime.fromisoformat(str(detail["posted_at"]))
    day = datetime.fromisoformat(str(detail.get("ledger_date", posted_at.date()))).replace(tzinfo=UTC)
    return day - _A_DAY <= moment <= posted_at + _A_DAY


@dataclass(frozen=True, slots=True)
class RowProof:
    """A journal entry with all its parts, its place among the entries of its posting, the digests on the way to their
    root, and the audit entry that tells the root."""

    entry: dict[str, Any]
    index: int
    size: int
    path: tuple[str, ...]
    audited: Entry

    @staticmethod
    def of(entry: Mapping[str, Any], index: int, digests: Sequence[bytes], audited: Entry) -> "RowProof":
        path = proof(leaves(digests, digest_version_of(audited)), index)
        return RowProof(dict(entry), index, len(digests), tuple(one.hex() for one in path), audited)

    def fault(self) -> str | None:
        """What is wrong with it; None when it shows what it says, as far as its audit entry is genuine."""
        audited, detail = self.audited, self.audited.event.detail
        if audited.hash != entry_hash(audited.seq, audited.prev_hash, audited.at, audited.event):
            return "the audit entry was changed after it was written"
        if audited.event.event != "submission:posted" or digest_version_of(audited) not in (TREE, LEAVES):
            return "the audit entry tells of no posting whose rows can be proved one by one"
        if self.size != entries_of(audited):
            return "so many rows were not posted"
        if sha256_hex(str(self.entry["values"]).encode("utf-8")) != self.entry["digest"]:
            return "the values are not the ones that were posted"
        path = [bytes.fromhex(one) for one in self.path]
        root = bytes.fromhex(str(detail["rows_digest"]))
        if not proves(root, entry_leaf(self.entry, digest_version_of(audited)), self.index, self.size, path):
            return "the row is not among the rows that were posted"
        return None

    def text(self) -> str:
        one = self.audited
        return canonical_text(
            {
                "format": FORMAT,
                "entry": {**self.entry, "ledger_date": self.entry["ledger_date"].isoformat()},
                "index": self.index,
                "size": self.size,
                "path": list(self.path),
                "audit_entry": {
                    "campus": one.event.campus,
                    "seq": one.seq,
                    "at": iso(one.at),
                    "actor": one.event.actor,
                    "event": one.event.event,
                    "subject": one.event.subject,
                    "request_id": one.event.request_id,
                    "detail": one.event.detail,
                    "prev_hash": one.prev_hash,
                    "hash": one.hash,
                },
            }
        )

    @staticmethod
    def from_text(text: str) -> "RowProof":
        """Inverse of `text`. Raises NotAProof."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise NotAProof("This is no proof of `hub audit prove`.")
            canonical_text(document).encode("utf-8")  # neither half a character nor what is no number
            told, entry = document["audit_entry"], document["entry"]
            bytes.fromhex(told["detail"]["rows_digest"])
            index, size = document["index"], document["size"]
            if not all(isinstance(entry[name], kind) for name, kind in _PARTS.items()):
                raise ValueError("a part of the entry is of another kind")
            if {type(index), type(size)} != {int}:
                raise ValueError("a row's place is no number")
            event = Event(
                told["campus"], told["actor"], told["event"], told["subject"], told["request_id"], told["detail"]
            )
            audited = Entry(told["seq"], datetime.fromisoformat(told["at"]), event, told["prev_hash"], told["hash"])
            entry["ledger_date"] = date.fromisoformat(entry["ledger_date"])
            path = tuple(bytes.fromhex(one).hex() for one in document["path"])
            return RowProof(entry, index, size, path, audited)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise NotAProof("The proof is damaged: a part of it is missing or can't be read.") from error
