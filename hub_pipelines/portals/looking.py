"""What a poll would take now, gathered page by page; nothing is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub_pipelines.intake.inbox.model import NO_VERSION, Version
from hub_pipelines.portals.sorting import SortedPage


@dataclass(frozen=True, slots=True)
class Sight:
    """What a poll would take now, by record_id; nothing was taken. `complete` is False when it did not read all."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    known: tuple[str, ...]
    held: tuple[str, ...]
    pages: int
    complete: bool
    reason: str | None = None


@dataclass(slots=True)
class Looked:
    """What a look has found so far; each in the order of reading."""

    new: dict[str, None] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    known: dict[str, None] = field(default_factory=dict)
    held: dict[str, None] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    pages: int = 0

    def add(self, page: SortedPage, versions: Mapping[str, Version]) -> None:
        """`versions` are the newest of the good records that are known."""
        self.pages += 1
        self.digests |= {one.record_id: one.digest for one in page.good}
        self.held |= dict.fromkeys(one.found.record_id for one in page.strange)
        for one in page.good:
            before = versions.get(one.record_id, NO_VERSION)
            if not before.has_news(one):
                self.known[one.record_id] = None
            else:
                (self.changed if before.number else self.new)[one.record_id] = None

    def told(self, *, complete: bool, reason: str | None) -> Sight:
        return Sight(
            tuple(self.new), tuple(self.changed), tuple(self.known), tuple(self.held), self.pages, complete, reason
        )
