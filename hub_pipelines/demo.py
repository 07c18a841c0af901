"""`hub demo`: sample files of three campuses and messages of a simulated system go through the running hub, and a table
shows what became of them."""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.deployment import Deployment, free_port, is_free, port_trouble
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.messaging import Fate, outcome_of
from hub_pipelines.simulation import Answers, Traffic, simulate
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, Submission

SAMPLES = Path(__file__).resolve().parent / "samples"
ACTOR = "hub/demo"
_FEED = "inventory"
_TRAFFIC = Traffic(rate=20, seconds=2, repeat=0.2, late=0.1, bad=0.1, adjust=0.2)
_SEED = 7
_ON_THEIR_WAY = {Fate.WAITING, Fate.SEALED}


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
    messages: "MessagesOutcome"

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
        receipts = [f"  {one.receipt}" for one in self.files]
        return "\n".join([*lines, "", self.messages.sentence, "", "Receipts:", *receipts])


@dataclass(frozen=True, slots=True)
class MessagesOutcome:
    """What the simulated system was answered, and what became of its messages; `trouble` says why none were sent."""

    answers: dict[str, int]
    fates: dict[str, int]
    trouble: str | None

    @property
    def sentence(self) -> str:
        if self.trouble is not None:
            return f"No messages were sent: {self.trouble}"
        answered = ", ".join(f"{count} {kind}" for kind, count in self.answers.items())
        became = ", ".join(f"{count} {fate}" for fate, count in self.fates.items())
        return f"Messages of a simulated ERP, answered: {answered}; what became of them: {became}"


def with_a_port_for_messages(hub: Hub, say: Callable[[str], None]) -> Hub:
    """The hub, with another port for this time where its own can't be had."""
    trouble = port_trouble(hub.settings.messages.port)
    if trouble is None:
        return hub
    messages = hub.settings.messages.model_copy(update={"port": free_port()})
    say(f"For messages {trouble}; this demo uses port {messages.port} instead.")
    return replace(hub, settings=hub.settings.model_copy(update={"messages": messages}))


def run_demo(hub: Hub, deployment: Deployment, *, timeout_s: float, say: Callable[[str], None]) -> Demo:
    """Drop the samples, send some messages, and wait until each file has its receipt and each message its fate;
    `settled` is False when nothing more has happened for `timeout_s`: a slow machine may take longer in all."""
    before = _arrival_ids(hub)
    names = _drop_samples(hub)
    say(f"Dropped {len(names)} files into {hub.settings.drop}; the hub's sensors take them within seconds.")
    sending = _Sending(hub)
    sending.start()
    came: list[Arrival] = []
    shown = ""
    news, since = "", time.monotonic()

    def is_settled() -> bool:
        nonlocal came, shown, news, since
        came = [one for one in _arrivals(hub) if one.arrival_id not in before and not _is_batch(hub, one)]
        done = sum(_receipt(hub, arrival).exists() and not _is_waiting(hub, arrival) for arrival in came)
        text = f"{len(came)} of {len(names)} taken, {done} settled"
        if text != shown:
            say(text)
            shown = text
        if (now := f"{text}, {sending.outcome()}") != news:
            news, since = now, time.monotonic()
        return (done == len(names) and sending.is_settled()) or time.monotonic() > since + timeout_s

    deployment.run(until=is_settled)
    sending.given_up.set()
    files = tuple(_outcome(hub, arrival) for arrival in came)
    settled = len(files) == len(names) and not any(_is_waiting(hub, arrival) for arrival in came)
    return Demo(settled and sending.is_settled(), files, sending.outcome())


@dataclass(slots=True)
class _Sending:
    """A simulated system that sends as soon as the receiver listens, in a thread of its own."""

    hub: Hub
    given_up: threading.Event = field(default_factory=threading.Event)
    _answers: Answers | None = None
    _trouble: str | None = None
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._send, name="simulated", daemon=True)
        self._thread.start()

    def is_settled(self) -> bool:
        if self._thread.is_alive():
            return False
        return not _ON_THEIR_WAY.intersection(self._fates())

    def outcome(self) -> MessagesOutcome:
        answers = dict(sorted(self._answers.by_kind.items())) if self._answers else {}
        fates = {str(fate): count for fate, count in sorted(self._fates().items())}
        return MessagesOutcome(answers, fates, self._trouble)

    def _send(self) -> None:
        campus = next(iter(self.hub.campuses))
        if _FEED not in self.hub.feeds:
            self._trouble = f"this hub takes no {_FEED}."
            return
        while is_free(self.hub.settings.messages.port) and not self.given_up.wait(0.2):
            pass
        try:
            self._answers = simulate(self.hub, campus, _TRAFFIC, actor=ACTOR, seed=_SEED)
        except SettingsError as error:
            self._trouble = str(error)

    def _fates(self) -> Counter[Fate]:
        ids = self._answers.request_ids if self._answers else ()
        found = [self.hub.inbox.find(one) for one in ids]
        return Counter(outcome_of(self.hub, one).fate for one in found if one is not None)


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


def _is_batch(hub: Hub, arrival: Arrival) -> bool:
    current = _submission(hub, arrival)
    return current is not None and current.envelope.channel == MESSAGES


def _is_waiting(hub: Hub, arrival: Arrival) -> bool:
    current = _submission(hub, arrival)
    return current is not None and current.settled_at is None


def _receipt(hub: Hub, arrival: Arrival) -> Path:
    current = _submission(hub, arrival)
    if arrival.outcome is Outcome.RECEIVED and current is not None:
        return hub.receipts.places.page_of(current)
    return hub.receipts.places.page_of_arrival(arrival)


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
