"""What becomes of real files: `python -m hub_pipelines_tests.bench.real_files DIRECTORY…`.

A Markdown table with a line for each file below the directories, and the share of usable rows that post or wait for an
answer; to be checked by eye. Each file is dropped into the folder of each feed (or of `--feed` alone) of a temporary
hub of its own in which nothing is known, no procurement list either, and goes the way that every file goes: drop
folder, archive, validation, posting, receipt. What is shown is the feed that takes most of it. Usable are the rows of
files that some feed takes or asks about; what none takes is no list of the hub's kinds. `--receipts FOLDER` keeps the
receipts. No cell of a file is printed but its headings and what a question or reason quotes. Nothing here is a test.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Outcome
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.report.outcomes import waits_for_registry
from hub_pipelines.submission.model import Cause, State, Submission
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Unreadable
from hub_pipelines_tests.support import open_test_hub, process, submission, take_everything

_COLUMNS = (
    "file",
    "feed",
    "outcome",
    "rows",
    "posted",
    "no list yet",
    "not taken",
    "wait for an answer",
    "held",
    "columns",
    "kept unread",
    "why",
)
_FEEDS = ("inventory", "hazmat", "grants", "procurement")
"""Procurement last: what its list registers would change what becomes of the others."""
_NOT_IN = "not taken in"
_COLUMNS_SHOWN = 12
_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Became:
    """What became of one file. `rows` is None where no table was found in it."""

    feed: str
    outcome: str
    rows: int | None
    posted: int = 0
    no_list: int = 0
    """Rows that can't be taken before there is a procurement list."""
    rejected: int = 0
    asked: int = 0
    held: int = 0
    columns: tuple[str, ...] = ()
    unread: int = 0
    why: str = ""

    @property
    def is_usable(self) -> bool:
        return self.outcome not in (Cause.UNREADABLE, _NOT_IN)

    @property
    def worth(self) -> tuple[bool, int, int]:
        """Which of several feeds is the file's."""
        return self.is_usable, self.posted + self.no_list, self.asked

    def cells(self) -> list[str]:
        numbers = (self.posted, self.no_list, self.rejected, self.asked, self.held)
        more = len(self.columns) - _COLUMNS_SHOWN
        columns = ", ".join(self.columns[:_COLUMNS_SHOWN]) + (f" and {more} more" if more > 0 else "")
        rows = "–" if self.rows is None else str(self.rows)
        return [
            self.feed,
            self.outcome,
            rows,
            *(str(one or "") for one in numbers),
            columns,
            str(self.unread or ""),
            self.why,
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--feed", choices=sorted(FEEDS))
    parser.add_argument("--receipts", type=Path)
    asked = parser.parse_args()
    print(f"| {' | '.join(_COLUMNS)} |")
    print(f"|{'---|' * len(_COLUMNS)}")
    found = []
    for directory in asked.directories:
        for path in sorted(each for each in directory.rglob("*") if each.is_file()):
            became = what_becomes_of(path, [asked.feed] if asked.feed else _FEEDS, receipts=asked.receipts)
            found.append(became)
            name = f"{directory.name}/{path.name}"
            print(f"| {' | '.join(_plain(cell) for cell in [name, *became.cells()])} |", flush=True)
    print()
    print(share(found))


def what_becomes_of(path: Path, feeds: Sequence[str], *, receipts: Path | None = None) -> Became:
    """One file through a hub of its own, in the first of the feeds that take most of it."""
    with _empty_hub() as hub:
        return max((_dropped(hub, path, feed, receipts) for feed in feeds), key=lambda one: one.worth)


def _dropped(hub: Hub, path: Path, feed: str, receipts: Path | None) -> Became:
    shutil.copyfile(path, hub.settings.drop / "north" / feed / path.name)
    arrivals = [one for one in take_everything(hub) if one.outcome is Outcome.RECEIVED]
    if not arrivals:
        return Became(feed, _NOT_IN, None)
    (arrival,) = arrivals
    process(hub, str(arrival.request_id))
    hub.receipts.write(str(arrival.request_id))
    if receipts is not None:
        shutil.copytree(hub.settings.receipts / "north" / feed, receipts / feed, dirs_exist_ok=True)
    return _told(hub, feed, submission(hub, str(arrival.request_id)))


def share(found: Sequence[Became]) -> str:
    """Of the rows of lists that the hub takes, how many go on without anybody mending the file."""
    usable = [one for one in found if one.is_usable]
    rows = sum(one.rows or 0 for one in usable)
    posted, asked, listed = (sum(getattr(one, name) for one in usable) for name in ("posted", "asked", "no_list"))
    of_all = f" ({(posted + asked + listed) / rows:.1%})" if rows else ""
    outcomes = Counter(one.outcome for one in found)
    told = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    others = sum(one.rows or 0 for one in found) - rows
    return (
        f"{len(found)} files: {told}. Of {rows:,} usable rows in {len(usable)} files {posted:,} post, {asked:,} wait "
        f"for an answer and {listed:,} for the procurement list{of_all}; {others:,} rows are in files of no kind "
        "that the hub takes."
    )


@contextmanager
def _empty_hub() -> Iterator[Hub]:
    with tempfile.TemporaryDirectory() as home:
        hub = open_test_hub(Path(home), f"sqlite:///{home}/hub.db")
        try:
            yield hub
        finally:
            hub.db.dispose()


def _told(hub: Hub, feed: str, current: Submission) -> Became:
    receipt = json.loads(hub.receipts.places.page_of(current).with_suffix(".json").read_text(encoding="utf-8"))
    with hub.db.read() as tx:
        decision = mappings.find_decision(tx, current.decision)
        registry = waits_for_registry(tx, current)
    rows = _rows_in_table(hub, current)
    waiting = (rows or 0) if current.state is State.IN_REVIEW else 0
    is_asked = current.cause is Cause.QUESTION
    return Became(
        feed=feed,
        outcome=str(current.cause or ("waits for the procurement list" if registry else receipt["outcome"])),
        rows=rows,
        posted=current.counts.posted,
        no_list=registry.waiting,
        rejected=current.counts.rejected - registry.waiting,
        asked=waiting if is_asked else 0,
        held=0 if is_asked else waiting,
        columns=tuple(_columns(decision)),
        unread=len(decision.unread) if decision else 0,
        why=_why(receipt),
    )


def _rows_in_table(hub: Hub, current: Submission) -> int | None:
    try:
        return hub.recounts.read(current).rows
    except Unreadable:
        return None


def _columns(decision: Decision | None) -> Iterator[str]:
    for one in decision.mapping.assigned if decision and decision.mapping else ():
        heading = " ".join(one.heading.split())
        yield one.column if heading.casefold() == one.column else f"{heading or '(no heading)'} → {one.column}"


def _why(receipt: dict[str, Any]) -> str:
    """What was asked, or the headline with the most frequent problems of rows."""
    if receipt["questions"]:
        return " ".join(one["text"] for one in receipt["questions"])
    problems = Counter(f"{one['column'] or 'whole row'}: {one['reason']}" for one in receipt["problems"])
    most = [f"{reason} ({number}×)" for reason, number in problems.most_common(_REASONS_SHOWN)]
    return ". ".join([receipt["headline"], *most])


def _plain(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "/")


if __name__ == "__main__":
    main()
