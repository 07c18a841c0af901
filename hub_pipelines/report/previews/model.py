"""What the receipt of a preview says, as plain data.

Belongs here: the facts. Not here: how they are found (previewing.py), how they are worded and laid out (page.py).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from hub_pipelines.report.model import ChangedItem, ColumnLine, ColumnsRead, GoesOn, ItemName, Line

Would = Literal["post", "ask", "hold", "refuse", "unknown"]
"""What would become of the file: its rows would be taken, questions asked first, a person would look at its columns, it
would not be taken; or the hub failed to find out."""


@dataclass(frozen=True)
class NewItem:
    row: int
    key: str
    item: ItemName
    amount: str | None = None


@dataclass(frozen=True)
class Missed:
    """An item that a complete count would miss; `row` is the rejected row that lists it, None when none does."""

    key: str
    item: ItemName
    location: str
    row: int | None
    moved: tuple[str, ...] = ()
    """Where the file lists the same thing as a new item."""


@dataclass(frozen=True)
class Question:
    text: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a file would do to a ledger as it is now. Of each list the first; the counts count all."""

    record_type: str
    ledger: str
    ledger_version: int
    received: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    problems_total: int = 0
    warnings_total: int = 0
    elsewhere: int = 0
    """Rows of other tables in the file, which would not be read."""
    worth_a_look: int = 0
    """Remarks for which the receipt would not say that all is done."""
    new_items: tuple[NewItem, ...] = ()
    changed_items: tuple[ChangedItem, ...] = ()
    problems: tuple[Line, ...] = ()
    warnings: tuple[Line, ...] = ()
    counted: tuple[str, ...] | None = None
    """The locations that a complete count would cover."""
    not_found: int = 0
    listed_in_rejected_rows: int = 0
    missed: tuple[Missed, ...] = ()


@dataclass(frozen=True)
class Preview:
    """Everything that the receipt of a preview says. `found` is None when the file as a whole would not be taken."""

    arrival_id: str
    source_name: str
    campus: str
    feed: str
    complete_count: bool
    arrived_at: datetime
    previewed_at: datetime
    time_zone: str
    content_digest: str
    archived_copy: str
    would: Would
    reason: str | None = None
    next_step: str | None = None
    found: Found | None = None
    questions: tuple[Question, ...] = ()
    columns: tuple[ColumnLine, ...] = ()
    columns_as_before: int = 0
    columns_read: ColumnsRead = field(default_factory=ColumnsRead)
    first_copy: GoesOn | None = None
    """The file that has brought these bytes already: sent again they would be its duplicate."""
    contact: str = ""
    """Whom to ask, as the settings say."""
    gave_back_for: str | None = None
    """The file that is corrected, of a workbook that the hub gave back."""

    def summary(self) -> dict[str, Any]:
        """What a list of receipts tells of it."""
        found = self.found
        names = ("received", "new", "changed", "unchanged", "rejected", "elsewhere")
        return {
            "would": self.would,
            "reason": self.reason,
            "known": self.first_copy is not None,
            "questions": len(self.questions),
            **{name: getattr(found, name) if found else 0 for name in names},
        }
