"""How long the hub waits for a portal, and how a record's shape is compared. No portal is asked."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub_pipelines.portals.model import Failing, Field, Garbled, NotAllowed, Pace, PortalError, Throttled
from hub_pipelines.portals.pacing import LONGEST_OPEN_S, Breaker, Health, failure_of, late_after, retry_after_s
from hub_pipelines.portals.rest import next_link
from hub_pipelines.portals.shapes import deviations_of

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
DOWN = Failing("The portal has failed (HTTP 503).")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 02 Mar 2026 14:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 13:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_retry_after_is_understood_as_seconds_and_as_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Throttled), (503, Throttled), (500, Failing), (401, NotAllowed), (200, type(None))]
)
def test_each_status_says_who_tries_again(status: int, kind: type) -> None:
    assert type(failure_of(status, {"retry-after": "5"}, NOW)) is kind


def test_the_breaker_opens_after_the_last_attempt_and_a_failed_probe_doubles_its_pause() -> None:
    health, pace = Health(), Pace(attempts=3)
    pauses = []
    at = NOW
    for _ in range(12):
        health = health.after_failure(DOWN, pace, at, lambda: 1.0)
        pauses.append(health.wait_s(at))
        at += timedelta(seconds=pauses[-1])

    assert pauses[:6] == [2.0, 4.0, 60.0, 120.0, 240.0, 480.0]
    assert max(pauses) == LONGEST_OPEN_S
    assert health.breaker(at - timedelta(seconds=1)) is Breaker.OPEN
    assert health.breaker(at) is Breaker.HALF_OPEN


def test_a_refusal_opens_the_breaker_at_once() -> None:
    health = Health().after_failure(NotAllowed("no"), Pace(), NOW, lambda: 0.0)
    assert health.wait_s(NOW) == LONGEST_OPEN_S / 2


@dataclass
class Asking:
    """What one hub does while a portal is down: it asks when it may."""

    health: Health
    draw: random.Random
    at: datetime


def asks_over_time(hubs: int, error: PortalError, *, minutes: int, seed: int = 1) -> list[float]:
    """Seconds after the beginning at which these hubs ask a portal that is down, all of them first at 0."""
    asking = [Asking(Health(), random.Random(f"{seed}-{number}"), NOW) for number in range(hubs)]
    ends = NOW + timedelta(minutes=minutes)
    asked: list[float] = []
    for one in asking:
        while one.at < ends:
            asked.append((one.at - NOW).total_seconds())
            one.health = one.health.after_failure(error, Pace(), one.at, one.draw.random)
            one.at += timedelta(seconds=one.health.wait_s(one.at))
    return asked


def test_hubs_that_were_told_the_same_to_wait_do_not_come_back_together() -> None:
    """Fault 13. Without a Retry-After the first pauses are short for all, so their first quarter minute is crowded."""
    hubs = 500
    busy = Throttled("busy", retry_after_s=60)
    for error, from_s, share in ((DOWN, 15, 10), (busy, 1, 20)):
        asked = asks_over_time(hubs, error, minutes=10)
        later = Counter(int(at) for at in asked if at >= from_s)

        assert len(asked) <= hubs * 12, "too many requests for an outage of ten minutes"
        assert max(later.values()) <= hubs / share
        assert error is DOWN or all(at == 0 or at >= 60 for at in asked)


def test_pauses_grow_and_are_drawn_from_all_of_their_range() -> None:
    waits = [
        Health(failures=2).after_failure(DOWN, Pace(), NOW, random.Random(seed).random).wait_s(NOW)
        for seed in range(400)
    ]
    assert 0 <= min(waits) < 0.5
    assert 7.5 < max(waits) <= 8


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ('<https://a.test/?p=2>; rel="next"', "https://a.test/?p=2"),
        ('<https://a.test/?p=1>; rel="first", <https://a.test/?p=3>; title="x, y"; rel=next', "https://a.test/?p=3"),
        ('<https://a.test/?p=9>; rel="last"', None),
        ('<https://a.test/?p=9>; rel="nextish"', None),
        ("", None),
    ],
)
def test_the_next_page_is_found_in_a_link_header(header: str, link: str | None) -> None:
    assert next_link({"link": header}) == link


@pytest.mark.parametrize(
    ("raw", "deviations"),
    [
        ({"id": "1", "org": {"name": "X"}, "funds": [{"cost": "1"}, {"cost": "2"}]}, []),
        ({"id": "1", "org": {"name": None}, "funds": []}, []),
        ({"id": "1", "org": None, "funds": None}, []),
        ({"id": "1", "org": "X", "funds": [{"cost": "1"}]}, [("org.name", "absent")]),
        (
            {"id": "1", "org": {"name": ["X"]}, "funds": [{"cost": "1"}, {}]},
            [("org.name", "list"), ("funds[].cost", "absent")],
        ),
        ({"org": {"name": "X"}, "funds": {"cost": "1"}}, [("id", "absent"), ("funds[].cost", "object")]),
        ("nothing", [("id", "absent"), ("org.name", "absent"), ("funds[].cost", "absent")]),
    ],
)
def test_a_record_deviates_where_a_field_is_gone_or_of_another_kind(
    raw: Any, deviations: list[tuple[str, str]]
) -> None:
    fields = (Field("id"), Field("org.name"), Field("funds[].cost"), Field("note", optional=True))
    assert [(one.path, one.now) for one in deviations_of(raw, fields)] == deviations


def test_what_may_pass_is_told_by_its_kind() -> None:
    assert Garbled("x").may_pass
    assert not NotAllowed("x").may_pass


def test_a_portal_is_late_after_three_intervals_and_never_within_the_longest_pause_after_a_failure() -> None:
    assert late_after(timedelta(days=1)) == timedelta(days=3)
    assert late_after(timedelta(minutes=1)).total_seconds() == LONGEST_OPEN_S
