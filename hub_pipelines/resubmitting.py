"""A corrected copy in place of what waits in review, and all that is known of an item.

Belongs here: sending the corrected bytes as a submission of its own that revises the old one, and gathering an item's
case from database, archive and receipts. Not here: the decision's transaction (review/service.py), wording (cli/).

Original and corrected bytes are both kept. One transaction registers the new submission, closes the item and sets the
old submission aside, so that two people who correct the same item at once send one copy (decisions/0026).
"""

import json
import socket
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake.drop_folder import display_name
from hub_pipelines.intake.model import REVISES, Arrival, Outcome, Payload
from hub_pipelines.mapping.service import headings_of
from hub_pipelines.review import store as reviews
from hub_pipelines.review.fingerprint import fingerprint_of
from hub_pipelines.review.model import ItemState, ReviewItem, Selection
from hub_pipelines.review.service import already_closed, why_not_resubmitted
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, Envelope, IllegalMove, State
from hub_pipelines.validate.difference import Difference, compare_files

CELLS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Resubmitted:
    item: ReviewItem
    arrival: Arrival
    difference: Difference


def resubmit(hub: Hub, item_id: str, file: Path, *, actor: str) -> Resubmitted:
    """Send a corrected copy in place of an open item. Raises IllegalMove when that can't be; nothing is changed then.

    Raises OSError when the file can't be read and Transient when there is no room for it.
    """
    item, _ = hub.review.show(item_id)
    _require_open(hub, item)
    if full := hub.drop_folder.no_room(file.stat().st_size):
        raise Transient(f"{file.name} was not taken: {full}.")
    with file.open("rb") as source:
        stored = hub.archive.put(source)
    if stored.digest == item.content_digest:
        raise IllegalMove(
            f"{file.name} is byte for byte what was sent before. "
            f"`hub review replay {item_id}` sends that through again."
        )
    name = _name(item.source_name, display_name(file.name))
    difference = _difference(hub, item, stored.digest, name)
    payload = Payload(
        arrival_id=uuid.uuid4().hex,
        scope=Scope(item.campus, item.feed),
        channel="upload",
        source_system=f"{actor.removeprefix('person/')}@{socket.gethostname()}",
        source_name=name,
        content_digest=stored.digest,
        size_bytes=stored.size_bytes,
        headers={
            "file_name": display_name(file.name),
            "submitted_by": actor,
            "corrects": item_id,
            REVISES: item.request_id,
        },
        revises=item.request_id,
        complete_count=_is_count(hub, item.request_id),
    )

    def together(tx: Any, arrival: Arrival) -> None:
        successor = submissions.get(tx, str(arrival.request_id))
        if arrival.outcome is Outcome.DUPLICATE and successor.state is State.DISMISSED:
            raise IllegalMove(
                f"These bytes came before as {successor.request_id} and were dismissed; nothing would come of them. "
                f"{sent_under_a_key(successor.envelope)} Dismiss this item then."
            )
        hub.review.close_as_resubmitted(
            tx, item_id, actor=actor, replaced_by=successor.request_id, difference=difference.document()
        )

    arrival = hub.intake.receive(payload, together)
    return Resubmitted(hub.review.show(item_id)[0], arrival, difference)


def sent_under_a_key(envelope: Envelope) -> str:
    """How the very bytes of something that was dismissed are taken all the same. Under their own fingerprint they are
    known, and a copy for ever."""
    count = " --complete-count" if envelope.complete_count else ""
    return (
        f"`hub submit FILE --campus {envelope.campus} --feed {envelope.feed}{count} --key WORD` takes the same file "
        "once more, as a submission of its own, with a word that was not used before."
    )


def _require_open(hub: Hub, item: ReviewItem) -> None:
    if item.state is not ItemState.OPEN:
        with hub.db.read() as tx:
            raise IllegalMove(already_closed(tx, item))
    if reason := why_not_resubmitted(item):
        raise IllegalMove(reason)


def _is_count(hub: Hub, request_id: str) -> bool:
    """A corrected copy is declared what its original was."""
    with hub.db.read() as tx:
        return submissions.get(tx, request_id).envelope.complete_count


def _name(original: str, corrected: str) -> str:
    """The original's name, so that both are versions of one source, with the ending that the corrected bytes need."""
    ending = PurePath(corrected).suffix
    return original if PurePath(original).suffix.lower() == ending.lower() else PurePath(original).stem + ending


def _difference(hub: Hub, item: ReviewItem, digest: str, name: str) -> Difference:
    """Compared once, now: what killed its workers is not read again, neither here nor for a receipt."""
    feed = hub.feeds.get(item.feed)
    if feed is None or item.campus not in hub.campuses:
        return Difference(
            None, None, note=f"The files were not compared: this hub no longer takes {item.feed} of {item.campus}."
        )
    if item.cause == Cause.EXHAUSTED:
        return Difference(None, None, note="The files were not compared: reading the original has failed too often.")
    original, corrected = hub.archive.object_path(item.content_digest), hub.archive.object_path(digest)
    if not original.exists():
        return Difference(None, None, note="The files were not compared: the archived original is missing.")
    with hub.db.read() as tx:
        sent = submissions.get(tx, item.request_id).envelope
    # neither is decided about yet: as far as it would go now
    both = (sent, replace(sent, source_name=name, content_digest=digest))
    headings = headings_of(feed, *(hub.judge.try_again(one).decision for one in both))
    return compare_files(original, item.source_name, corrected, name, feed, cells=CELLS_KEPT, headings=headings)


# ---- an item's case


def case_of(hub: Hub, item_id: str) -> dict[str, Any]:
    """All that is known of an item: itself, its group, envelope, every attempt with error and trace, links."""
    item, attempts = hub.review.show(item_id)
    with hub.db.read() as tx:
        current = submissions.get(tx, item.request_id)
        like_it = reviews.count(tx, Selection(group=item.fingerprint))
    envelope, kept_at = _envelope(hub, item, current.envelope)
    common = fingerprint_of(
        error_type=item.error_type,
        cause=item.cause,
        reason=item.reason,
        trace=item.trace,
        names=(item.source_name, item.campus, item.feed),
    )
    receipt = hub.receipts.places.page_of(current)
    return {
        **asdict(item),
        "headers": envelope.headers,
        "group": {
            "group": item.fingerprint,
            "open_items": like_it,
            **{name: getattr(common, name) for name in ("error_type", "cause", "pattern", "place")},
        },
        "submission": {"state": current.state, "revision": current.revision, "rows": current.counts.document()},
        "envelope": envelope.document(),
        "attempts": [{**one, "run_page": f"/runs/{one['owner']}"} for one in attempts],
        "archived_copy": str(hub.archive.object_path(item.content_digest)),
        "archived_envelope": kept_at,
        "receipt": str(receipt) if receipt.exists() else None,
        "run_page": f"/runs/{item.run_id}" if item.run_id else None,
    }


def _envelope(hub: Hub, item: ReviewItem, of_submission: Envelope) -> tuple[Envelope, str | None]:
    """The envelope of these very bytes and where it is archived; a conflict's is not the one of its submission."""
    for path in hub.archive.envelopes_of(of_submission.request_id):
        envelope = Envelope.from_document(json.loads(path.read_text(encoding="utf-8")))
        if envelope.content_digest == item.content_digest:
            return envelope, str(path)
    return of_submission, None
