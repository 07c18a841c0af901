"""What is told of a posting's journal entries. Pure."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class SetBy:
    """Which submission, under which file's name, has set a version of a ledger, and on which of the campus's days."""

    request_id: str
    source_name: str
    ledger_date: date
