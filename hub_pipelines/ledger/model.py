"""What a posting takes and gives. Pure.

A ledger is named `<record type>@<campus>`, or `<record type>@all` when all campuses share it (the
procurement registry). Its `version` counts the postings that changed it; a journal entry's identity is
(ledger, version, row_no).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from hub_pipelines.common.errors import HubError
from hub_pipelines.ledger.comparing.model import Comparing, Corrected, Seen
from hub_pipelines.ledger.counting.model import Counting, ThingIn
from hub_pipelines.validate.model import RecordType
from hub_pipelines.validate.staging import Staged

REGISTRY_LEDGER = "procurement.asset@all"
"""The ledger that tags are checked against."""


CHAIN, TREE, LEAVES = 1, 2, 3
"""How the digest of a posting over its entries was made (digests.py)."""

ENTERED_AT = "entered_at"
"""Under which name the audit entry of a posting tells what the journal says of when it was made."""


class RegistryMoved(HubError):
    """The registry has another version than the one that the rows were checked against. The caller re-validates."""


class LedgerTaken(HubError):
    """Another posting has the ledger, and goes on. The caller gives its place to others; the hub launches it again."""

    def __init__(self, ledger: str) -> None:
        super().__init__(f"Another posting is being made to {ledger}; this one waits until it has ended.")
        self.ledger = ledger


class OccurrencesMoved(HubError):
    """A newer message of an item has posted since the rows were compared. The caller re-validates."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A submission's staged rows on their way into a ledger."""

    ledger: str
    record_type: str
    feed: str
    campus: str
    contract_version: int
    registry_version: int | None
    ledger_date: date
    rows: Staged
    shape: str | None = None
    """Fingerprint of the header that the rows came under."""
    migration: str | None = None
    """The version of a migration that they were read under."""
    decision: str | None = None
    """Digest of the decision about columns and values that they were read by."""
    received_at: datetime | None = None
    """When the submission came; what it names was found again after earlier counts. None: nothing is concluded."""
    counting: Counting | None = None
    """How to compare, when the submission is a complete count."""
    places_before: tuple[str, ...] = ()
    """Of a complete count: where the same list, as it was sent before, had something."""
    thing_in: ThingIn | None = None
    """Where the place is a part of what an item is: what else its key says."""
    comparing: Comparing | None = None
    """How to compare with what the rows replace. None: nothing is remarked."""
    corrected: Corrected | None = None
    """When the submission corrects another one that has posted."""
    seen: Seen | None = None
    """Of a workbook that came back: what its sender had before them."""
    adjustable: RecordType | None = None
    """The record type, where messages may adjust a quantity of it."""
    occurred_at: Mapping[int, datetime] | None = None
    """Of messages: when each row occurred. None of a file, whose rows set as of their posting."""


@dataclass(frozen=True, slots=True)
class Posting:
    """The outcome of a posting, stored with its idempotency record and returned to its own run's repeat."""

    request_id: str
    revision: int
    token: int
    ledger: str
    ledger_version: int
    posted: int
    unchanged: int
    rejected: int
    rows_digest: str
    posted_at: datetime
    repeat: bool = False
    digest_version: int = CHAIN
    """How `rows_digest` was made (ledger/digests.py)."""
    decision: str | None = None
    """Digest of the decision by which the file was read; None for postings from before there were any."""
    counted: tuple[str, ...] | None = None
    """The locations that a complete count covers; None of any other submission."""
    not_found: int = 0
    """Items at those locations that the count does not list."""
    uncounted: tuple[str, ...] = ()
    """Locations that the same list had before and this count does not name."""
    listed_in_rejected_rows: int = 0
    superseded: int = 0
    """Rows of messages that a newer message of the same item had made void."""
    replaced: int = 0
    """Lines that were closed because rows of this file, which corrects another, have their place."""
    corrects: tuple[str, int] | None = None
    """The posting (request_id, revision) with which it was compared for that."""
    new: int | None = None
    """Of the rows that were posted, those whose item the ledger never had; None for postings that did not count them.
    """
    arrived: int = 0
    """Journal entries at the place to which a row has moved something, beside its entry at the place where it was."""
    worth_a_look: int = 0
    """Remarks about what the rows replace that somebody should look at (comparing/remarks.py)."""
    keeps: bool = False
    """Its items kept what they had in columns that the file does not have (comparing/keeping.py). False: each row said
    all about its item."""
    seen: Seen | None = None
    """Rows that said nothing but what the ledger held then were not applied where others had set their items since.
    None: every row was."""
    spared: int = 0
    """Of the unchanged rows, those that were not applied for that."""

    def document(self) -> dict[str, object]:
        """As it is stored and told; of a count also what it covered and missed, of messages what gave way."""
        document = asdict(self)
        document["posted_at"] = self.posted_at.isoformat()
        del document["repeat"]
        if self.counted is None:
            for name in ("counted", "not_found", "listed_in_rejected_rows"):
                del document[name]
        if not self.uncounted:
            del document["uncounted"]
        if not self.superseded:
            del document["superseded"]
        if self.new is None:
            del document["new"]
        if not self.arrived:
            del document["arrived"]
        if not self.worth_a_look:
            del document["worth_a_look"]
        if not self.keeps:
            del document["keeps"]
        if not self.spared:
            del document["spared"]
        if self.seen is None:
            del document["seen"]
        else:
            document["seen"] = self.seen.document()
        if self.corrects is None:
            del document["replaced"], document["corrects"]
        return document

    @staticmethod
    def from_document(document: dict[str, Any]) -> "Posting":
        """Inverse of `document`."""
        counted = document.get("counted")
        posted_at = datetime.fromisoformat(document["posted_at"])
        corrects = document.get("corrects")
        return Posting(
            **{
                **document,
                "posted_at": posted_at,
                "counted": None if counted is None else tuple(counted),
                "uncounted": tuple(document.get("uncounted", ())),
                "corrects": None if corrects is None else (corrects[0], corrects[1]),
                "seen": Seen.from_document(document.get("seen")),
            }
        )

    @property
    def entries(self) -> int:
        """Journal entries that it has made."""
        return self.posted + self.replaced + self.arrived

    @property
    def received(self) -> int:
        return self.posted + self.unchanged + self.rejected + self.superseded


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An item's current state; `values` is the parsed row."""

    key: str
    values: dict[str, object]
    request_id: str
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class LaterChange:
    """A row of an earlier submission that a later one has changed."""

    key: str
    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SetOver:
    """A row that took the place of what another submission had set."""

    row_no: int
    key: str
    request_id: str
    at: datetime


def ledger_name(record_type: str, campus: str, *, shared: bool) -> str:
    return f"{record_type}@{'all' if shared else campus}"
