"""What Prometheus may read: how much is where, what is tried again, what waits for people.

Belongs here: the metrics' names, meaning and text format. Not here: who serves or prints them, and thresholds
(those are the alert rules of who runs Prometheus). All is asked of the database when it is read, but for what only a
process can tell of itself: nothing is counted in a process, so that no figure is lost with one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub_pipelines.common.store import Transaction
from hub_pipelines.findings import store as findings
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Filling
from hub_pipelines.portals import store as portals
from hub_pipelines.recovery.store import retry_figures
from hub_pipelines.report.status import status_of
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State


def exposition(hub: Hub, *, writer_silent_s: float | None = None) -> str:
    """All metrics in Prometheus's text format. `writer_silent_s` is told by the receiver alone. Raises Transient when
    the database does not answer."""
    registry = CollectorRegistry()
    registry.register(_Now(tuple(metrics_of(hub, writer_silent_s))))
    return generate_latest(registry).decode("utf-8")


def metrics_of(hub: Hub, writer_silent_s: float | None = None) -> Iterator[Metric]:
    status = status_of(hub.db, hub.drop_folder)
    by_state = {str(state): int(status["submissions"].get(state, 0)) for state in State}
    yield _gauge("hub_submissions", "Submissions by state.", ("state",), {(one,): n for one, n in by_state.items()})
    outcomes = tuple(status["rows"])
    rows = {(line["campus"], line["feed"], one): line[one] for line in status["rows_by"] for one in outcomes}
    yield _gauge("hub_rows", "Rows by what became of them.", ("campus", "feed", "outcome"), rows)
    yield _gauge("hub_drop_folder_files", "Files that wait in the drop folders.", (), {(): status["files_waiting"]})
    yield _gauge(
        "hub_review_opened_last_hour",
        "Review items opened in the last hour.",
        (),
        {(): status["review_opened_last_hour"]},
    )
    yield _gauge("hub_messages_received", "Messages received since the beginning.", (), {(): hub.inbox.count()})
    streams = {(str(one.stream.campus), one.stream.feed, one.stream.record_type): one for one in hub.inbox.waiting()}
    labels = ("campus", "feed", "record_type")
    waiting = {which: one.messages for which, one in streams.items()}
    yield _gauge("hub_messages_waiting", "Messages that are in no batch yet.", labels, waiting)
    oldest = {which: one.oldest_at.timestamp() for which, one in streams.items()}
    yield _gauge("hub_messages_oldest_timestamp_seconds", "When the oldest of them came.", labels, oldest)
    yield from _filling(hub.inbox.filling())
    told = "For how long the receiver's writer has had messages and not answered."
    yield _gauge("hub_receiver_silent_seconds", told, (), {} if writer_silent_s is None else {(): writer_silent_s})
    with hub.db.read() as tx:
        yield from _portals(hub, tx)
        found = findings.open_by_rule(tx)
        yield _gauge("hub_findings_open", "Findings about awards that are open.", ("campus", "rule"), found)
        yield from _retries(tx)
        yield from _review(tx)


def _portals(hub: Hub, tx: Transaction) -> Iterator[Metric]:
    states = [state for name in hub.portals.adapters if (state := portals.find(tx, name)) is not None]
    requests = {(one.name, "failed"): one.failed_requests for one in states}
    requests |= {(one.name, "answered"): one.requests - one.failed_requests for one in states}
    yield _gauge("hub_portal_requests", "Requests to portals since the beginning.", ("portal", "outcome"), requests)
    read = {(one.name,): one.completed_at.timestamp() for one in states if one.completed_at is not None}
    told = "When a portal was last read to its end."
    yield _gauge("hub_portal_read_timestamp_seconds", told, ("portal",), read)
    failures = {(one.name,): one.health.failures for one in states}
    yield _gauge("hub_portal_failures", "Requests to a portal that failed in a row.", ("portal",), failures)
    held = {(name,): portals.count_held(tx, name) for name in hub.portals.adapters}
    yield _gauge("hub_portal_records_held", "Records held for a shape that nobody has accepted.", ("portal",), held)


def _filling(found: Filling) -> Iterator[Metric]:
    sizes = {(campus,): one.size_bytes for campus, one in found.waiting.items()}
    yield _gauge("hub_messages_waiting_bytes", "Bytes of the messages that are in no batch yet.", ("campus",), sizes)
    told = "Share of the inbox's capacity that waits, by messages or bytes, whichever is more."
    yield _gauge("hub_inbox_filled_ratio", told, (), {(): found.share})


def _retries(tx: Transaction) -> Iterator[Metric]:
    """Retrying as one policy makes it (submission/retry.py): what waits, how often it was tried, what runs came to."""
    found = retry_figures(tx)
    waiting = {(attempts,): count for attempts, count in found["by_attempts_made"].items()}
    yield _gauge("hub_retrying", "Submissions that wait for another attempt.", ("attempts_made",), waiting)
    moment = found["next_retry_at"]
    due = {(): moment.timestamp()} if moment is not None else {}
    yield _gauge("hub_next_retry_timestamp_seconds", "When the next of them is due.", (), due)
    told = "Unsettled submissions launched more than once without a run that began."
    yield _gauge("hub_launched_in_vain", told, (), {(): found["launched_in_vain"]})
    ended = submissions.attempts_by_outcome(tx)
    told = "Attempts by how they ended; under_way: not yet."
    yield _gauge("hub_attempts", told, ("outcome",), {(one or "under_way",): count for one, count in ended.items()})


def _review(tx: Transaction) -> Iterator[Metric]:
    causes = {(cause,): count for cause, count in reviews.open_by_cause(tx).items()}
    yield _gauge("hub_review_open", "Review items that wait for a person.", ("cause",), causes)


def _gauge(name: str, told: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    """`values` by the labels' values, in the labels' order."""
    family = GaugeMetricFamily(name, told, labels=labels)
    for which, value in values.items():
        family.add_metric(which, value)
    return family


class _Now(Collector):
    def __init__(self, found: tuple[Metric, ...]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._found
