"""A file's name or contents, and all that came under it."""

import hashlib
from pathlib import Path

from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.drop_folder import display_name
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.intake.service import source_key
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Submission
from hub_pipelines.timeline.model import Came, FileMatch
from hub_pipelines.timeline.words import outcome_told, path_if_there, rows_told, state_told


def file_matches(hub: Hub, tx: Transaction, asked: str, limit: int, notes: list[str]) -> list[FileMatch]:
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
    what = f"received, now {state_told(current.state)}"
    if current.counts.received:
        what += f" ({rows_told(current)})"
    return Came(
        envelope.received_at,
        envelope.source_name,
        envelope.campus,
        envelope.feed,
        current.request_id,
        "received",
        what,
        path_if_there(hub.receipts.places.page_of(current)),
    )


def _came_again(hub: Hub, arrival: Arrival) -> Came:
    return Came(
        arrival.arrived_at,
        arrival.source_name,
        arrival.scope.campus,
        arrival.scope.feed,
        arrival.request_id,
        str(arrival.outcome),
        outcome_told(arrival),
        path_if_there(
            hub.receipts.places.page_of_preview(arrival)
            if arrival.outcome is Outcome.PREVIEWED
            else hub.receipts.places.page_of_arrival(arrival)
        ),
    )
