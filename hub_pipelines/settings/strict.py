"""What every part of the settings is: nothing unknown in it, nothing changes it, and what can't be meant is refused.

Belongs here: what more than one part asks of its values. Not here: which settings there are (sections, portals).
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_T = TypeVar("_T", list[str], tuple[str, ...])
_EARLIEST = date(1980, 1, 1)
_FURTHEST_AHEAD = timedelta(hours=14)
"""Of all time zones."""


class Strict(BaseModel):
    """A part of the settings. An unknown name in it is refused, and "16" where a number is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def require_at_most(self, lower: str, upper: str, told: str, *, units: tuple[int, int] = (1, 1)) -> None:
        """Of two settings that would contradict each other; a default gives way. Raises ValueError."""
        least, most = getattr(self, lower), getattr(self, upper)
        if lower in self.model_fields_set and least * units[0] > most * units[1]:
            raise ValueError(f"{lower} is {least} and {upper} is {most}: {told}. Lower {lower}, or raise {upper}")


def _each_once(found: _T) -> _T:
    if twice := [text for text, count in Counter(found).items() if count > 1]:
        raise ValueError(f"{', '.join(twice)} is written twice")
    return found


def _not_to_come(day: date) -> date:
    today = (datetime.now(UTC) + _FURTHEST_AHEAD).date()
    if not _EARLIEST <= day <= today:
        raise ValueError(f"{day} is not from {_EARLIEST} to today, {today}")
    return day


Names = Annotated[list[str], AfterValidator(_each_once)]
FixedNames = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_each_once)]
FirstDay = Annotated[date, Field(strict=False), AfterValidator(_not_to_come)]
"""From which on there is something."""
