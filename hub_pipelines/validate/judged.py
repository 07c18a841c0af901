"""A row between its cells and its verdict. Not here: how it is judged (service.py, bulk)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub_pipelines.validate.model import Cell, Problem


@dataclass(slots=True)
class JudgedRow:
    """A row under way: `tag` is set as soon as the tag's cell itself is sound, `key` when the whole row is."""

    row_no: int
    tag_cell: Cell = None
    tag: str | None = None
    key: str | None = None
    values: dict[str, object] | None = None
    sound: Mapping[str, object] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def is_good(self) -> bool:
        return self.values is not None and all(found.severity == "warn" for found in self.problems)
