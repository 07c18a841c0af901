"""`hub demo`: sample files of three campuses go through the running hub, and a table shows what became of them."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.deployment import Deployment
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Submission

SAMPLES = Path(__file__).resolve().parent / "samples"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    file: str
    campus: str
    feed: str
    outcome: str
    state: str
    rows: int
    taken: int
    unchanged: int
    not_taken: int
    receipt: str


@dataclass(frozen=True, slots=True)
class Demo:
    settled: bool
    files: tuple[FileOutcome, ...]

    def table(self) -> str:
        head = (
            f"{'file':<30} {'campus':<7} {'feed':<12} {'outcome':<10} {'state':<10} "
            f"{'rows':>4} {'taken':>5} {'same':>5} {'not':>4}"
        )
        lines = [head, "-" * len(head)]
        for one in self.files:
            lines.append(
                f"{one.file:<30} {one.campus:<7} {one.feed:<12} {one.outcome:<10} {one.state:<10} "
                f"{one.rows:>4} {one.taken:>5} {one.unchanged:>5} {one.not_taken:>4}"
            )
        return "\n".join([*lines, "", "Receipts:", *(f"  {one.receipt}" for one in self.files)])


def run_demo(hub: Hub, deployment: Deployment, *, timeout_s: float, say: Callable[[str], None]) -> Demo:
    """Drop the samples and wait until each has its receipt; `settled` is False when time runs out."""
    deadline = time.monotonic() + timeout_s
    before = _arrival_ids(hub)
    names = _drop_samples(hub)
    say(f"Dropped {len(names)} files into {hub.settings.drop}; the hub's sensors take them within seconds.")
    came: list[Arrival] = []
    shown = ""

    def is_settled() -> bool:
        nonlocal came, shown
        came = [arrival for arrival in _arrivals(hub) if arrival.arrival_id not in before]
        done = sum(_receipt(hub, arrival).exists() and not _is_waiting(hub, arrival) for arrival in came)
        text = f"{len(came)} of {len(names)} taken, {done} settled"
        if text != shown:
            say(text)
            shown = text
        return done == len(names) or time.monotonic() > deadline

    deployment.run(until=is_settled)
    files = tuple(_outcome(hub, arrival) for arrival in came)
    settled = len(files) == len(names) and not any(_is_waiting(hub, arrival) for arrival in came)
    return Demo(settled, files)


def _drop_samples(hub: Hub) -> list[str]:
    """Copy each sample under a temporary name first, as a careful copy tool does."""
    names = []
    for sample in sorted(SAMPLES.glob("*/*/*")):
        campus, feed = sample.parts[-3:-1]
        if campus in hub.campuses and feed in hub.feeds:
            target = hub.settings.drop / campus / feed / sample.name
            draft = target.with_name(f".{target.name}.part")
            shutil.copyfile(sample, draft)
            draft.rename(target)
            names.append(sample.name)
    return names


def _arrivals(hub: Hub) -> list[Arrival]:
    with hub.db.read() as tx:
        return arrivals.newest(tx, limit=200)


def _arrival_ids(hub: Hub) -> set[str]:
    return {arrival.arrival_id for arrival in _arrivals(hub)}


def _submission(hub: Hub, arrival: Arrival) -> Submission | None:
    if arrival.request_id is None:
        return None
    with hub.db.read() as tx:
        return submissions.find(tx, arrival.request_id)


def _is_waiting(hub: Hub, arrival: Arrival) -> bool:
    current = _submission(hub, arrival)
    return current is not None and current.settled_at is None


def _receipt(hub: Hub, arrival: Arrival) -> Path:
    current = _submission(hub, arrival)
    if arrival.outcome is Outcome.RECEIVED and current is not None:
        return hub.receipts.path_of(current)
    return hub.receipts.path_of_arrival(arrival)


def _outcome(hub: Hub, arrival: Arrival) -> FileOutcome:
    current = _submission(hub, arrival)
    first = arrival.outcome is Outcome.RECEIVED and current is not None
    rows = current.counts if current is not None and first else None
    return FileOutcome(
        file=arrival.source_name,
        campus=arrival.scope.campus,
        feed=arrival.scope.feed,
        outcome=str(arrival.outcome),
        state=str(current.state) if current is not None else "",
        rows=rows.received if rows else 0,
        taken=rows.posted if rows else 0,
        unchanged=rows.unchanged if rows else 0,
        not_taken=rows.rejected if rows else 0,
        receipt=str(_receipt(hub, arrival)),
    )
