"""How far a run is with a large file: one small file for each submission that is worked on for more than seconds.

Belongs here: writing it, reading it while its lease lasts, removing it. Not here: who tells it to whom (processing,
report). No table: while a posting goes on nobody else can write to SQLite, and what is told in the posting's own
transaction nobody else can see (decisions/0074).
"""

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from hub_pipelines.common.clock import iso
from hub_pipelines.common.files import write_replacing
from hub_pipelines.submission.model import State, Submission

_log = logging.getLogger(__name__)
Stage = Literal["reading", "judging", "posting"]
_IN_WORDS: dict[Stage, str] = {
    "reading": "step 1 of 3, reading the file to find out how it is written",
    "judging": "step 2 of 3, judging its rows",
    "posting": "step 3 of 3, posting its rows",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """`rows` are through the stage, of `of` where that is known yet. `token` is that of the lease which tells it."""

    token: int
    stage: Stage
    rows: int
    of: int | None
    at: datetime

    def __str__(self) -> str:
        told = f"{self.rows:,} of {self.of:,}" if self.of is not None else f"{self.rows:,}"
        return f"{_IN_WORDS[self.stage]}: {told} rows"


@dataclass(frozen=True, slots=True)
class ProgressFiles:
    folder: Path

    def tell(self, request_id: str, now: Progress) -> None:
        """A disk that takes no file must not stop the work that is told of: that is logged."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_replacing(self._path(request_id), json.dumps({**asdict(now), "at": iso(now.at)}))
        except OSError as error:
            _log.warning("progress could not be told: %s", error)

    def of(self, current: Submission) -> Progress | None:
        """None where nothing is told under the submission's present lease."""
        if current.state is not State.LEASED:
            return None
        try:
            found = json.loads(self._path(current.request_id).read_text(encoding="utf-8"))
            told = Progress(**{**found, "at": datetime.fromisoformat(found["at"])})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return told if told.token == current.token and told.stage in get_args(Stage) else None

    def request_ids(self) -> list[str]:
        """Of all submissions of which something is told, under whatever lease."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def is_told(self, request_id: str) -> bool:
        """Something is, under whatever lease."""
        return self._path(request_id).exists()

    def remove(self, request_id: str) -> None:
        self._path(request_id).unlink(missing_ok=True)

    def _path(self, request_id: str) -> Path:
        return self.folder / f"{request_id}.json"
