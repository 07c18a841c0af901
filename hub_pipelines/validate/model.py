"""The words that validation is written in: cells, problems, verdicts, the registry's interface, a feed.

Belongs here: plain types that the other modules share. Not here: reading files, rules on values, storage.
"""

import datetime
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel

from hub_pipelines.common.errors import Permanent

Cell = str | int | float | bool | datetime.datetime | datetime.date | datetime.time | datetime.timedelta | None


class Unreadable(Permanent):
    """The file as a whole cannot be taken; `fix` says what the sender should do."""

    cause = "unreadable"

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason, fix)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or odd) about one row. `value` is the cell as text, cut to a readable length."""

    rule: str
    column: str | None
    value: str | None
    reason: str
    suggestion: str | None
    severity: Literal["block", "warn"] = "block"


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """A row that posts. `values` holds text or None per column, and "other" for columns outside the contract."""

    row_no: int
    key: str
    values: dict[str, object]
    findings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that does not post, with everything that is wrong about it."""

    row_no: int
    problems: tuple[Problem, ...]


Verdict = AcceptedRow | RejectedRow


class Registry(Protocol):
    """The tags that procurement has issued, as validation needs to ask about them."""

    @property
    def version(self) -> int: ...

    @property
    def updated_at(self) -> datetime.datetime | None:
        """None as long as nothing has been registered."""

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        """The known ones among `tags`, each with its campus."""

    def nearest(self, tag: str) -> str | None:
        """The registered tag most like `tag`, if one is close enough to suggest."""


@dataclass(frozen=True)
class Feed:
    """One kind of file that labs send: its contract and how it is treated."""

    name: str
    record_type: str
    title: str
    row_model: type[BaseModel]
    key_column: str
    aliases: dict[str, str]
    """Normalised header text to column."""
    checks_tags: bool
    shared: bool
    """True: one ledger for all campuses, which is also the registry that other feeds are checked against."""
    priority: int
    """Lower runs first."""
    contract_version: int = 1

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.row_model.model_fields)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that the file must have."""
        return tuple(name for name, field in self.row_model.model_fields.items() if field.is_required())

    @property
    def column_descriptions(self) -> dict[str, str]:
        return {name: field.description or "" for name, field in self.row_model.model_fields.items()}
