"""A portal with many records, failing pages and records that change while they are paged; and an outage of ten minutes.

    python -m hub_pipelines_tests.bench.portals [RECORDS] [PLOT.svg]

The portal really listens; pauses are skipped, not waited for. What is read is posted, and the ledger compared with the
portal record by record. The plot shows when a portal that is down is asked: by one hub with 1,000 items waiting, over
HTTP, and by 200 hubs that were all told the same Retry-After, by the rule alone.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hub_pipelines.hub import Hub
from hub_pipelines.portals.model import Pace, Throttled
from hub_pipelines.portals.pacing import Health
from hub_pipelines.portals.state import PollEnd
from hub_pipelines_tests.portals.serving import Clock, Portal, asset, serving, toml
from hub_pipelines_tests.portals.test_polling import CAMPUSES, LEDGER, tick_until_complete, timed
from hub_pipelines_tests.support import ledger_values, open_test_hub, process_all

RETRY_AFTER_S = 20
OUTAGE_S = 600
HUBS = 200
_BIN_S = 10


def hub_of(portal: Portal, clock: Clock, **more: object) -> Hub:
    home = Path(tempfile.mkdtemp(prefix="hub-bench-portals-"))
    (home / "hub.toml").write_text(CAMPUSES + toml(portal, **more), encoding="utf-8")  # type: ignore[arg-type]
    return timed(open_test_hub(home, f"sqlite:///{home / 'hub.db'}"), clock)


def post(hub: Hub) -> None:
    while hub.sealing.seal_due("north", at_once=True):
        process_all(hub, patience_s=600)


def read_all(records: int, order: str) -> None:
    """`order` is what the portal sorts its pages by: `id`, where nothing slips past, or `updated`, where much does."""
    chance = random.Random(5)
    portal = Portal({number: asset(number) for number in range(1, records + 1)}, fails=0.05)
    portal.order = (lambda one: one["tag"]) if order == "id" else (lambda one: one["updated"])
    portal.moves = lambda running: running.change(chance.randint(1, records))
    clock = Clock()
    with serving(portal):
        known = "stable" if order == "id" else "moving"
        hub = hub_of(portal, clock, paging='style = "offset"', size=100, order=known, every_s=60)
        began = time.perf_counter()
        first = tick_until_complete(hub, clock)
        took = time.perf_counter() - began
        portal.moves = lambda _running: None
        last = tick_until_complete(hub, clock)
    post(hub)
    values = {one["asset_tag"]: one["description"] for one in ledger_values(hub, LEDGER).values()}
    wanted = {one["tag"]: one["description"] for one in portal.records.values()}
    missed = sum(1 for tag, told in wanted.items() if values.get(tag) != told)
    once = hub.inbox.count() == first[-1].tally.taken + last[-1].tally.taken
    tally = first[-1].tally
    ends = Counter(one.end for one in first)
    print(
        f"{records:,} records by {order}, one changed with each page, 5 % of requests failing: {tally.requests:,} "
        f"requests ({tally.failed_requests:,} failed), {tally.pages:,} pages, {tally.records:,} records read, "
        f"{tally.taken:,} versions taken in {took:.0f} s; then {last[-1].tally.taken:,} more by the next poll. "
        f"Missed or old in the ledger: {missed}. A message for each version: {once}. Work ended as {dict(ends)}."
    )
    assert first[-1].end is PollEnd.COMPLETE
    assert missed == 0
    assert once


def outage() -> list[float]:
    """Seconds after its beginning at which one hub asks."""
    clock = Clock()
    began = clock.monotonic()
    portal = Portal({number: asset(number) for number in range(1, 1_001)}, clock=clock.monotonic)
    refused = (503, {"retry-after": str(RETRY_AFTER_S)})
    portal.down = lambda: refused if clock.monotonic() < began + OUTAGE_S else None
    with serving(portal):
        outcomes = tick_until_complete(hub := hub_of(portal, clock, order="stable", size=100), clock)
    asked = [at - began for at, _ in portal.asked]
    during = sum(at < OUTAGE_S for at in asked)
    print(
        f"An outage of {OUTAGE_S} s with 1,000 items waiting: {during} requests while it lasted, the shortest pause "
        f"{min(later - at for at, later in pairwise(asked[:during])):.0f} s; read to its end "
        f"{asked[-1] - OUTAGE_S:.0f} s after it, {outcomes[-1].tally.taken:,} items taken once ({hub.inbox.count():,})."
    )
    return asked


def many_hubs() -> list[float]:
    """The same of many hubs that begin at the same moment, by the rule alone."""
    began = datetime(2026, 3, 2, tzinfo=UTC)
    error = Throttled("busy", retry_after_s=RETRY_AFTER_S)
    asked: list[float] = []
    for number in range(HUBS):
        draw, at, health = random.Random(number), began, Health()
        while at < began + timedelta(seconds=OUTAGE_S):
            asked.append((at - began).total_seconds())
            health = health.after_failure(error, Pace(), at, draw.random)
            at += timedelta(seconds=health.wait_s(at))
        asked.append((at - began).total_seconds())  # the portal is back: it is answered
    bins = Counter(int(at // _BIN_S) for at in asked if at >= 1)
    print(
        f"{HUBS} hubs at once: {sum(at < OUTAGE_S for at in asked) / HUBS:.1f} requests each; after the first moment "
        f"at most {max(bins.values())} in any {_BIN_S} s, which is {max(bins.values()) / HUBS:.0%} of the hubs."
    )
    return asked


# ---- the plot


def plot(rows: Sequence[tuple[str, Sequence[float]]], path: Path) -> None:
    """Requests in each ten seconds, a row of bars for each; the outage is grey."""
    width, height, left, most_s = 900, 190, 60, 1_200
    size = f'width="{width + 80}" height="{height * len(rows) + 30}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">']
    for row, (title, asked) in enumerate(rows):
        bins = Counter(int(at // _BIN_S) for at in asked if at < most_s)
        top, base = row * height + 30, row * height + height - 10
        scale = (base - top) / max(bins.values())
        step = width / (most_s / _BIN_S)
        parts.append(_bar(left, top, OUTAGE_S / _BIN_S * step, base - top, "#eee"))
        parts.append(f'<text x="{left}" y="{top - 8}">{title}; most in {_BIN_S} s: {max(bins.values())}</text>')
        for number, count in bins.items():
            parts.append(_bar(left + number * step, base - count * scale, step - 1, count * scale, "#27c"))
        for second in range(0, most_s + 1, 120):
            x = left + second / _BIN_S * step
            parts.append(f'<text x="{x:.0f}" y="{base + 14}" text-anchor="middle">{second // 60} min</text>')
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def main(records: int, path: Path) -> None:
    for order in ("id", "updated"):
        read_all(records, order)
    told = f"(grey: the portal answers 503, Retry-After {RETRY_AFTER_S})"
    rows = [(f"One hub, 1,000 items waiting {told}", outage()), (f"{HUBS} hubs {told}", many_hubs())]
    plot(rows, path)
    print(f"Requests over time: {path}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000, Path(sys.argv[2] if len(sys.argv) > 2 else "portals.svg"))
