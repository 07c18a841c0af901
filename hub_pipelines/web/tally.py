"""What the receiver answered and did not take, counted: one audit entry a minute for each campus that had any.

An entry for each would let a stranger fill the audit chain. What a killed receiver had counted in its last minute is
lost with it; nothing of it had been taken.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database
from hub_pipelines.intake.inbox.conflicts import ACTOR

EVERY_S = 60.0
_UNKNOWN = "unknown"


@dataclass(slots=True)
class Tally:
    db: Database
    campuses: frozenset[str]
    now: Callable[[], datetime]
    _since: datetime | None = None
    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, campus: str, source: str | None, what: str) -> None:
        """`source` only where the request has proved to be that source's: a stranger's words are not kept."""
        self._since = self._since or self.now()
        self._counts[campus if campus in self.campuses else RESERVED_CAMPUS, source or _UNKNOWN, what] += 1

    def write(self) -> None:
        """Audit what was counted. What can't be written now is kept for the next time. Raises Transient,
        DamagedDatabase."""
        if self._since is None:
            return
        counts, since = self._counts, self._since
        self._counts, self._since = Counter(), None
        try:
            with self.db.write() as tx:
                for campus in sorted({campus for campus, _, _ in counts}):
                    told = {f"{source} {what}": n for (one, source, what), n in sorted(counts.items()) if one == campus}
                    detail: dict[str, object] = {"since": since.isoformat(), "counts": told}
                    audit.append(tx, Event(campus, ACTOR, "messages:not_taken", "receiver", None, detail))
        except BaseException:
            self._counts, self._since = counts + self._counts, since
            raise
