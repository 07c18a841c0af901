"""Whose an award is: campuses by the names and UEIs that their institution has at portals. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from hub_pipelines.settings.portals import InstitutionSettings


@dataclass(frozen=True, slots=True)
class Institutions:
    """`by_uei` and `by_name` (as `_plain` has it) tell the campus. A UEI that is known decides."""

    by_uei: Mapping[str, str]
    by_name: Mapping[str, str]
    names: tuple[str, ...]
    """As portals spell them, for asking."""

    @staticmethod
    def of(settings: Mapping[str, InstitutionSettings]) -> "Institutions":
        return Institutions(
            {uei: campus for campus, one in settings.items() for uei in one.ueis},
            {_plain(name): campus for campus, one in settings.items() for name in one.names},
            tuple(name for one in settings.values() for name in one.names),
        )

    def campus_of(self, name: str | None, uei: str | None) -> str | None:
        """None: another institution's. Searches of portals are by words and find those too."""
        return self.by_uei.get(uei or "") or self.by_name.get(_plain(name or ""))


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(re.sub(r"[^\w]+", " ", folded).split())
