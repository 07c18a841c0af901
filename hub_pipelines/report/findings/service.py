"""Writes `reports/findings/findings.html` to read and `findings.csv` to sort: what is open, and what was closed lately.

The page also counts the lines that were not judged. Both tell as of which versions of the ledgers each campus's awards
were judged. Writing is repeatable.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub_pipelines.common.clock import iso
from hub_pipelines.common.files import write_replacing
from hub_pipelines.common.scope import Campus
from hub_pipelines.common.spreadsheets import write_csv
from hub_pipelines.common.store import Database
from hub_pipelines.findings import store
from hub_pipelines.findings.model import Finding
from hub_pipelines.findings.unjudged import Unjudged, headline_of, unjudged_lines
from hub_pipelines.report.render import template
from hub_pipelines.report.words import GLYPHS, Tone, moment

OPEN_LISTED = 10_000
OPEN_SHOWN = 500
CLOSED_SHOWN = 200
_LATELY = timedelta(days=30)
_COLUMNS = (
    *(
        "finding_id",
        "campus",
        "award",
        "rule",
        "citation",
        "subject",
        "amount",
        "currency",
        "told",
        "request_id",
        "row",
    ),
    *("opened_at", "opened_by", "closed_at", "closed_by"),
)


@dataclass(frozen=True, slots=True)
class FindingsPage:
    """Raises OSError when the folder can't be written."""

    db: Database
    root: Path
    campuses: Mapping[str, Campus]
    now: Callable[[], datetime]

    @property
    def paths(self) -> tuple[Path, Path]:
        """The page and the table."""
        return self.root / "findings.html", self.root / "findings.csv"

    def write(self) -> "Written":
        """As things stand."""
        page, table = self.paths
        with self.db.read() as tx:
            open_, total = store.listing(tx, limit=OPEN_LISTED)
            closed = store.closed_since(tx, self.now() - _LATELY, limit=CLOSED_SHOWN)
            marks = [store.mark_of(tx, campus) for campus in self.campuses]
            unjudged = unjudged_lines(tx, self.campuses)
        tone: Tone = "attention" if total else "neutral" if unjudged else "good"
        html = template("findings/findings.html").render(
            tone=tone,
            glyph=GLYPHS[tone],
            headline=_headline(total, unjudged),
            written_at=self.now(),
            marks=[one for one in marks if one.evaluated_at is not None],
            open=open_[:OPEN_SHOWN],
            open_left=total - len(open_[:OPEN_SHOWN]),
            unjudged=unjudged,
            closed=closed,
            table=table.name,
            moment=moment,
        )
        self.root.mkdir(parents=True, exist_ok=True)
        write_replacing(table, to_csv((*open_, *closed)))
        write_replacing(page, html)
        return Written(page, tuple(unjudged))


@dataclass(frozen=True, slots=True)
class Written:
    """The page, and what of it no evaluation tells."""

    page: Path
    unjudged: tuple[Unjudged, ...]


def to_csv(findings: Iterable[Finding]) -> str:
    """One line for each. No cell can be taken for a formula."""
    text = io.StringIO()
    write_csv(text, _COLUMNS, map(_row, findings))
    return text.getvalue()


def _row(one: Finding) -> dict[str, Any]:
    same = ("finding_id", "campus", "award", "citation", "subject", "amount", "told", "request_id", "row")
    return {
        **{name: getattr(one, name) for name in same},
        "rule": one.rule_id,
        "currency": one.currency if one.amount else None,
        "opened_at": iso(one.opened_at),
        "opened_by": one.opened_by.what,
        "closed_at": iso(one.closed_at) if one.closed_at else None,
        "closed_by": one.closed_by.what if one.closed_by else None,
    }


def _headline(total: int, unjudged: Iterable[Unjudged]) -> str:
    told = "1 finding is open" if total == 1 else f"{total:,} findings are open" if total else "No finding is open"
    more = headline_of(unjudged)
    return f"{told}. {more}" if more else told
