"""Gathers a week's review and writes it: `reports/weekly/<year>-W<week>.html` to read, `.csv` to sort and count.

Writing is repeatable, and a week that is over says the same whenever it is written: an item counts as open when it
was not resolved by the week's end, whatever has become of it since.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub_pipelines.common.clock import iso
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import write_replacing
from hub_pipelines.common.spreadsheets import write_csv
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.report.weekly.model import Decision, Line, Systemic, Week, WeeklyReview
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, ReviewItem, Selection, Tally
from hub_pipelines.validate.difference import Difference

SYSTEMIC_SHOWN = 50
ITEMS_LISTED = 10_000
_AGES = (("less than a day", 0, 1), ("1 to 7 days", 1, 7), ("7 to 30 days", 7, 30), ("more than 30 days", 30, None))


@dataclass(frozen=True, slots=True)
class WeeklyReviews:
    """Raises OSError when the folder can't be written, SettingsError for a week that has not begun."""

    db: Database
    root: Path
    now: Callable[[], datetime]

    def paths(self, week: Week) -> tuple[Path, Path]:
        """The page and the table of a week."""
        return self.root / f"{week.name}.html", self.root / f"{week.name}.csv"

    def write(self, week: Week) -> WeeklyReview:
        """Write page and table of a week as things stand."""
        from hub_pipelines.report.weekly.render import to_html

        review = self.gather(week)
        page, table = self.paths(week)
        self.root.mkdir(parents=True, exist_ok=True)
        write_replacing(table, to_csv(review))
        write_replacing(page, to_html(review, table.name))
        return review

    def gather(self, week: Week) -> WeeklyReview:
        now = self.now()
        if week.start > now:
            raise SettingsError(f"The week {week.name} has not begun; this one is {Week.of(now).name}.")
        until = min(week.end, now)
        opened = Selection(state=None, opened_from=week.start, opened_before=week.end)
        earlier = Selection(state=None, opened_from=week.before.start, opened_before=week.start)
        waiting = Selection(state=None, open_at=until)
        resolved = Selection(state=None, resolved_from=week.start, resolved_before=week.end)
        again = Selection(ItemState.RESUBMITTED, resolved_from=week.start, resolved_before=week.end)
        with self.db.read() as tx:
            of_week = reviews.tallies(tx, opened)
            of_earlier = reviews.tallies(tx, earlier)
            still_open = reviews.tallies(tx, waiting)
            systemic = _systemic(of_week, of_earlier, still_open)
            return WeeklyReview(
                week=week,
                until=until,
                written_at=now,
                opened=_total(of_week),
                opened_before=_total(of_earlier),
                resolved=reviews.count(tx, resolved),
                open=_total(still_open),
                systemic=tuple(_told(tx, *one) for one in systemic[:SYSTEMIC_SHOWN]),
                systemic_total=len(systemic),
                open_by={"age": _by_age(tx, until), **_by(still_open)},
                waiting=_lines(reviews.items(tx, waiting, limit=ITEMS_LISTED), until),
                decisions=tuple(
                    Decision(_name(by), what, code, times) for by, what, code, times in reviews.decisions(tx, resolved)
                ),
                resolutions=_lines(reviews.items(tx, resolved, limit=ITEMS_LISTED), until),
                resubmitted=_lines(reviews.items(tx, again, limit=ITEMS_LISTED), until),
            )


def _total(tallies: Iterable[Tally]) -> int:
    return sum(one.count for one in tallies)


_Group = tuple[str, int, int, int, list[Tally]]


def _systemic(week: list[Tally], earlier: list[Tally], still_open: list[Tally]) -> list[_Group]:
    """Name, items of this week, of the one before, open ones; what is frequent or waits in numbers comes first."""
    counts = [Counter[str](), Counter[str](), Counter[str]()]
    for counter, tallies in zip(counts, (week, earlier, still_open), strict=True):
        for one in tallies:
            counter[one.group] += one.count
    now, then, waiting = counts
    seen: dict[str, list[Tally]] = {}
    for one in (*week, *still_open):
        seen.setdefault(one.group, []).append(one)
    found = [(name, now[name], then[name], waiting[name], some) for name, some in seen.items()]
    return sorted(found, key=lambda one: (-one[1], -one[3], one[0]))


def _told(tx: Transaction, name: str, count: int, before: int, still_open: int, some: Sequence[Tally]) -> Systemic:
    example = reviews.example_of(tx, name)
    return Systemic(
        group=name,
        count=count,
        before=before,
        open=still_open,
        causes=tuple(sorted({one.cause for one in some})),
        campuses=tuple(sorted({one.campus for one in some})),
        feeds=tuple(sorted({one.feed for one in some})),
        reason=example.reason,
        example_item=example.item_id,
        example_file=example.source_name,
    )


def _by_age(tx: Transaction, until: datetime) -> dict[str, int]:
    found = {}
    for label, least, most in _AGES:
        oldest = until - timedelta(days=most) if most else None
        asked = Selection(
            state=None,
            open_at=until,
            opened_from=oldest,
            opened_before=until - timedelta(days=least) if least else None,
        )
        found[label] = reviews.count(tx, asked)
    return found


def _by(tallies: Sequence[Tally]) -> dict[str, dict[str, int]]:
    found = {}
    for what in ("cause", "campus", "feed"):
        counter: Counter[str] = Counter()
        for one in tallies:
            counter[getattr(one, what)] += one.count
        found[what] = dict(counter.most_common())
    return found


def _lines(items: Iterable[ReviewItem], until: datetime) -> tuple[Line, ...]:
    return tuple(_line(item, until) for item in items)


def _line(item: ReviewItem, until: datetime) -> Line:
    resolved = item.resolved_at is not None and item.resolved_at < until
    dismissed = resolved and item.state is ItemState.DISMISSED
    ended = item.resolved_at if resolved and item.resolved_at else until
    return Line(
        item_id=item.item_id,
        request_id=item.request_id,
        group=item.fingerprint,
        campus=item.campus,
        feed=item.feed,
        source_name=item.source_name,
        cause=item.cause,
        reason=item.reason,
        opened_at=item.opened_at,
        age_days=(ended - item.opened_at) / timedelta(days=1),
        resolved_at=item.resolved_at if resolved else None,
        resolved_by=_name(item.resolved_by or "") if resolved else None,
        what=str(item.state) if resolved else None,
        reason_code=item.reason_code if resolved else None,
        note=(item.resolution or "").partition(": ")[2] or None if dismissed else None,
        replaced_by=item.replaced_by if resolved else None,
        difference=Difference.from_document(item.difference).sentence() if resolved and item.difference else None,
    )


def _name(actor: str) -> str:
    return actor.removeprefix("person/")


# ---- the table

_COLUMNS = (
    *("week", "part", "group", "items", "items_week_before", "open", "cause", "campus", "feed", "source_name"),
    *("item_id", "request_id", "opened_at", "age_days", "what", "resolved_at", "resolved_by", "reason_code", "note"),
    *("replaced_by", "difference", "reason"),
)


def to_csv(review: WeeklyReview) -> str:
    """One line for each group, open item and resolved item; `part` says which. No cell can be taken for a formula."""
    text = io.StringIO()
    write_csv(text, _COLUMNS, ({"week": review.week.name, **row} for row in _csv_rows(review)))
    return text.getvalue()


def _csv_rows(review: WeeklyReview) -> Iterator[dict[str, Any]]:
    for one in review.systemic:
        yield {
            "part": "group",
            "group": one.group,
            "items": one.count,
            "items_week_before": one.before,
            "open": one.open,
            "cause": " ".join(one.causes),
            "campus": " ".join(one.campuses),
            "feed": " ".join(one.feeds),
            "item_id": one.example_item,
            "source_name": one.example_file,
            "reason": one.reason,
        }
    if review.systemic_total > len(review.systemic):
        yield {"part": "groups left out", "items": review.systemic_total - len(review.systemic)}
    for part, lines, total in (
        ("open", review.waiting, review.open),
        ("resolved", review.resolutions, review.resolved),
    ):
        yield from (_csv_row(part, one) for one in lines)
        if total > len(lines):
            yield {"part": f"{part} left out", "items": total - len(lines)}


def _csv_row(part: str, one: Line) -> dict[str, Any]:
    same = ("group", "campus", "feed", "cause", "source_name", "item_id", "request_id", "what", "resolved_by")
    more = ("reason_code", "note", "replaced_by", "difference", "reason")
    return {
        "part": part,
        **{name: getattr(one, name) for name in (*same, *more)},
        "opened_at": iso(one.opened_at),
        "age_days": f"{one.age_days:.1f}",
        "resolved_at": iso(one.resolved_at) if one.resolved_at else None,
    }
