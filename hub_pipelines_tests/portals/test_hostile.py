"""Portals that lie, break off, go in circles or never end: told as what they are; nothing is lost or taken twice."""

import gzip
import json
import socket
import time
import tracemalloc
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import NO_VERSION
from hub_pipelines.portals.service import MOST_PASSES
from hub_pipelines.portals.state import PollEnd
from hub_pipelines.portals.trail import MOST_STALE
from hub_pipelines_tests.portals.serving import Clock, Hostile, asset, hostile, says_json, toml
from hub_pipelines_tests.portals.test_polling import CAMPUSES, poll, timed
from hub_pipelines_tests.support import open_test_hub


def hub_of(tmp_path: Path, portal: Hostile, paging: str = 'style = "page"', **more: Any) -> Hub:
    home = tmp_path / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "hub.toml").write_text(CAMPUSES + toml(portal, paging=paging, **more), encoding="utf-8")
    return timed(open_test_hub(home, f"sqlite:///{home / 'hub.db'}"), Clock())


def page(*records: dict[str, Any], total: Any = None, **more: Any) -> dict[str, Any]:
    return {"data": {"items": list(records), **({} if total is None else {"total": total})}, **more}


# ---- what it tells of itself


@pytest.mark.parametrize("order", ["stable", "moving"])
@pytest.mark.parametrize("listed", [0, 2])
def test_a_portal_that_lists_fewer_records_than_it_tells_of_is_not_read_to_its_end(
    tmp_path: Path, order: str, listed: int
) -> None:
    some = [asset(number) for number in range(listed)]
    with hostile(lambda _params, connection: says_json(connection, page(*some, total=250))) as portal:
        hub = hub_of(tmp_path, portal, order=order)
        outcome = poll(hub)

    state = hub.portals.state("erp")
    assert state is not None
    assert (outcome.end, outcome.tally.taken, len(portal.asked)) == (PollEnd.UNSETTLED, listed, MOST_PASSES)
    assert f"says that it has 250 records and listed {listed}" in str(outcome.reason)
    assert (state.cursor, state.completed_at, state.last_error) == (None, None, outcome.reason)


def test_a_record_that_a_page_lists_again_is_counted_as_the_portal_counts_it(tmp_path: Path) -> None:
    told = page(asset(1), asset(1), asset(2), total=3)
    with hostile(lambda _params, connection: says_json(connection, told)) as portal:
        outcome = poll(hub_of(tmp_path, portal))

    assert (outcome.end, outcome.tally.taken, outcome.tally.held) == (PollEnd.COMPLETE, 2, 0)


@pytest.mark.parametrize(
    ("paging", "answer"),
    [
        ('style = "next_link"', page(asset(1), next="http://[")),
        ('style = "page"', b'{"data": {"items": [], "total": %s}}' % (b"9" * 5_000)),
    ],
)
def test_an_answer_that_an_adapter_did_not_expect_is_a_failure_that_is_counted_and_kept(
    tmp_path: Path, paging: str, answer: Any
) -> None:
    with hostile(lambda _params, connection: says_json(connection, answer)) as portal:
        hub = hub_of(tmp_path, portal, paging)
        outcome = poll(hub)

    state = hub.portals.state("erp")
    assert state is not None
    assert (outcome.end, outcome.tally.failed_requests, state.failed_requests) == (PollEnd.FAILED, 5, 5)
    assert "holds what can't be read (ValueError" in str(outcome.reason)
    assert hub.inbox.count() == 0


# ---- answers without an end


def packed_zeros(megabytes: int) -> bytes:
    packing = zlib.compressobj(9, wbits=31)
    return b"".join(packing.compress(bytes(1 << 20)) for _ in range(megabytes)) + packing.flush()


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", lambda: packed_zeros(400), "longer than 33,554,432 bytes"),
        ("gzip, gzip", lambda: gzip.compress(packed_zeros(400)), "is packed as 'gzip, gzip'"),
        ("gzip", lambda: gzip.compress(b'{"data": {"items": []}}')[:-6], "breaks off"),
        ("gzip", lambda: b"no gzip", "can't be unpacked"),
    ],
)
def test_an_answer_is_unpacked_once_and_never_further_than_is_taken(
    tmp_path: Path, encoding: str, body: Any, says: str
) -> None:
    told = body()

    def answers(_params: dict[str, str], connection: socket.socket) -> None:
        says_json(connection, told, f"Content-Encoding: {encoding}")

    with hostile(answers) as portal:
        hub = hub_of(tmp_path, portal, attempts=1)
        tracemalloc.start()
        outcome = poll(hub)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert (outcome.end, says in str(outcome.reason)) == (PollEnd.FAILED, True), outcome.reason
    assert peak < 150 * 2**20


def test_a_packed_answer_is_read(tmp_path: Path) -> None:
    told = gzip.compress(json.dumps(page(*map(asset, range(40)), total=40)).encode())
    with hostile(lambda _params, connection: says_json(connection, told, "Content-Encoding: gzip")) as portal:
        assert poll(hub_of(tmp_path, portal)).tally.taken == 40


def _chunk(some: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(some), some)


_PACKED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-More: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (_PACKED + _chunk(b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"), _chunk(b"a" * 100)),  # a name in gzip's header
    ],
    ids=["headers", "promises", "blanks", "a packed name"],
)
def test_an_answer_that_never_ends_is_cut_when_its_time_is_up(tmp_path: Path, begins: bytes, goes_on: bytes) -> None:
    def answers(_params: dict[str, str], connection: socket.socket) -> None:
        connection.sendall(begins)
        for _ in range(300):
            connection.sendall(goes_on)
            time.sleep(0.1)

    began = time.monotonic()
    with hostile(answers) as portal:
        outcome = poll(hub_of(tmp_path, portal, attempts=1, timeout_s=1))

    assert (outcome.end, outcome.tally.failed_requests) == (PollEnd.FAILED, 1)
    assert "did not come to its end within 1 s" in str(outcome.reason)
    assert time.monotonic() - began < 25, "it went on for 30 s"


def test_a_poll_ends_when_its_own_time_is_up_and_the_portal_is_not_blamed_for_it(tmp_path: Path) -> None:
    slow = [20.0]

    def answers(_params: dict[str, str], connection: socket.socket) -> None:
        time.sleep(slow.pop() if slow else 0)
        says_json(connection, page(asset(1), total=1))

    with hostile(answers) as portal:
        hub = hub_of(tmp_path, portal)
        began = time.monotonic()
        cut = poll(hub, for_s=1.0)
        took_s = time.monotonic() - began
        whole = poll(hub)

    assert (cut.end, cut.tally.failed_requests, took_s < 15) == (PollEnd.UNFINISHED, 0, True)
    assert (whole.end, whole.poll_id, whole.tally.taken) == (PollEnd.COMPLETE, cut.poll_id, 1)


# ---- ways that lead nowhere


def test_pages_that_go_in_a_circle_are_a_failure(tmp_path: Path) -> None:
    following = {"": "A", "A": "B", "B": "A"}

    def answers(params: dict[str, str], connection: socket.socket) -> None:
        here = params.get("cursor", "")
        says_json(connection, page(asset(len(here + following[here])), next=following[here]))

    with hostile(answers) as portal:
        outcome = poll(hub_of(tmp_path, portal, 'style = "cursor"', attempts=2))

    assert (outcome.end, len(portal.asked), outcome.tally.pages) == (PollEnd.FAILED, 4, 2)
    assert "go in a circle" in str(outcome.reason)


def test_a_portal_that_always_gives_the_same_page_is_a_failure_and_what_it_has_is_taken_once(tmp_path: Path) -> None:
    with hostile(lambda _params, connection: says_json(connection, page(*map(asset, range(50))))) as portal:
        hub = hub_of(tmp_path, portal, attempts=2)
        outcome = poll(hub)

    assert (outcome.end, outcome.tally.taken, len(portal.asked)) == (PollEnd.FAILED, 50, 1 + MOST_STALE + 1)
    assert "none has a record that was not seen" in str(outcome.reason)
    assert hub.portals.state("erp").cursor is None  # type: ignore[union-attr]  # it was polled


def test_records_that_share_an_id_on_one_page_wait_in_review_instead_of_replacing_each_other(tmp_path: Path) -> None:
    told = page(asset(1), asset(2), asset(2, changes=1), asset(2), total=4)
    with hostile(lambda _params, connection: says_json(connection, told)) as portal:
        hub = hub_of(tmp_path, portal)
        look = hub.portals.look("erp", for_s=60)
        outcome, again = poll(hub), poll(hub)

    (item,) = hub.review.listing()
    assert (len(look.new), len(look.held)) == (1, 2), "a look tells what a poll does"
    assert (outcome.end, outcome.tally.taken, outcome.tally.held) == (PollEnd.COMPLETE, 1, 2)
    assert (again.end, again.tally.taken, again.tally.held) == (PollEnd.COMPLETE, 0, 0)
    assert "natural id comes more than once on one page, with different contents" in item.reason
    assert hub.inbox.versions("portal/erp", ["2"]).get("2", NO_VERSION) == NO_VERSION


def test_records_that_share_an_id_on_two_pages_do_not_replace_each_other_with_every_poll(tmp_path: Path) -> None:
    """The second one waits in review; what says that it was changed while pages were read is taken as it is now."""
    changed = {**asset(3, changes=1), "updated": datetime.now(UTC).isoformat()}
    pages = {"1": page(asset(1), asset(2), asset(3)), "2": page(asset(2, changes=1))}

    def answers(params: dict[str, str], connection: socket.socket) -> None:
        says_json(connection, pages.get(params["page"], page()))
        if params["page"] == "1" and moves:  # the third one is changed, and on the next page too
            pages.update({"1": page(asset(1), asset(2), changed), "2": page(asset(2, changes=1), changed)})

    with hostile(answers) as portal:
        moves = False
        hub = hub_of(tmp_path, portal, size=3)
        look = hub.portals.look("erp", for_s=60)
        moves = True
        first, again = poll(hub), poll(hub)

    (item,) = hub.review.listing()
    assert (first.tally.taken, first.tally.held, first.end) == (4, 1, PollEnd.COMPLETE), "of 3 both versions"
    assert (again.tally.taken, again.tally.held) == (0, 0)
    assert len(look.held) == 1, "a look tells what a poll does"
    assert "was on an earlier page of the poll, with different contents" in item.reason
    assert {one: hub.inbox.versions("portal/erp", [one])[one].number for one in ("2", "3")} == {"2": 1, "3": 2}
