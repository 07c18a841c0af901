"""Where receipts are: `receipts/<campus>/<feed>/`, each page under a name by which its sender knows the file.

Belongs here: the names of pages. Not here: writing them (service, previews).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.intake.model import FOLDER_OF, Arrival, Purpose
from hub_pipelines.intake.service import plain_name
from hub_pipelines.submission.model import MESSAGES, Submission


@dataclass(frozen=True, slots=True)
class Places:
    """The pages below a folder of receipts."""

    root: Path

    def page_of(self, current: Submission) -> Path:
        campus, feed = current.envelope.campus, current.envelope.feed
        of_messages = current.envelope.channel == MESSAGES
        folder = self.folder_of_messages(campus, feed) if of_messages else self._folder(campus, feed)
        return folder / (f"{file_stem(plain_name(current.envelope.source_name))}--{current.request_id[-8:]}.html")

    def folder_of_messages(self, campus: str, feed: str) -> Path:
        """Where the pages of batches are."""
        return self._folder(campus, feed) / "messages"

    def page_of_arrival(self, arrival: Arrival) -> Path:
        return self._folder(arrival.scope.campus, arrival.scope.feed) / (
            f"{file_stem(arrival.source_name)}--{arrival.outcome}-{arrival.arrived_at:%Y%m%d-%H%M%S}-{arrival.arrival_id[-6:]}.html"
        )

    def page_of_preview(self, arrival: Arrival) -> Path:
        name = f"{file_stem(arrival.source_name)}--{arrival.arrived_at:%Y%m%d-%H%M%S}-{arrival.arrival_id[-6:]}.html"
        return self._folder(arrival.scope.campus, arrival.scope.feed) / FOLDER_OF[Purpose.PREVIEW] / name

    def _folder(self, campus: str, feed: str) -> Path:
        return self.root / campus / feed


def file_stem(source_name: str) -> str:
    """A file name that is safe on any system and still recognisable to the sender."""
    safe = re.sub(r"[^\w.() -]+", "_", source_name).strip(" .")
    return safe.encode("utf-8")[:80].decode("utf-8", "ignore") or "file"
