"""Where something came from and what becomes of it: one timeline over intake, launches, attempts, posting and review.

Belongs here: finding what a request_id, a file or a tag means, and telling its history in plain words. Not here:
queries (the stores) and layout (cli/why.py). Nothing is changed by asking, and every list is bounded by `limit`.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Entry
from hub_pipelines.common.scope import RESERVED_FEED
from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.drop_folder import display_name
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.intake.service import source_key
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import MissedRecord
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.pausing.model import Pause, pause_of
from hub_pipelines.pausing.store import standing
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, ReviewItem
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, State, Submission
from hub_pipelines.submission.retry import launch_wait
from hub_pipelines.validate.model import excel_row

_PREFIX_AT_LEAST = 8
_CLOSED_FOR_GOOD = (ItemState.DISMISSED, ItemState.RESUBMITTED)
_CANDIDATES = 20
_STORIES = 3
_NEAR = 10
_LONGEST_TAG = 64
_NAMES_TOLD = 10
# told by the arrival, the attempt, the posting or the review item that they belong to
_SAID = frozenset(
    {
        *(f"submission:{outcome}" for outcome in Outcome),
        "submission:leased",
        "submission:retrying",
        "submission:in_review",
        "submission:posted",
        "review:replayed",
        "review:dismissed",
        "review:resubmitted",
    }
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, in a sentence; `by` is who or what did it."""

    at: datetime
    what: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One submission. `facts` are what holds of it now, `left_out` counts older moments that are not listed."""

    request_id: str
    state: State
    time_zone: str
    facts: dict[str, str]
    moments: tuple[Moment, ...]
    left_out: int
    now: str


@dataclass(frozen=True, slots=True)
class Came:
    """One time that a file came, and what became of it."""

    at: datetime
    source_name: str
    campus: str
    feed: str
    request_id: str | None
    outcome: str
    what: str
    receipt: str | None


@dataclass(frozen=True, slots=True)
class FileMatch:
    """All that is known under a file's name or contents, the newest last."""

    heading: str
    came: tuple[Came, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One journal entry. `changed` holds, by column, the old and the new value; all columns of a first entry."""

    at: datetime
    ledger_version: int
    row: int
    source_name: str
    request_id: str
    revision: int
    operation: str
    first: bool
    changed: dict[str, tuple[object, object]]


@dataclass(frozen=True, slots=True)
class MissedBy:
    """A complete count that missed an item. `row` is the rejected row that lists it; `found_in` the later file."""

    counted_at: datetime
    source_name: str
    request_id: str
    location: str
    row: int | None
    found_at: datetime | None
    found_in: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of one ledger: its values now and each change that led there, the oldest first."""

    ledger: str
    key: str
    current: dict[str, object]
    changes: tuple[Change, ...]
    left_out: int
    missed: tuple[MissedBy, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A problem of a row in which the text that was asked for stands."""

    at: datetime
    source_name: str
    campus: str
    feed: str
    request_id: str
    revision: int
    row: int
    column: str | None
    severity: str
    reason: str
    suggestion: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All that an argument means. `notes` say what was looked for in vain, `near` what may have been meant."""

    asked: str
    notes: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    files: tuple[FileMatch, ...] = ()
    stories: tuple[Story, ...] = ()
    items: tuple[Item, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    near: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.candidates or self.files or self.stories or self.items or self.rejected)


def explain(hub: Hub, asked: str, *, limit: int = 200) -> Answer:
    """What is known about a request_id (or the beginning of one), a file or a tag; no list is longer than `limit`."""
    text = display_name(asked.strip())  # as the databases and the pages hold it
    with hub.db.read() as tx:
        ids = _request_ids(tx, text)
        if len(ids) > 1:
            return Answer(text, candidates=tuple(ids))
        if ids:
            return Answer(text, stories=(_story(hub, tx, submissions.get(tx, ids[0]), limit),))
        notes: list[str] = []
        files = _file_matches(hub, tx, asked, limit, notes)
        answer = Answer(
            text,
            notes=tuple(notes),
            files=tuple(files),
            stories=tuple(_stories(hub, tx, files, limit)),
            items=tuple(_items(tx, text, limit)),
            rejected=tuple(_rejected(tx, text, limit)),
        )
    return answer if answer.found else _nothing(hub, text, notes)


# ---- what is meant


def _request_ids(tx: Transaction, text: str) -> list[str]:
    if submissions.find(tx, text) is not None:
        return [text]
    campus_feed_rest = text.lower().split("-", 2)
    if len(campus_feed_rest) < 3 or len(campus_feed_rest[2]) < _PREFIX_AT_LEAST:
        return []
    return submissions.beginning_with(tx, text.lower(), limit=_CANDIDATES)


def _file_matches(hub: Hub, tx: Transaction, asked: str, limit: int, notes: list[str]) -> list[FileMatch]:
    text, name = display_name(asked), display_name(Path(asked).name)
    digest = _digest_of(asked, notes)
    if digest is not None:
        same = _file_match(
            hub,
            f"The file {text}, by its contents (SHA-256 {digest})",
            submissions.of_digest(tx, digest, limit=limit + 1),
            arrivals.of_digest(tx, digest, limit=limit + 1),
            limit,
        )
        if same is not None:
            return [same]
        notes.append(f"No file with the contents of {text} has come (SHA-256 {digest}); looked for its name instead.")
    named = _file_match(
        hub,
        f"Files named {name}",
        submissions.of_source(tx, source_key(name), limit=limit + 1),
        arrivals.of_source(tx, name, limit=limit + 1),
        limit,
    )
    return [named] if named is not None else []


def _digest_of(asked: str, notes: list[str]) -> str | None:
    """The fingerprint of a file on this machine; None when there is none that can be read."""
    try:
        with Path(asked).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError as error:
        notes.append(f"{display_name(asked)} can't be read ({error.strerror}); looked for its name instead.")
    except (OSError, ValueError):  # no file of this name here, or no name that a file can have
        pass
    return None


def _file_match(hub: Hub, heading: str, sent: list[Submission], came: list[Arrival], limit: int) -> FileMatch | None:
    lines = [_came_first(hub, one) for one in sent]
    lines += [_came_again(hub, one) for one in came if one.outcome is not Outcome.RECEIVED]
    if not lines:
        return None
    lines.sort(key=lambda line: line.at)
    return FileMatch(heading, tuple(lines[-limit:]), more=len(lines) > limit)


def _came_first(hub: Hub, current: Submission) -> Came:
    envelope = current.envelope
    what = f"received, now {_spoken(current.state)}"
    if current.counts.received:
        what += f" ({_rows(current)})"
    return Came(
        envelope.received_at,
        envelope.source_name,
        envelope.campus,
        envelope.feed,
        current.request_id,
        "received",
        what,
        _existing(hub.receipts.path_of(current)),
    )


def _came_again(hub: Hub, arrival: Arrival) -> Came:
    return Came(
        arrival.arrived_at,
        arrival.source_name,
        arrival.scope.campus,
        arrival.scope.feed,
        arrival.request_id,
        str(arrival.outcome),
        _outcome_text(arrival),
        _existing(
            hub.receipts.path_of_preview(arrival)
            if arrival.outcome is Outcome.PREVIEWED
            else hub.receipts.path_of_arrival(arrival)
        ),
    )


def _stories(hub: Hub, tx: Transaction, files: Iterable[FileMatch], limit: int) -> list[Story]:
    """Of few submissions each one's story, of many the newest one's: the lines above name the others."""
    newest_first = [line.request_id for match in files for line in reversed(match.came) if line.request_id]
    ids = list(dict.fromkeys(newest_first))
    told = ids if len(ids) <= _STORIES else ids[:1]
    return [_story(hub, tx, submissions.get(tx, request_id), limit) for request_id in reversed(told)]


# ---- one submission


def _story(hub: Hub, tx: Transaction, current: Submission, limit: int) -> Story:
    items = reviews.items_of(tx, current.request_id, limit=limit)
    moments, left_out = _moments(tx, current, items, limit)
    campus = hub.campuses.get(current.envelope.campus)
    return Story(
        request_id=current.request_id,
        state=current.state,
        time_zone=campus.time_zone if campus else "UTC",
        facts=_facts(hub, tx, current),
        moments=moments,
        left_out=left_out,
        now=_now(hub, tx, current, items),
    )


def _facts(hub: Hub, tx: Transaction, current: Submission) -> dict[str, str]:
    envelope = current.envelope
    receipt = _existing(hub.receipts.path_of(current))
    facts = {
        "file": f"{envelope.source_name} (version {current.source_version} of this name)",
        "campus and feed": f"{envelope.campus} {envelope.feed}",
        "came through": _way(current),
        "sender's key": envelope.sender_key,
        "replaces": current.revises,
        "replaced by": _newer_version(tx, current),
        "state": f"{_spoken(current.state)}, revision {current.revision}",
        "rows": _rows(current) if current.counts.received else None,
        "attempts": _all_attempts(hub, current) if current.token else None,
        "launches": f"{current.launch}{_last_launch(current)}" if current.launch else None,
        "newest run": current.run_id,
        "complete count": _count_told(tx, current) if envelope.complete_count else None,
        "registry version": str(current.registry_version) if current.registry_version is not None else None,
        "size": f"{envelope.size_bytes:,} bytes",
        "fingerprint": f"SHA-256 {envelope.content_digest}",
        "signed with key": envelope.key_id,
        "archived copy": str(hub.archive.object_path(envelope.content_digest)),
        "receipt": receipt or "not written yet",
    }
    return {name: value for name, value in facts.items() if value}


def _count_told(tx: Transaction, current: Submission) -> str:
    posting = ledgers.find_posting(tx, current.request_id, current.revision)
    if posting is None or posting.counted is None:
        return "yes; nothing is compared before it is posted"
    missing = counts.still_missing(tx, current.request_id, current.revision)
    told = f"of {_short_list(posting.counted)}: {posting.not_found} not found"
    if posting.not_found:
        told += f", {missing} still missing"
    if posting.listed_in_rejected_rows:
        told += f"; {posting.listed_in_rejected_rows} are listed in rejected rows"
    return told


def _short_list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return (", ".join(names[:_NAMES_TOLD]) or "no location") + more


def _way(current: Submission) -> str:
    """Channel and sender; a drop folder is told by its path."""
    envelope = current.envelope
    return f"{envelope.channel} from {envelope.headers.get('dropped_in') or envelope.source_system}"


def _attempts(hub: Hub, current: Submission) -> str:
    return f"{current.attempts} of {hub.processing.policy.allowed(current.attempts, in_all=current.token)}"


def _all_attempts(hub: Hub, current: Submission) -> str:
    """Those of this revision with their limit, and those of all revisions when there were others."""
    told = f"{_attempts(hub, current)} for revision {current.revision}"
    if current.token > current.attempts:
        told += f", {current.token} over all revisions"
    return f"{told}; the next one at {_utc(current.retry_at)}" if current.state is State.RETRYING else told


def _last_launch(current: Submission) -> str:
    vain = f"; {current.launches_in_vain} since a run last began to work" if current.launches_in_vain > 1 else ""
    return f", the last one at {_utc(current.launched_at)}{vain}" if current.launched_at else vain


def _newer_version(tx: Transaction, current: Submission) -> str | None:
    envelope = current.envelope
    for one in submissions.of_source(tx, source_key(envelope.source_name), limit=_CANDIDATES):
        if one.revises == current.request_id and one.envelope.campus == envelope.campus:
            return f"{one.request_id} (version {one.source_version})"
    return None


def _moments(
    tx: Transaction, current: Submission, items: list[ReviewItem], limit: int
) -> tuple[tuple[Moment, ...], int]:
    """What happened, in order. Of a long history the first arrival and the newest; how many are left out."""
    came, came_total = arrivals.of_request(tx, current.request_id, limit=limit)
    said, said_total = audit.newest_entries_of(tx, current.request_id, without=_SAID, limit=limit)
    found = [_arrival(current, one) for one in came] + [_entry(one) for one in said]
    found += [_attempt(one) for one in submissions.attempts_of(tx, current.request_id)]
    found += [_posting(one) for one in ledgers.postings_of(tx, current.request_id, limit=limit)]
    found += [moment for item in items for moment in _review(item)]
    if current.launched_at is not None:
        found.append(_launch(current, current.launched_at))
    found.sort(key=lambda moment: moment.at)
    total = len(found) + came_total - len(came) + said_total - len(said)
    if len(found) > limit:
        found = [found[0], *found[len(found) - max(limit - 1, 0) :]]
    return tuple(found), total - len(found)


def _arrival(current: Submission, arrival: Arrival) -> Moment:
    if arrival.outcome is Outcome.RECEIVED:
        what = f"{arrival.source_name} came through {_way(current)}: received, archived and signed"
        return Moment(arrival.arrived_at, what)
    return Moment(arrival.arrived_at, f"{arrival.source_name} came: {_outcome_text(arrival)}")


def _outcome_text(arrival: Arrival) -> str:
    if arrival.outcome is Outcome.DUPLICATE:
        return f"duplicate, the same as {arrival.request_id}; no row was changed"
    if arrival.outcome is Outcome.PREVIEWED:
        return "a preview: nothing was changed, and it is no submission"
    return f"{arrival.outcome}: {arrival.reason}" if arrival.reason else str(arrival.outcome)


def _launch(current: Submission, at: datetime) -> Moment:
    return Moment(at, f"launch {current.launch}: Dagster was asked for a run (run key {current.run_key})")


def _attempt(row: dict[str, object]) -> Moment:
    started, ended = row["started_at"], row["ended_at"]
    assert isinstance(started, datetime)
    what = f"an attempt of revision {row['revision']} began (token {row['token']})"
    if isinstance(ended, datetime):
        what += f" and ended after {(ended - started).total_seconds():.1f} s: {row['outcome']}"
    if row["error"]:
        what += f"; {row['error_type']}: {row['error']}"
    return Moment(started, what, f"run/{row['owner']}")


def _posting(posting: Posting) -> Moment:
    what = (
        f"posted to {posting.ledger} as its version {posting.ledger_version}: {_count(posting.received)}, "
        f"{posting.posted} posted, {posting.unchanged} unchanged, {posting.rejected} rejected "
        f"(revision {posting.revision})"
    )
    if posting.counted is not None:
        what += f"; as a complete count of {_short_list(posting.counted)} it did not find {_items_told(posting)}"
    return Moment(posting.posted_at, what)


def _items_told(posting: Posting) -> str:
    return "one item" if posting.not_found == 1 else f"{posting.not_found} items"


def _review(item: ReviewItem) -> list[Moment]:
    found = [Moment(item.opened_at, f"filed for review as {item.item_id} [{item.cause}]: {item.reason}")]
    if item.resolved_at is not None:
        words = {
            ItemState.REPLAYED: "sent through again",
            ItemState.RESUBMITTED: f"closed, because a corrected copy was sent in its place: {item.replaced_by}",
        }
        told = words.get(item.state, f"dismissed: {item.resolution}")
        found.append(Moment(item.resolved_at, f"{item.item_id} {told}", item.resolved_by))
    return found


def _entry(entry: Entry) -> Moment:
    event, detail = entry.event, entry.event.detail
    shape = detail.get("shape")
    known = {
        "submission:busy": f"a run found that another works on it ({detail.get('state')}), and ended",
        "submission:repeat": f"a run found it settled ({detail.get('state')}), and ended",
        "submission:fenced": f"a run that had lost its lease was kept from writing (token {detail.get('token')})",
        "recovery:lease_ended": "the reconciler ended its attempt, whose lease had run out",
        "recovery:run_failed": f"the reconciler reported its run {detail.get('run_id')} as failed: {detail.get('why')}",
        "recovery:item_filed": f"the reconciler filed its missing review item {detail.get('item_id')}",
        "recovery:launches_ended": "the reconciler brought it to review: no launch led to work",
        "recovery:registered": "the reconciler registered it from the archive: no record of it was left",
        "shape:drifted": f"columns of its earlier files are gone; the compliance officers are told (shape {shape})",
        "shape:extended": f"it has more columns than its earlier files (shape {shape})",
        "shape:reduced": f"headings that the contract does not know are gone (shape {shape})",
        "submission:requeued": "asked to have its next attempt at once",
        "lease:released": f"the lease of run {detail.get('run')} (token {detail.get('token')}) was ended by hand",
        "submission:applied_again": f"applied again on purpose, as revision {detail.get('revision')}",
    }
    what = known.get(event.event) or f"{event.event} {json.dumps(detail, ensure_ascii=False, default=str)}"
    return Moment(entry.at, f"{what} (audit entry {event.campus}:{entry.seq})", event.actor)


# ---- what happens next


def _now(hub: Hub, tx: Transaction, current: Submission, items: list[ReviewItem]) -> str:
    conflicts = [item for item in items if item.state is ItemState.OPEN and item.cause == "conflict"]
    told = _next_step(hub, tx, current, items)
    for item in conflicts:
        told += f" Other contents came under its key: a person decides about {_command(item)}."
    return told


def _next_step(hub: Hub, tx: Transaction, current: Submission, items: list[ReviewItem]) -> str:
    match current.state:
        case State.POSTED:
            return _posted_now(current)
        case State.RECEIVED:
            return _received_now(hub, tx, current)
        case State.LEASED:
            return _leased_now(hub, tx, current)
        case State.RETRYING:
            tries = f"attempt {_attempts(hub, current)} failed"
            return _pause(tx, current) or (
                f"waiting, because {tries}: {_sentence(current.reason)} The next try is due at "
                f"{_utc(current.retry_at)}; {_sensor(current)} launches it."
            )
        case State.IN_REVIEW:
            return _in_review_now(current, items)
        case State.DISMISSED:
            closed = next((item for item in items if item.state in _CLOSED_FOR_GOOD), None)
            by = f" by {closed.resolved_by}" if closed else ""
            return f"dismissed{by}: {_sentence(current.reason)} Nothing more happens; bytes and history stay."


def _posted_now(current: Submission) -> str:
    rejected = current.counts.rejected
    told = f"posted at {_utc(current.posted_at)}."
    if rejected:
        rows = "1 row was" if rejected == 1 else f"{rejected:,} rows were"
        return f"{told} {rows} not taken; the sender mends what the receipt lists and drops the file again."
    return f"{told} Nothing more happens."


def _received_now(hub: Hub, tx: Transaction, current: Submission) -> str:
    if paused := _pause(tx, current):
        return paused
    if held_up := _goes_first(hub, tx, current):
        return held_up
    if current.launched_at is None:
        return f"waiting for its first run; {_sensor(current)} launches it at its next tick."
    first = timedelta(seconds=hub.settings.limits.relaunch_after_s)
    again = current.launched_at + launch_wait(first, current.launches_in_vain)
    return (
        f"waiting for Dagster to begin the run that was asked for at {_utc(current.launched_at)}. If no run of it "
        f"lives, {_sensor(current)} launches it again after {_utc(again)}."
    )


def _pause(tx: Transaction, current: Submission) -> str | None:
    found = pause_of(standing(tx), current.envelope.campus, current.envelope.feed)
    if found is None:
        return None
    told = f"paused by {found.paused_by} since {_utc(found.paused_at)} ({found.scope}): {_sentence(found.reason)}"
    return f"{told} Nothing is launched until `{_resume(found)}`."


def _resume(found: Pause) -> str:
    campus = f" --campus {found.campus}" if found.campus else ""
    feed = f" --feed {found.feed}" if found.feed else ""
    return f"hub resume{campus}{feed}"


def _goes_first(hub: Hub, tx: Transaction, current: Submission) -> str | None:
    """What holds this one up; the same rule as `submissions.due`: a paused feed holds up only who asks the registry."""
    campus = current.envelope.campus
    before = submissions.feeds_before(tx, current)
    pauses = {feed: pause_of(standing(tx), campus, feed) for feed in before}
    if going := [feed for feed in before if pauses[feed] is None]:
        told = f"waiting, because files of {campus} that go first ({', '.join(going)}) are not settled yet."
        return f"{told} {_sensor(current)} launches it then."
    stopped = next(iter(pauses.values()), None)
    if stopped is None or not hub.feeds[current.envelope.feed].checks_tags:
        return None
    return (
        f"waiting, because its tags are checked against files of {campus} that go first ({', '.join(before)}) and are "
        f"paused by {stopped.paused_by} since {_utc(stopped.paused_at)}: {_sentence(stopped.reason)} "
        f"`{_resume(stopped)}` lets them go on."
    )


def _leased_now(hub: Hub, tx: Transaction, current: Submission) -> str:
    until = current.lease_until
    if until is not None and until >= database_now(tx):
        return f"run {current.lease_owner} works on it; its lease lasts until {_utc(until)} unless it is extended."
    told = f"its lease ended at {_utc(until)} without a word from run {current.lease_owner}"
    if hub.processing.policy.is_last(current.attempts, in_all=current.token):
        return f"{told}, which was the last attempt; the next tick of a campus brings it to review."
    return f"{told}; {_sensor(current)} launches a run that takes it over."


def _in_review_now(current: Submission, items: list[ReviewItem]) -> str:
    item = next((one for one in items if one.state is ItemState.OPEN and one.cause == current.cause), None)
    told = f"waiting for a person, because of [{current.cause}] {_sentence(current.reason)}"
    if item is None:
        return f"{told} `hub review list` shows what waits."
    replay = "" if item.feed == RESERVED_FEED else f"; `hub review replay {item.item_id}` sends it through again"
    if item.cause == Cause.DRIFT:
        replay = f"; `hub shapes show {item.item_id}` puts its columns and the earlier ones side by side"
    return f"{told} A person decides about {_command(item)}{replay}."


def _command(item: ReviewItem) -> str:
    return f"{item.item_id} (`hub review show {item.item_id}`)"


def _sensor(current: Submission) -> str:
    return f"{current.envelope.campus}_drop_folder_sensor (or `hub drain`)"


# ---- one item of a ledger


def _items(tx: Transaction, text: str, limit: int) -> list[Item]:
    keys = {text, unicodedata.normalize("NFKC", text).upper()} - {""}
    found = dict.fromkeys(pair for key in sorted(keys) for pair in ledgers.items_of_key(tx, key, limit=limit))
    sources: dict[str, str] = {}
    return [_item(tx, name, key, sources, limit) for name, key in list(found)[:limit]]


def _item(tx: Transaction, name: str, key: str, sources: dict[str, str], limit: int) -> Item:
    rows, total = ledgers.changes_of(tx, name, key, limit=limit)
    for row in rows:
        request_id = row["request_id"]
        if request_id not in sources:
            sources[request_id] = submissions.get(tx, request_id).envelope.source_name
    changes = tuple(_change(row, sources[row["request_id"]]) for row in reversed(rows))
    missed = counts.of_item(tx, name, key, limit=limit)
    return Item(
        name,
        key,
        json.loads(rows[0]["values"]),
        changes,
        total - len(rows),
        tuple(_missed_by(tx, one) for one in reversed(missed)),
    )


def _missed_by(tx: Transaction, one: MissedRecord) -> MissedBy:
    finder = submissions.get(tx, one.found_by).envelope.source_name if one.found_by else None
    return MissedBy(
        counted_at=one.counted_at,
        source_name=submissions.get(tx, one.request_id).envelope.source_name,
        request_id=one.request_id,
        location=one.missed.location,
        row=None if one.missed.row_no is None else excel_row(one.missed.row_no),
        found_at=one.found_at,
        found_in=finder,
    )


def _change(row: dict[str, object], source_name: str) -> Change:
    before = json.loads(str(row["before"])) if row["before"] is not None else {}
    after = json.loads(str(row["values"]))
    changed = {
        column: (before.get(column), after.get(column))
        for column in dict.fromkeys([*after, *before])
        if before.get(column) != after.get(column)
    }
    at = row["posted_at"]
    assert isinstance(at, datetime)
    return Change(
        at=at,
        ledger_version=int(str(row["version"])),
        row=int(str(row["row_no"])),
        source_name=source_name,
        request_id=str(row["request_id"]),
        revision=int(str(row["revision"])),
        operation=str(row["operation"]),
        first=row["before"] is None,
        changed=changed,
    )


def _rejected(tx: Transaction, text: str, limit: int) -> list[RejectedRow]:
    rows = ledgers.rejected_with(tx, text, limit=limit) if text else []
    return [
        RejectedRow(
            at=row["received_at"],
            source_name=row["source_name"],
            campus=row["campus"],
            feed=row["feed"],
            request_id=row["request_id"],
            revision=row["revision"],
            row=row["row_no"],
            column=row["column_name"],
            severity=row["severity"],
            reason=row["reason"],
            suggestion=row["suggestion"],
        )
        for row in reversed(rows)
    ]


# ---- nothing


def _nothing(hub: Hub, text: str, notes: list[str]) -> Answer:
    note = (
        f"Nothing is known of {text!r}. Looked for a request_id, the beginning of one "
        f"(<campus>-<feed>- and {_PREFIX_AT_LEAST} characters), a file by contents and by name, a tag or other key in "
        "any ledger, and rows that were not taken."
    )
    return Answer(text, notes=(*notes, note), near=tuple(_near(hub, text)))


def _near(hub: Hub, text: str) -> list[str]:
    stem = source_key(Path(text).stem)
    with hub.db.read() as tx:
        found = submissions.sources_like(tx, stem, limit=_NEAR) if stem else []
    tag = unicodedata.normalize("NFKC", text).upper()
    known = LedgerRegistry(hub.db).nearest(tag) if 0 < len(tag) <= _LONGEST_TAG else None
    return [*found, known] if known else found


# ---- words


def _spoken(state: State) -> str:
    return {State.IN_REVIEW: "in review", State.LEASED: "being worked on"}.get(state, str(state))


def _rows(current: Submission) -> str:
    counts = current.counts
    told = [f"{counts.posted:,} posted", f"{counts.unchanged:,} unchanged", f"{counts.rejected:,} rejected"]
    for name in ("waiting", "held", "dismissed"):
        if number := getattr(counts, name):
            told.append(f"{number:,} {name}")
    return f"{_count(counts.received)}: {', '.join(told)}"


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _utc(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


def _sentence(text: str | None) -> str:
    """Ends with a full stop, so that another sentence can follow."""
    return f"{(text or 'no reason was recorded').rstrip(' .')}."
