"""How long to wait: what a portal asks for, backoff with full jitter, and a circuit breaker. Pure.

Belongs here: from answers and counts to moments. Not here: sleeping and asking (service.py), keeping it (store.py).
Whoever was told the same time to wait, and whoever failed at the same moment, must not come back together: every wait
has a random part.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from hub_pipelines.portals.model import Failing, NotAllowed, Pace, PortalError, Rejected, Throttled

OPEN_S = 60.0
"""The breaker's first pause; each next one is twice as long."""
LONGEST_OPEN_S = 3_600.0
LONGEST_ASKED_S = 86_400.0
"""No portal is believed that it wants to be left alone for longer."""
_SPREAD = 3
"""What a portal asks for is spread over so many times as long, up to the longest pause between attempts."""
_NEEDS_A_PERSON = 7
"""A refusal opens the breaker for as long as it goes: asking again mends no key."""

_LATE_AFTER = 3
"""Intervals in which a portal was not read to its end."""

_NEXT_ACCESS = re.compile(rb'"nextAccessTime"\s*:\s*"(\d{4}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2}[+-]\d{4})')

Draw = Callable[[], float]
"""A random number from 0 up to 1."""


class Breaker(StrEnum):
    CLOSED = "closed"  # asked as usual
    OPEN = "open"  # not asked at all
    HALF_OPEN = "half_open"  # the next request is a probe: it closes the breaker, or opens it for twice as long


@dataclass(frozen=True, slots=True)
class Health:
    """`failures` in a row, and how often the breaker was opened since the last answer; not asked before a moment."""

    failures: int = 0
    openings: int = 0
    not_before: datetime | None = None

    def breaker(self, now: datetime) -> Breaker:
        if not self.openings:
            return Breaker.CLOSED
        return Breaker.OPEN if self.wait_s(now) > 0 else Breaker.HALF_OPEN

    @property
    def needs_a_person(self) -> bool:
        """It was refused, or has failed for so long that somebody should look."""
        return self.openings >= _NEEDS_A_PERSON

    def wait_s(self, now: datetime) -> float:
        return max(0.0, (self.not_before - now).total_seconds()) if self.not_before else 0.0

    def after_failure(self, error: PortalError, pace: Pace, now: datetime, draw: Draw) -> "Health":
        """The next attempt's moment; after `pace.attempts` in a row, or one failed probe, the breaker opens."""
        failures, openings = self.failures + 1, self.openings
        spread_s = min(pace.cap_s, pace.base_s * 2 ** (failures - 1))
        wait_s = draw() * spread_s
        if not error.may_pass:
            openings = max(openings + 1, _NEEDS_A_PERSON)
        elif openings or failures >= pace.attempts:
            openings += 1
        if openings > self.openings:
            spread_s = min(LONGEST_OPEN_S, OPEN_S * 2 ** (openings - 1))
            wait_s = spread_s / 2 + draw() * spread_s / 2
        if error.retry_after_s is not None:
            asked_s = min(error.retry_after_s, LONGEST_ASKED_S)
            wait_s = max(wait_s, asked_s + draw() * min(pace.cap_s, max(pace.base_s, _SPREAD * asked_s)))
        return Health(failures, openings, now + timedelta(seconds=wait_s))


def late_after(every: timedelta) -> timedelta:
    """How long ago a portal's last poll may be before it is late. Never less than the longest pause after failures:
    an outage that is over is told by the breaker, and the next poll mends it."""
    return max(every * _LATE_AFTER, timedelta(seconds=LONGEST_OPEN_S))


def failure_of(status: int, headers: Mapping[str, str], now: datetime) -> PortalError | None:
    """Why an answer of this status is no page; None for a 200. `headers` have lower-case names."""
    if status == 200:
        return None
    after_s = retry_after_s(headers.get("retry-after"), now)
    if status == 429 or (status == 503 and after_s is not None):
        return Throttled(f"The portal asks for fewer requests (HTTP {status}).", retry_after_s=after_s)
    if status >= 500 or status == 408:
        return Failing(f"The portal has failed (HTTP {status}).", retry_after_s=after_s)
    if status in (401, 403):
        return NotAllowed(f"The portal does not let the hub read (HTTP {status}): look at its key.")
    if 300 <= status < 400:
        return Rejected(
            f"The portal sends the hub elsewhere (HTTP {status}), and the hub follows nobody: correct its address.",
        )
    return Rejected(f"The portal does not take this request (HTTP {status}).")


def next_access_s(body: bytes, now: datetime) -> float | None:
    """Seconds until the moment that a gateway names in the body of its 429 and in no header, as SAM.gov's does:
    `"nextAccessTime":"2026-Mar-03 00:00:00+0000 UTC"`. None where it names none."""
    found = _NEXT_ACCESS.search(body)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[1].decode("ascii"), "%Y-%b-%d %H:%M:%S%z")
    except ValueError:
        return None
    return max(0.0, (moment - now).total_seconds())


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3): a number of them or a date. None for what is neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isdecimal() and text.isascii():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
