"""Where the receipts of previews stand: `receipts/<campus>/<feed>/preview/`.

Belongs here: naming and writing them. Not here: what they say. Writing is repeatable: after a crash the same file is
written over itself.
"""

from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.common.files import write_replacing
from hub_pipelines.intake.model import FOLDER_OF, Arrival, Purpose
from hub_pipelines.report.previews.model import Preview
from hub_pipelines.report.service import Receipts, file_stem


@dataclass(frozen=True, slots=True)
class PreviewPages:
    """Writes a preview's receipt, beside those of what was received. Raises OSError when a folder can't be written."""

    receipts: Receipts

    def path_of(self, arrival: Arrival) -> Path:
        name = f"{file_stem(arrival.source_name)}--{arrival.arrived_at:%Y%m%d-%H%M%S}-{arrival.arrival_id[-6:]}.html"
        return self.receipts.root / arrival.scope.campus / arrival.scope.feed / FOLDER_OF[Purpose.PREVIEW] / name

    def write(self, arrival: Arrival, preview: Preview) -> Path:
        """All that the sender gets: the page, and the same for programs."""
        from hub_pipelines.report.previews.page import to_html, to_json

        page = self.path_of(arrival)
        page.parent.mkdir(parents=True, exist_ok=True)
        write_replacing(page.with_suffix(".json"), to_json(preview))
        write_replacing(page, to_html(preview))
        self.receipts.index.mark(arrival.scope.campus)
        return page
