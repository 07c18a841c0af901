"""What people decide about a sender's own columns: answers to questions, and what is remembered for a source.

Each decision is one transaction: the answers, the new version of what is remembered, the replay of what waited for
them, and the audit entries. A crash leaves all of it or nothing; an answer that was given before is told, not repeated.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import HubError
from hub_pipelines.drift.model import Source
from hub_pipelines.drift.service import source_of
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.mapping.proposing import keys_of
from hub_pipelines.mapping.remembered import Kept, NoSuchAnswer, Remembered
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ReviewItem
from hub_pipelines.review.service import Review
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, State, Submission
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.model import Feed

_HELD_AS = (Cause.QUESTION, Cause.DRIFT)
_MOST_HELD = 1_000
_LABEL_ENDS = re.compile("[,:(]")
NOTHING = "none"
"""Instead of a contract's column: none of ours, its values are kept with each row."""


class NotAnswered(HubError):
    """The answers can't be taken; the text says why. Nothing is changed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """`open` questions are left of the submission; `replayed` submissions are on their way again: this one when
    nothing is left, and others of its source that waited for an answer. `overtaken_by` is the newer file because of
    which this one stays where it is: a person replays or dismisses its `item_id` (decisions/0056)."""

    request_id: str
    taken: tuple[Kept, ...]
    repeated: tuple[Kept, ...]
    open: tuple[Kept, ...]
    version: int
    replayed: tuple[str, ...]
    overtaken_by: Submission | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class OfSubmission:
    """How a submission was read, and what was asked about its newest revision."""

    submission: Submission
    decision: Decision | None
    questions: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class OfSource:
    """What is remembered for a source, all versions, and its newest submission."""

    remembered: Remembered
    history: tuple[Remembered, ...]
    newest: OfSubmission | None


@dataclass(frozen=True, slots=True)
class Answers:
    """Raises NotAnswered, and IllegalMove when there is no such submission; nothing is changed then."""

    db: Any
    review: Review
    feeds: dict[str, Feed]

    # ---- looking

    def listing(self, *, campus: str | None = None, feed: str | None = None) -> list[Remembered]:
        """Of each source for which something is remembered the newest version."""
        with self.db.read() as tx:
            found = mappings.all_remembered(tx, campus=campus, feed=feed)
        return [one for one in found if not one.is_empty]

    def of_submission(self, request_id: str) -> OfSubmission:
        with self.db.read() as tx:
            return _of_submission(tx, submissions.get(tx, request_id))

    def of_source(self, source: Source) -> OfSource:
        with self.db.read() as tx:
            newest, _ = versions.newest_of_source(tx, source.campus, source.feed, source.key)
            return OfSource(
                mappings.remembered(tx, source),
                tuple(mappings.history(tx, source)),
                _of_submission(tx, submissions.get(tx, newest)) if newest else None,
            )

    # ---- answering

    def answer(self, request_id: str, answers: Sequence[tuple[str, str]], *, actor: str) -> Answered:
        """Answers by question id (q1) and choice: its number, value or label. All are taken or none.

        The same answer given twice has one effect; another one than was given before is refused.
        """
        with self.db.write() as tx:
            revision = submissions.get(tx, request_id).revision
            asked = mappings.questions_about(tx, request_id, revision, lock=True)
            current = submissions.get(tx, request_id)  # whoever held the lock may have moved it on
            items = _waiting_items(tx, current)
            if not asked or not items:
                raise NotAnswered(_why_nothing_is_asked(current, asked))
            chosen = [(one, _chosen(one, text)) for one, text in _matched(asked, answers)]
            return self._answer(tx, current, items, asked, chosen, actor)

    def _answer(
        self,
        tx: Any,
        current: Submission,
        items: Sequence[ReviewItem],
        asked: Sequence[Kept],
        chosen: Sequence[tuple[Kept, str]],
        actor: str,
    ) -> Answered:
        taken, repeated = _record(tx, chosen, actor)
        known = self._remember(tx, source_of(current.envelope), taken, actor, current.request_id)
        answered = {one.question_id for one, _ in (*taken, *repeated)}
        left = tuple(one for one in asked if one.answer is None and one.question_id not in answered)
        newer = versions.overtaken(tx, [current.request_id]).get(current.request_id)
        own = [] if newer else items
        waiting = [] if left else [*own, *self._others_waiting(tx, current)]
        replayed = self.review.replay_all(tx, waiting, actor=actor, because="its questions were answered")
        _tell_answers(tx, current, taken, known, actor)
        receipting.make_receipt_due(tx, current.request_id)
        return Answered(
            request_id=current.request_id,
            taken=tuple(one for one, _ in taken),
            repeated=tuple(one for one, _ in repeated),
            open=left,
            version=known.version,
            replayed=tuple(one.request_id for one in replayed),
            overtaken_by=submissions.get(tx, newer) if newer else None,
            item_id=items[0].item_id if newer else None,
        )

    def _others_waiting(self, tx: Any, current: Submission) -> list[ReviewItem]:
        """Items of the same source that wait for answers too: they are asked anew, by what is remembered now."""
        return _not_overtaken(tx, _items_of_source(tx, source_of(current.envelope), without=current.request_id))

    def from_sheet(
        self, tx: Any, revised: Submission, answers: Iterable[tuple[str, str]], *, actor: str, replaced_by: str
    ) -> list[str]:
        """Answers that came inside a returned workbook, in the transaction that registers it as `replaced_by`.

        The caller has verified that the workbook belongs to `revised`. What can be taken is remembered for the source,
        so that the new submission is read by it; the old one's item closes. Empty cells are no answers. Sentences are
        given back about what could not be taken: the new submission asks again.
        """
        asked = mappings.questions_about(tx, revised.request_id, revised.revision, lock=True)
        by_id = {one.question_id: one for one in asked}
        chosen, troubles = [], []
        for question_id, text in answers:
            if not text.strip():
                continue
            try:
                chosen.append((by_id[question_id], _meant(by_id[question_id], text)))
            except KeyError:
                troubles.append(f"There is no question {question_id} about this file.")
            except NoSuchAnswer as error:
                troubles.append(str(error))
        taken, _ = _record(tx, chosen, actor, once=False)
        known = self._remember(tx, source_of(revised.envelope), taken, actor, revised.request_id)
        closed = [
            one
            for one in _waiting_items(tx, submissions.get(tx, revised.request_id))
            if self.review.close_as_superseded(tx, one, actor=actor, replaced_by=replaced_by)
        ]
        _tell_answers(tx, revised, taken, known, actor)
        for item in closed:
            detail: dict[str, object] = {"cause": item.cause, "replaced_by": replaced_by}
            audit.append(tx, Event(item.campus, actor, "review:resubmitted", item.item_id, item.request_id, detail))
        return troubles

    # ---- what is remembered

    def set(self, source: Source, heading: str, column: str, *, actor: str) -> Remembered:
        """From now on the column under this heading is this one of the contract, or `none` of them."""
        feed = self._feed(source)
        known_columns = {name for one in feed.lists for name in one.columns}
        if column != NOTHING and column not in known_columns:
            raise NotAnswered(f"{source.feed} has no column {column!r}. It has: {', '.join(sorted(known_columns))}.")
        with self.db.write() as tx:
            before = mappings.remembered(tx, source)
            after = before.with_heading(_key(heading), None if column == NOTHING else column)
            return self._change(tx, source, before, after, actor, replay=True)

    def forget(self, source: Source, name: str | None = None, *, actor: str) -> Remembered:
        """Forget what is remembered of one heading, one column or one question's key; of all of them without a name."""
        with self.db.write() as tx:
            before = mappings.remembered(tx, source)
            after = Remembered(source, before.version)
            if name is not None:
                after = before.without(name if name in _names(before) else _key(name))
            if before.is_empty or after.document() == before.document():
                what = f"of {name!r} " if name is not None else ""
                told = ", ".join(_names(before)) or "nothing"
                raise NotAnswered(
                    f"Nothing {what}is remembered for {source.campus}/{source.feed}/{source.key}. Remembered: {told}."
                )
            return self._change(tx, source, before, after, actor, replay=False)

    def _change(
        self, tx: Any, source: Source, before: Remembered, after: Remembered, actor: str, *, replay: bool
    ) -> Remembered:
        if not mappings.add_version(tx, after, by=actor, request_id=None):
            raise NotAnswered("Somebody else has just changed what is remembered for this source. Look at it first.")
        waiting = _held_of_source(tx, source) if replay else []
        self.review.replay_all(tx, waiting, actor=actor, because="what is remembered for its source was changed")
        known = mappings.remembered(tx, source)
        _tell(tx, source, "mapping:remembered", actor, None, {"before": before.document(), **_told(known)})
        return known

    def _remember(
        self, tx: Any, source: Source, taken: Sequence[tuple[Kept, str]], actor: str, request_id: str
    ) -> Remembered:
        """A new version with the answers, unless they change nothing."""
        while True:
            known = after = mappings.remembered(tx, source)
            for one, value in taken:
                after = after.with_answer(one, value)
            if after.document() == known.document():
                return known
            if mappings.add_version(tx, after, by=actor, request_id=request_id):
                return mappings.remembered(tx, source)

    def _feed(self, source: Source) -> Feed:
        if source.feed not in self.feeds:
            raise NotAnswered(f"This hub takes no feed {source.feed!r}. It takes: {', '.join(self.feeds)}.")
        return self.feeds[source.feed]


def _of_submission(tx: Any, current: Submission) -> OfSubmission:
    questions = mappings.questions_about(tx, current.request_id, current.revision)
    return OfSubmission(current, mappings.find_decision(tx, current.decision), tuple(questions))


def _matched(asked: Sequence[Kept], answers: Sequence[tuple[str, str]]) -> list[tuple[Kept, str]]:
    by_id = {one.question_id: one for one in asked}
    unknown = [question_id for question_id, _ in answers if question_id not in by_id]
    if unknown:
        raise NotAnswered(f"There is no question {unknown[0]}. There are: {', '.join(by_id)}.")
    if len({question_id for question_id, _ in answers}) < len(answers):
        raise NotAnswered("One question is answered twice in one command.")
    return [(by_id[question_id], text) for question_id, text in answers]


def _chosen(one: Kept, text: str) -> str:
    try:
        return _meant(one, text)
    except NoSuchAnswer as error:
        raise NotAnswered(str(error)) from None


def _meant(one: Kept, text: str) -> str:
    """The choice: as Kept.chosen has it, or by how its label begins (`column B, "Room" (…)`): column B, or B.

    Raises NoSuchAnswer, also when that could be two of them.
    """
    wanted = " ".join(text.split()).strip("\"'“”").casefold()
    begins = {choice.value: _LABEL_ENDS.split(choice.label)[0].strip().casefold() for choice in one.choices}
    fitting = {value for value, told in begins.items() if wanted in (told, told.removeprefix("column "))}
    try:
        fitting.add(one.chosen(text))
    except NoSuchAnswer:
        if not fitting:
            raise
    if len(fitting) > 1:
        raise NoSuchAnswer(f"{text!r} may mean several of the answers to {one.question_id}. Give its number.")
    return fitting.pop()


def _record(
    tx: Any, chosen: Sequence[tuple[Kept, str]], actor: str, *, once: bool = True
) -> tuple[list[tuple[Kept, str]], list[tuple[Kept, str]]]:
    """What is answered now, and what had been answered so before. Raises NotAnswered for another answer than that,
    unless a later one may take its place (`once` False)."""
    taken, repeated = [], []
    for one, value in chosen:
        if mappings.record_answer(tx, one, value, by=actor):
            taken.append((one, value))
        elif one.answer == value:
            repeated.append((one, value))
        elif once:
            raise NotAnswered(
                f"{one.question_id} was answered before by {one.answered_by}: {one.label_of(one.answer)}. "
                "`hub mapping set` changes what is remembered for this source."
            )
        else:
            taken.append((one, value))
    return taken, repeated


def _waiting_items(tx: Any, current: Submission) -> list[ReviewItem]:
    """The open items for which answers are what a submission waits for."""
    if current.state is not State.IN_REVIEW:
        return []
    return [
        item
        for item in reviews.open_items_of(tx, current.request_id)
        if item.revision == current.revision and item.cause in _HELD_AS
    ]


def _items_of_source(tx: Any, source: Source, *, without: str) -> list[ReviewItem]:
    found: list[ReviewItem] = []
    for request_id, revision in mappings.asked_of_source(tx, source):
        current = submissions.get(tx, request_id)
        if request_id != without and current.revision == revision:
            found += _waiting_items(tx, current)
    return found


def _held_of_source(tx: Any, source: Source) -> list[ReviewItem]:
    """Items of a source's files that are held for their columns, asked about or not."""
    sent = submissions.of_source(tx, source.key, limit=_MOST_HELD)
    found = [item for one in sent if source_of(one.envelope) == source for item in _waiting_items(tx, one)]
    return _not_overtaken(tx, found)


def _not_overtaken(tx: Any, items: Sequence[ReviewItem]) -> list[ReviewItem]:
    """Where a newer file of the source was posted since, an old one would set its rows back: a person replays it."""
    newer = versions.overtaken(tx, [one.request_id for one in items])
    return [one for one in items if one.request_id not in newer]


def _why_nothing_is_asked(current: Submission, asked: Sequence[Kept]) -> str:
    if asked and all(one.answer is not None for one in asked):
        by = ", ".join(sorted({str(one.answered_by) for one in asked}))
        return f"All questions about {current.request_id} have been answered by {by}. It is {current.state}."
    return f"{current.request_id} is {current.state}, and no question about it is open. `hub why` tells what happened."


def _names(known: Remembered) -> list[str]:
    return [*known.confirmed.headings, *sorted(known.confirmed.absent), *known.values]


def _key(heading: str) -> str:
    """What a column of the file is remembered by; a place is written as [C]."""
    return heading.casefold() if heading.startswith("[") else keys_of([heading])[0]


def _told(known: Remembered) -> dict[str, object]:
    return {"version": known.version, **known.document()}


def _tell_answers(
    tx: Any, current: Submission, taken: Sequence[tuple[Kept, str]], known: Remembered, actor: str
) -> None:
    if not taken:
        return
    source = known.source
    answers = [
        {"question": one.question_id, "about": one.key, "heading": one.heading, "answer": value} for one, value in taken
    ]
    detail: dict[str, object] = {"revision": current.revision, "answers": answers}
    _tell(tx, source, "mapping:answered", actor, current.request_id, detail)
    _tell(tx, source, "mapping:remembered", actor, current.request_id, _told(known))


def _tell(tx: Any, source: Source, event: str, actor: str, request_id: str | None, detail: dict[str, object]) -> None:
    audit.append(tx, Event(source.campus, actor, event, source.key, request_id, detail))
