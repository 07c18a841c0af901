"""Writes the receipts of previews into `receipts/<campus>/<feed>/preview/`.

Belongs here: all the files that a sender gets of a preview. Not here: what they say. Writing is repeatable: after a
crash the same files are written over themselves.
"""

from pathlib import Path

from hub_pipelines.common.files import write_replacing
from hub_pipelines.intake.model import Arrival
from hub_pipelines.report.previews.model import Preview
from hub_pipelines.report.service import Receipts


def write_pages(receipts: Receipts, arrival: Arrival, preview: Preview) -> Path:
    """The page, and the same for programs; returns the page. Raises OSError when the folder can't be written."""
    from hub_pipelines.report.previews.page import to_html, to_json

    page = receipts.places.page_of_preview(arrival)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_replacing(page.with_suffix(".json"), to_json(preview))
    write_replacing(page, to_html(preview))
    receipts.index.mark(arrival.scope.campus)
    return page
