"""What the archived bytes of a submission hold, read anew for the checks: told by nobody who has judged them.

Belongs here: reading them, and reading them while the posting goes on. Not here: what is compared with it (evidence).
"""

from dataclasses import dataclass, field

from hub_pipelines.common.beside import Beside, at_best
from hub_pipelines.common.store import Database
from hub_pipelines.judging import Judge
from hub_pipelines.mapping.decision import rules_of
from hub_pipelines.resting import Resting
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Submission
from hub_pipelines.validate.batches import counts_of


@dataclass(frozen=True, slots=True)
class Recounted:
    """The headings as they were sent, and how many rows stand below them."""

    header: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Recounts:
    """Reads archived files for the checks: each run's file once, beside its posting where that has begun it."""

    db: Database
    judge: Judge
    resting: Resting
    _beside: Beside[Recounted] = field(default_factory=Beside, compare=False, repr=False)

    def begin(self, request_id: str) -> None:
        """A large file's posting and its reading keep one processor busy each. Fails nobody: see `at_best`."""
        with at_best("reading the file anew"):
            with self.db.read() as tx:
                current = submissions.get(tx, request_id)
            self._beside.begin(_key(current), lambda: self.read(current))

    def of(self, current: Submission, *, last: bool) -> Recounted:
        """The `last` who asks has what was read for this run forgotten. Raises as `read` does."""
        return self._beside.result(_key(current), lambda: self.read(current), forget=last)

    def read(self, current: Submission) -> Recounted:
        """Its table is found, and every row cut, anew. Raises Unreadable, Blocked."""
        with self.db.read() as tx:
            decision = self.judge.mappings.decision_of(tx, current.decision)
        with (
            self.resting.of(current.envelope, "counting") as rest,
            self.judge.open(current.envelope, rules_of(decision)) as table,
        ):
            rows = 0
            for some in counts_of(table.rows):
                rows += some
                rest()
            return Recounted(tuple(table.header), rows)


def _key(current: Submission) -> tuple[object, ...]:
    return current.request_id, current.revision, current.token, current.decision
