"""The weekly review: what it counts, and that a week that is over stays as it was. On both databases."""

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.hub import Hub
from hub_pipelines.report.weekly.model import Week, WeeklyReview
from hub_pipelines.report.weekly.render import to_html
from hub_pipelines.report.weekly.service import to_csv
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ReasonCode, ReviewItem
from hub_pipelines_tests.support import in_review_for_lost_bytes, make_registry, process, send

WEEK = Week.named("2026-W47")
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])


def dated(hub: Hub, item: ReviewItem, opened: datetime, resolved: datetime | None = None) -> None:
    times = {"opened_at": opened} | ({"resolved_at": resolved} if resolved else {})
    with hub.db.write() as tx:
        tx.execute(update(reviews.review_item).where(reviews.review_item.c.item_id == item.item_id).values(**times))


def gather(hub: Hub, week: Week = WEEK, now: datetime = MONDAY + timedelta(days=10)) -> WeeklyReview:
    return replace(hub.weekly, now=lambda: now).gather(week)


@pytest.fixture
def story(hub: Hub) -> list[ReviewItem]:
    """Four of one kind (one of the week before; of the week one dismissed in it, one sent again later) and another."""
    in_review_for_lost_bytes(hub, 4)
    damaged = send(hub, "=picture.xlsx", b"no workbook")
    process(hub, str(damaged.request_id))
    items = sorted(hub.review.listing(), key=lambda one: one.source_name)
    other, before, dismissed, later, waits = items
    hub.review.dismiss(dismissed.item_id, actor="person/kim", reason=ReasonCode.NOT_OURS, note="-1+1|museum")
    hub.review.replay(later.item_id, actor="person/lee")
    dated(hub, before, MONDAY - timedelta(days=3))
    dated(hub, dismissed, MONDAY + timedelta(days=1), MONDAY + timedelta(days=2))
    dated(hub, later, MONDAY + timedelta(days=1), MONDAY + timedelta(days=8))
    dated(hub, waits, MONDAY + timedelta(days=6, hours=12))
    dated(hub, other, MONDAY + timedelta(days=5))
    return items


def test_a_week_is_named_as_calendars_do_and_begins_on_monday() -> None:
    assert (WEEK.start, WEEK.end, WEEK.before.name) == (MONDAY, MONDAY + timedelta(days=7), "2026-W46")
    assert Week.of(datetime(2027, 1, 3, 23, 59, tzinfo=UTC)).name == "2026-W53"
    assert Week.named("2026-W53").monday == date(2026, 12, 28)
    for wrong in ("2026-W54", "2025-W53", "2026-47", "W47", "2026-W00"):
        with pytest.raises(SettingsError, match="2026-W47"):
            Week.named(wrong)


def test_systemic_causes_come_first_with_their_trend(hub: Hub, story: list[ReviewItem]) -> None:
    review = gather(hub)
    lost, damaged = review.systemic
    assert lost.group == story[1].fingerprint
    assert (lost.count, lost.before, lost.open) == (3, 1, 3)
    assert (damaged.count, damaged.before, damaged.open) == (1, 0, 1)
    assert (review.opened, review.opened_before, review.resolved, review.open) == (4, 1, 1, 4)


def test_open_items_are_counted_by_age_cause_campus_and_feed_as_of_the_weeks_end(
    hub: Hub, story: list[ReviewItem]
) -> None:
    assert len(story) == 5
    by = gather(hub).open_by
    assert by["age"] == {"less than a day": 1, "1 to 7 days": 2, "7 to 30 days": 1, "more than 30 days": 0}
    assert by["cause"] == {"integrity": 3, "unreadable": 1}
    assert by["campus"] == {"north": 4}
    assert by["feed"] == {"inventory": 4}


def test_the_longest_waiting_is_first_and_decisions_tell_who_when_and_why(hub: Hub, story: list[ReviewItem]) -> None:
    review = gather(hub)
    assert review.waiting[0].item_id == story[1].item_id
    assert round(review.waiting[0].age_days, 1) == 10.0
    (decision,) = review.decisions
    assert (decision.by, decision.what, decision.reason_code, decision.count) == ("kim", "dismissed", "not_ours", 1)
    (line,) = review.resolutions
    assert (line.resolved_by, line.reason_code, line.note) == ("kim", "not_ours", "-1+1|museum")


def test_a_week_that_is_over_says_the_same_whatever_is_decided_afterwards(hub: Hub, story: list[ReviewItem]) -> None:
    before = gather(hub)
    hub.review.dismiss(story[0].item_id, actor="person/kim", reason=ReasonCode.TEST_DATA)
    dated(hub, story[0], story[0].opened_at, MONDAY + timedelta(days=9))
    dated(hub, story[0], MONDAY + timedelta(days=5))
    after = gather(hub, now=MONDAY + timedelta(days=40))
    assert replace(after, written_at=before.written_at) == before


def test_a_week_that_has_not_begun_is_refused_and_a_running_one_says_so(hub: Hub, story: list[ReviewItem]) -> None:
    assert story
    running = gather(hub, now=MONDAY + timedelta(days=3))
    assert not running.is_over
    assert "the week is not over" in to_html(running, "x.csv")
    with pytest.raises(SettingsError, match="has not begun"):
        gather(hub, Week.named("2026-W50"), now=MONDAY)


def test_the_table_has_a_line_for_each_group_and_item_and_no_cell_is_a_formula(
    hub: Hub, story: list[ReviewItem]
) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(gather(hub)))))
    assert [row["part"] for row in rows] == ["group"] * 2 + ["open"] * 4 + ["resolved"]
    assert rows[-1]["note"] == "'-1+1|museum"
    assert [row["source_name"] for row in rows if row["item_id"] == story[0].item_id] == ["'=picture.xlsx"] * 2
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row.values())


def test_page_and_table_are_written_beside_each_other_and_hostile_names_stay_text(
    hub: Hub, story: list[ReviewItem]
) -> None:
    assert story
    hostile = send(hub, "<script>alert(1)<script>.xlsx", b"no workbook at all")
    process(hub, str(hostile.request_id))
    week = Week.of(hub.weekly.now())
    hub.weekly.write(week)
    page, table = hub.weekly.paths(week)
    assert page == hub.settings.home / "reports" / "weekly" / f"{week.name}.html"
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "alert(1)" in text
    assert table.name in text
    assert table.read_text(encoding="utf-8").startswith("week,part,group")


def test_a_week_without_anything_is_a_page_that_says_so(hub: Hub) -> None:
    review = gather(hub)
    assert "Nothing waits for a decision" in to_html(review, "x.csv")
    assert list(csv.DictReader(io.StringIO(to_csv(review)))) == []
