"""Where something came from and what becomes of it: one timeline over intake, launches, attempts, posting and review.

Belongs here: finding what a request_id, a file or a tag means. Not here: the parts of the answer (story.py, files.py,
items.py, awards.py), queries (the stores), layout (cli/why.py). Nothing is changed by asking; every list is bounded by
`limit`.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.drop_folder import display_name
from hub_pipelines.intake.service import source_key
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.submission import store as submissions
from hub_pipelines.timeline.awards import awards_named, charged_to
from hub_pipelines.timeline.files import file_matches
from hub_pipelines.timeline.items import items_named, rejected_with
from hub_pipelines.timeline.model import MOST_CANDIDATES, Answer, FileMatch, Story
from hub_pipelines.timeline.story import story_of
from hub_pipelines.validate.feeds.types import in_plain_letters

_PREFIX_AT_LEAST = 8
_STORIES = 3
_NEAR = 10
_LONGEST_TAG = 64


def explain(hub: Hub, asked: str, *, limit: int = 200) -> Answer:
    """What is known about a request_id (or the beginning of one), a file or a tag; no list is longer than `limit`."""
    text = display_name(asked.strip())  # as the databases and the pages hold it
    with hub.db.read() as tx:
        ids = _request_ids(tx, text)
        if len(ids) > 1:
            return Answer(text, candidates=tuple(ids))
        if ids:
            return Answer(text, stories=(story_of(hub, tx, submissions.get(tx, ids[0]), limit),))
        notes: list[str] = []
        files = file_matches(hub, tx, asked, limit, notes)
        answer = Answer(
            text,
            notes=tuple(notes),
            files=tuple(files),
            stories=tuple(_stories(hub, tx, files, limit)),
            items=tuple(items_named(tx, text, limit)),
            rejected=tuple(rejected_with(tx, text, limit)),
            awards=tuple(awards_named(hub.findings, tx, text, limit)),
        )
        # reads what was spent: not for what is plainly something else
        if answer.awards or not (answer.files or answer.stories or answer.items):
            answer = replace(answer, charged=tuple(charged_to(hub.findings, tx, text, limit)))
    return answer if answer.found else _nothing(hub, text, notes)


def _request_ids(tx: Transaction, text: str) -> list[str]:
    if submissions.find(tx, text) is not None:
        return [text]
    campus_feed_rest = text.lower().split("-", 2)
    if len(campus_feed_rest) < 3 or len(campus_feed_rest[2]) < _PREFIX_AT_LEAST:
        return []
    return submissions.beginning_with(tx, text.lower(), limit=MOST_CANDIDATES)


def _stories(hub: Hub, tx: Transaction, files: Iterable[FileMatch], limit: int) -> list[Story]:
    """Of few submissions each one's story, of many the newest one's: the lines above name the others. What was in
    conflict with a message is of none."""
    newest_first = [line.request_id for match in files for line in reversed(match.came) if line.request_id]
    found = [submissions.find(tx, request_id) for request_id in dict.fromkeys(newest_first)]
    sent = [one for one in found if one is not None]
    told = sent if len(sent) <= _STORIES else sent[:1]
    return [story_of(hub, tx, one, limit) for one in reversed(told)]


def _nothing(hub: Hub, text: str, notes: list[str]) -> Answer:
    note = (
        f"Nothing is known of {text!r}. Looked for a request_id, the beginning of one "
        f"(<campus>-<feed>- and {_PREFIX_AT_LEAST} characters), a webhook-id, a file by contents and by name, a tag or "
        "other key in any ledger, an award that lines charge, and rows that were not taken."
    )
    return Answer(text, notes=(*notes, note), near=tuple(_near(hub, text)))


def _near(hub: Hub, text: str) -> list[str]:
    stem = source_key(Path(text).stem)
    with hub.db.read() as tx:
        found = submissions.sources_like(tx, stem, limit=_NEAR) if stem else []
    tag = in_plain_letters(text).upper()
    near = LedgerRegistry(hub.db).near(tag) if 0 < len(tag) <= _LONGEST_TAG else []
    return [*found, *(known for _, known in near[:1])]
