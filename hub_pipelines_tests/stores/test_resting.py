"""Where a large file's work rests: while it is judged and read again, and while it is posted on PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from hub_pipelines.hub import Hub
from hub_pipelines.resting import Rest, Resting
from hub_pipelines.submission.model import Envelope
from hub_pipelines_tests.messages import add_source, body_of, message, stock, take
from hub_pipelines_tests.support import asset, lease, make_registry, send_assets, submission

TAGS = ["NC-0001", "NC-0002"]


@dataclass
class Recorder:
    """In place of the hub's: every work rests at each of its pauses, and `rests` is what it does then."""

    rests: Callable[[Callable[[], None]], None] = lambda meanwhile: meanwhile()
    paused: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, envelope: Envelope, doing: str, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Rest]:
        assert envelope.source_name == "lab.csv"

        def rest() -> None:
            self.paused.append(doing)
            self.rests(meanwhile)

        yield rest


def with_recorder(hub: Hub, recorder: Recorder) -> Hub:
    resting: Any = cast(Resting, recorder)
    return replace(
        hub,
        processing=replace(hub.processing, resting=resting),
        recounts=replace(hub.recounts, resting=resting),
    )


def test_work_pauses_where_a_large_file_can_rest(hub: Hub) -> None:
    make_registry(hub, TAGS)
    recorder = Recorder()
    recorded = with_recorder(hub, recorder)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    taken = lease(recorded, request_id)
    recorded.processing.validate(taken)
    assert set(recorder.paused) == {"judging"}
    recorder.paused.clear()
    recorded.processing.post(taken)
    assert set(recorder.paused) == ({"posting"} if hub.db.is_postgres else set()), "SQLite has one writer"
    recorder.paused.clear()
    recorded.recounts.read(submission(hub, request_id))
    assert set(recorder.paused) == {"counting"}


def test_a_file_that_rests_while_it_is_judged_keeps_its_lease(hub: Hub) -> None:
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    extended: list[bool] = []

    def rests(meanwhile: Callable[[], None]) -> None:
        before = submission(hub, request_id).lease_until
        time.sleep(0.5)
        meanwhile()
        extended.append(submission(hub, request_id).lease_until != before)

    recorded = with_recorder(hub, Recorder(rests))
    recorded = replace(recorded, processing=replace(recorded.processing, lease_s=1.2))
    recorded.processing.validate(lease(recorded, request_id))
    assert extended
    assert all(extended)


def test_the_hub_counts_messages_of_all_streams_for_it(hub: Hub) -> None:
    add_source(hub)
    assert hub.processing.resting.come() == 0
    take(hub, message("m-1", body_of(stock("Acetone", 1))), message("m-2", body_of(stock("Ethanol", 2))))
    assert hub.processing.resting.come() == hub.inbox.count() == 2
    assert hub.processing.resting is hub.recounts.resting
    assert hub.processing.resting.lease_s == hub.settings.limits.lease_s
