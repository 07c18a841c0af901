"""What people decide about columns: a new shape is right, or a migration is written, approved and applied.

Each decision is one transaction and audited with its actor. Replaying the held submissions follows it, one
transaction each (Review.replay): after a crash the same command goes on where it was.
"""

from dataclasses import dataclass
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import HubError
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.comparing import recognised, side_by_side
from hub_pipelines.drift.migrating import draft, plan, read_steps
from hub_pipelines.drift.model import (
    EVERY_SOURCE,
    BadMigration,
    KnownShape,
    Migration,
    Pair,
    ShapeChange,
    Steps,
    migration_id_for,
)
from hub_pipelines.intake.service import source_key
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ReviewItem
from hub_pipelines.review.service import Review
from hub_pipelines.submission.model import Cause, IllegalMove
from hub_pipelines.validate.columns import map_columns
from hub_pipelines.validate.model import Feed, Unreadable

_HELD_AS = (Cause.DRIFT, Cause.UNREADABLE, Cause.QUESTION)


class NotAllowed(HubError):
    """This person may not take this decision, or not yet. Nothing is changed; the text says who may."""


class UnknownColumns(HubError):
    """There is no such shape, item or migration. Nothing is changed; the text says where to look."""


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An open review item whose submission was held for its columns."""

    item: ReviewItem
    change: ShapeChange


@dataclass(frozen=True, slots=True)
class Comparison:
    """A held or changed header beside the one before it. `held` are the open items of this shape.

    `lacks` tells why the contract would not take the columns as they are; None when it would.
    """

    now: KnownShape
    before: KnownShape | None
    change: ShapeChange | None
    pairs: tuple[Pair, ...]
    held: tuple[HeldItem, ...]
    lacks: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """An accepted shape or applied migration: `replayed` items are on their way again, `first` tells whether it was
    this call that decided."""

    first: bool
    replayed: tuple[str, ...]
    migration: Migration | None = None


@dataclass(frozen=True, slots=True)
class ColumnDecisions:
    """Raises UnknownColumns, NotAllowed, BadMigration; nothing is changed then."""

    db: Any
    review: Review
    feeds: dict[str, Feed]

    # ---- shapes

    def shapes(self, *, campus: str | None = None, feed: str | None = None) -> list[KnownShape]:
        with self.db.read() as tx:
            return shapes.shapes(tx, campus=campus, feed=feed)

    def show(self, name: str) -> list[Comparison]:
        """By review item or by fingerprint; of each source that has had the shape."""
        with self.db.read() as tx:
            item = reviews.find(tx, name)
            if item is not None:
                change = _change_of(tx, item)
                found = shapes.shape(tx, change.source, change.fingerprint)
                return [] if found is None else [self._comparison(tx, found, change)]
            return [self._comparison(tx, one, None) for one in _by_fingerprint(tx, name)]

    def _comparison(self, tx: Any, now: KnownShape, change: ShapeChange | None) -> Comparison:
        source = now.source
        held = [
            one
            for one in _held(tx, source.campus, source.feed, now.shape.fingerprint)
            if one.change.source.key == source.key
        ]
        change = change or next((one.change for one in held), None)
        change = change or shapes.change_of_shape(tx, source, now.shape.fingerprint)
        before = None
        if change is not None and change.compared_with is not None:
            before = shapes.shape(tx, source, change.compared_with)
        pairs = side_by_side(before.shape if before else None, now.shape, change.change) if change else ()
        return Comparison(now, before, change, tuple(pairs), tuple(held), self._lacks(now))

    def accept(self, item_id: str, *, actor: str) -> Decided:
        """The new shape is right as it is: its source may have it from now on, and what was held is replayed."""
        with self.db.read() as tx:
            item = _item(tx, item_id)
            change = _change_of(tx, item)
            seen = shapes.shape(tx, change.source, change.fingerprint)
        if seen is None:
            raise UnknownColumns(f"The columns of {item_id} are not on record.")
        if lacks := self._lacks(seen):
            raise NotAllowed(
                f"These columns can't be accepted as they are: {lacks} Write a migration "
                f"(`hub migration draft {item_id}` begins one), or have the sender name the columns as before."
            )
        first = seen.accepted_at is None and self._accept(item, change, actor)
        return Decided(first, self._replay(change.source.campus, change.source.feed, change.source.key, change, actor))

    def _lacks(self, seen: KnownShape) -> str | None:
        """Why the contract does not take a header as it is; None when it does, perhaps under its migration."""
        if seen.source.feed not in self.feeds:
            return f"This hub takes no {seen.source.feed} any more."
        try:
            map_columns(recognised(seen.shape), self.feeds[seen.source.feed])
        except Unreadable as error:
            return error.reason
        return None

    def _accept(self, item: ReviewItem, change: ShapeChange, actor: str) -> bool:
        detail: dict[str, object] = {"shape": change.fingerprint, "compared_with": change.compared_with}
        try:
            with self.db.write() as tx:
                subject = item.source_name
                audit.append(tx, Event(item.campus, actor, "shape:accepted", subject, item.request_id, detail))
                if not shapes.accept_shape(tx, change.source, change.fingerprint, by=actor):
                    raise _SomebodyElse
        except _SomebodyElse:
            return False
        return True

    # ---- migrations

    def draft(self, item_id: str) -> str:
        """A migration's file to begin with, for a held item."""
        with self.db.read() as tx:
            item = _item(tx, item_id)
            change = _change_of(tx, item)
        source = change.source
        return draft(
            source.campus, source.feed, change.record_type, item.source_name, change.fingerprint, change.change
        )

    def add(self, text: str, *, author: str) -> tuple[Migration, bool]:
        """Keep a migration as its newest version, once it has been tried on the header that it is for."""
        steps = read_steps(text)
        feed = self._feed(steps.feed)
        if steps.record_type not in {one.name for one in feed.record_types}:
            known = ", ".join(one.name for one in feed.record_types)
            raise BadMigration(f"[migration] record_type: {steps.feed} has no {steps.record_type!r}. It has: {known}.")
        key = EVERY_SOURCE if steps.source == EVERY_SOURCE else source_key(steps.source)
        with self.db.write() as tx:
            for seen in self._shapes_for(tx, steps, key):
                _try_on(steps, seen, feed)
            migration_id = migration_id_for(steps.campus, steps.feed, steps.record_type, key, steps.shape)
            kept, new = shapes.add_migration(tx, migration_id, steps, key, text, author=author)
            if new:
                detail: dict[str, object] = {"shape": steps.shape, "source": key, "sha256": kept.digest}
                _tell(tx, kept, author, "migration:added", detail)
        return kept, new

    def _shapes_for(self, tx: Any, steps: Steps, key: str) -> list[KnownShape]:
        found = [
            one
            for one in shapes.shapes(tx, campus=steps.campus, feed=steps.feed, fingerprint=steps.shape)
            if key in (EVERY_SOURCE, one.source.key) and one.shape.record_type == steps.record_type
        ]
        if not found:
            raise BadMigration(
                f"[migration] from: no file {steps.source!r} of {steps.campus}/{steps.feed} has come with columns "
                f"{steps.shape!r} of {steps.record_type}. `hub shapes list` shows what came."
            )
        return found

    def migrations(self) -> list[Migration]:
        with self.db.read() as tx:
            return shapes.migrations(tx)

    def migration(self, name: str) -> Migration:
        """By id (its newest version) or by id@version."""
        migration_id, _, version = name.partition("@")
        with self.db.read() as tx:
            found = shapes.migrations(tx, migration_id=migration_id)
        wanted = [one for one in found if not version or str(one.version) == version]
        if not wanted:
            raise UnknownColumns(f"There is no migration {name}. `hub migration list` shows what there is.")
        return wanted[0]

    def approve(self, name: str, *, actor: str) -> tuple[Migration, bool]:
        """Another person than the author says that it is right; False when that was said before."""
        one = self.migration(name)
        if actor.casefold() == one.author.casefold():
            raise NotAllowed(
                f"{one.reference} was written by {one.author}. It changes what a file means, so another person "
                "approves it."
            )
        with self.db.write() as tx:
            new = shapes.decide(tx, one, "approved", by=actor)
            if new:
                _tell(tx, one, actor, "migration:approved", {"sha256": one.digest})
        return self.migration(one.reference), new

    def apply(self, name: str, *, actor: str) -> Decided:
        """From now on files of this shape are read under it, and the held ones are replayed.

        Safe to repeat: what was replayed already is left alone, so it goes on after a crash.
        """
        one = self.migration(name)
        if one.approved_at is None:
            raise NotAllowed(f"{one.reference} is not approved yet. `hub migration approve {one.reference}` does that.")
        self._refuse_outdated(one)
        with self.db.write() as tx:
            first = shapes.decide(tx, one, "applied", by=actor)
            if first:
                _tell(tx, one, actor, "migration:applied", {"sha256": one.digest})
        replayed = []
        for held in self.held_for(one):
            replayed += self._replayed(held, actor)
        return Decided(first, tuple(replayed), self.migration(one.reference))

    def _refuse_outdated(self, one: Migration) -> None:
        with self.db.read() as tx:
            newer = [
                other
                for other in shapes.migrations(tx, migration_id=one.migration_id)
                if other.version > one.version and other.applied_at is not None
            ]
        if newer:
            raise NotAllowed(f"{newer[0].reference} has been applied already, and it is newer than {one.reference}.")

    def held_for(self, one: Migration) -> list[HeldItem]:
        """Open review items whose submissions came with the columns that a migration is for."""
        steps = one.steps
        with self.db.read() as tx:
            held = _held(tx, steps.campus, steps.feed, steps.shape)
        return [
            each
            for each in held
            if each.change.record_type == steps.record_type and one.source_key in (EVERY_SOURCE, each.change.source.key)
        ]

    def _replay(self, campus: str, feed: str, key: str, change: ShapeChange, actor: str) -> tuple[str, ...]:
        with self.db.read() as tx:
            held = _held(tx, campus, feed, change.fingerprint)
        found: list[str] = []
        for each in held:
            if each.change.source.key == key:
                found += self._replayed(each, actor)
        return tuple(found)

    def _replayed(self, held: HeldItem, actor: str) -> list[str]:
        try:
            return [self.review.replay(held.item.item_id, actor=actor).item_id]
        except IllegalMove:  # somebody else has decided meanwhile
            return []

    def _feed(self, name: str) -> Feed:
        if name not in self.feeds:
            raise BadMigration(f"This hub takes no feed {name!r}. It takes: {', '.join(self.feeds)}.")
        return self.feeds[name]


def _try_on(steps: Steps, seen: KnownShape, feed: Feed) -> None:
    """Raises BadMigration when the steps fit neither the headings as sent nor what they were recognised as."""
    sent = seen.shape.header
    try:
        plan(steps, sent, feed)
    except BadMigration as error:
        try:
            plan(steps, recognised(seen.shape), feed, sent)
        except BadMigration:
            raise error from None


class _SomebodyElse(Exception):
    """The shape was accepted by another person while this one decided: roll back."""


def _item(tx: Any, item_id: str) -> ReviewItem:
    item = reviews.find(tx, item_id)
    if item is None:
        raise UnknownColumns(f"There is no review item {item_id}. `hub review list` shows the open ones.")
    return item


def _change_of(tx: Any, item: ReviewItem) -> ShapeChange:
    found = shapes.change_of(tx, item.request_id, item.revision)
    if found is None:
        raise UnknownColumns(f"{item.item_id} was not held for its columns but is {item.cause}: {item.reason}")
    return found


def _by_fingerprint(tx: Any, fingerprint: str) -> list[KnownShape]:
    found = shapes.shapes(tx, fingerprint=fingerprint)
    if not found:
        raise UnknownColumns(
            f"There is no review item and no shape {fingerprint!r}. `hub shapes list` and `hub review list` show them."
        )
    return found


def _held(tx: Any, campus: str, feed: str, fingerprint: str) -> list[HeldItem]:
    found = []
    for change in shapes.changes_to(tx, campus, feed, fingerprint):
        for item in reviews.open_items_of(tx, change.request_id):
            if item.revision == change.revision and item.cause in _HELD_AS:
                found.append(HeldItem(item, change))
    return found


def _tell(tx: Any, one: Migration, actor: str, event: str, detail: dict[str, object]) -> None:
    audit.append(tx, Event(one.steps.campus, actor, event, one.reference, None, detail))
