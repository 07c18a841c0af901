"""Movements: what sets an item's quantity and what adjusts it, as it is kept for each item (decisions/0070). Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hub_pipelines.ledger.comparing.model import SET
from hub_pipelines.validate.model import Problem

OPENING, ARRIVED, DISPOSED = "opening", "arrived", "disposed"
"""Kinds of movements beside SET and the contract's own. An opening is a set that was found in the ledger when the item
was adjusted for the first time; what arrives has been transferred from another place."""
BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Before all that is known of an item."""


@dataclass(frozen=True, slots=True)
class Movement:
    """`quantity` of a set is None where it was not known, of a disposal where all that was there has gone.

    `row_no` is that of the posting's row; `message` is the request_id of the message that adjusts, and `item` what it
    says that the item is (canonical JSON). Sets have neither.
    """

    row_no: int
    key: str
    kind: str
    occurred_at: datetime
    quantity: str | None
    unit: str | None
    message: str | None = None
    item: str | None = None

    @property
    def sets(self) -> bool:
        return self.kind in (SET, OPENING)

    @property
    def empties(self) -> bool:
        return self.kind == DISPOSED and self.quantity is None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an item stands: its newest journal entry, and what that says."""

    version: int
    row_no: int
    digest: str
    operation: str
    said: dict[str, object]


@dataclass(slots=True)
class Known:
    """What is known of an item's quantity.

    `base` is the set that counts, `emptied` the newest message that nothing is left. `deltas` have come (those from
    before the base are void): all after the earliest base that a row of the batch may make, else those that tell its
    unit. As they are read they are in no order; Adjusting sorts them. `totals` are what there is, in each unit that was
    asked for since the item's start was last told.
    """

    standing: Standing | None = None
    base: Movement | None = None
    emptied: Movement | None = None
    deltas: list[Movement] = field(default_factory=list)
    totals: dict[str | None, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Applied:
    """What a batch's rows come to.

    `entries` have the parts of a journal entry (digests.Change) in the order of their row numbers; `arrived` of them,
    the last ones, are second entries of rows that moved something. `sets` are number, key and values of rows that set.
    `movements` count, `void` ones are from before their item's base. Each of `found` is about a row; one that blocks
    has rejected it.
    """

    entries: list[tuple[Any, ...]] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    void: list[Movement] = field(default_factory=list)
    sets: list[tuple[int, str, str]] = field(default_factory=list)
    found: list[tuple[int, Problem]] = field(default_factory=list)
    arrived: int = 0
    unchanged: int = 0
    rejected: int = 0
    superseded: int = 0
