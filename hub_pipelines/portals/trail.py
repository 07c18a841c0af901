"""The way that a pass has taken through a portal's pages, to notice that it leads nowhere. Pure.

In memory, of one piece of work on a pass: whoever goes on with it later notices a round later. Not here: what a page
holds (the adapters), whether all was read (service.py).
"""

from dataclasses import dataclass, field

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.portals.model import Garbled, PageRead, Request

MOST_STALE = 5
"""So many pages in a row may say that there is more and bring nothing new: some portals search in steps."""


@dataclass(slots=True)
class Trail:
    """`parents`: by the digest of each request that was read or is to be, that of the one it followed from."""

    parents: dict[str, str | None] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    stale: int = 0

    def follow(self, request: Request, read: PageRead) -> None:
        """Raises Garbled, and keeps nothing then, for a page that leads back to where the pass came from, and for one
        more page without anything new that says that there is more."""
        here = _digest(request)
        then = [_digest(one) for one in read.then]
        if any(self._came_by(one, here) for one in then):
            raise Garbled("The pages go in a circle: the next one that it names was read before.")
        ids = {hash(one.natural_id) for one in read.records} | {hash(canonical_text(one.raw)) for one in read.unread}
        news = bool(ids - self.seen) or read.others > 0
        stale = self.stale + 1 if then and not news else 0
        if stale >= MOST_STALE:
            raise Garbled(f"{stale} pages in a row say that there is more, and none has a record that was not seen.")
        self.parents.setdefault(here, None)
        for one in then:
            self.parents.setdefault(one, here)
        self.seen |= ids
        self.stale = stale

    def _came_by(self, digest: str, here: str) -> bool:
        """Whether a request is this one or one that led to it. The same may be named by two that did not."""
        if digest not in self.parents and digest != here:
            return False
        at: str | None = here
        while at is not None and at != digest:
            at = self.parents.get(at)
        return at is not None


def _digest(request: Request) -> str:
    return sha256_hex(canonical_text(request.document()).encode("utf-8"))[:32]
