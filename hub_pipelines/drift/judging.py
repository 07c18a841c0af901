"""What follows from a header: it is as before, it has more, it needs a migration, or a person must decide.

Belongs here: the order of these questions. Pure but for its answer's table: what is known comes in, nothing is written.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hub_pipelines.drift.comparing import compare, fix_of, lines_of, missing_columns, reason_of, shape_of
from hub_pipelines.drift.migrating import Plan, plan, plan_of_steps
from hub_pipelines.drift.model import (
    NARROWED_BY,
    NO_CHANGE,
    BadMigration,
    Change,
    Drifted,
    HeaderShape,
    Kind,
    KnownShape,
    Migration,
    Unfit,
)
from hub_pipelines.validate.columns import map_columns, record_type_of
from hub_pipelines.validate.conventions.deciding import column_of_kind
from hub_pipelines.validate.model import Feed, RecordType, Unreadable

KnownBy = Callable[[RecordType, str], int]
"""How many lines of the source's list, as the ledger has it, are known by what a column says of them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A header that does. `shape.columns` are those after the migration, by the sender's headings."""

    kind: Kind
    shape: HeaderShape
    change: Change = NO_CHANGE
    compared_with: str | None = None
    migration: Migration | None = None
    plan: Plan | None = None


def judge_header(
    header: Sequence[str],
    feed: Feed,
    known: Sequence[KnownShape],
    migrations: Sequence[Migration],
    sent: Sequence[str] | None = None,
    *,
    keeps: bool = True,
    known_by: KnownBy = lambda _record, _column: 1,
) -> Judged:
    """How a header is to be read. `known` are its source's accepted shapes, the one that posted last first;
    `migrations` those in force for the source, the most particular first. `sent` is the header as it was sent, where
    `header` is what its headings were recognised as. `keeps`: what a file does not say stays in the ledger. `known_by`
    is asked of columns that are gone and that only some lines are known by.

    Raises Drifted or Unfit when a person must decide, Unreadable when it does not do for another reason.
    """
    record, refused = _record_type(header, feed, known)
    seen = shape_of(header, record, sent)
    of_record = [one for one in known if one.shape.record_type == record.name]
    same = next((one for one in of_record if one.shape.fingerprint == seen.fingerprint), None)
    for migration in _for_this(migrations, seen, same):
        with suppress(BadMigration):  # a newer version, or a newer contract, may ask for more than this header has
            planned = plan(migration.steps, header, feed, sent)
            return Judged(Kind.MIGRATED, _as_planned(seen, planned, record), planned.change, None, migration, planned)
    if refused is None and same is not None:
        return Judged(Kind.SAME, seen)
    if refused is None and not of_record:
        return Judged(Kind.FIRST, seen)
    if not of_record:
        raise _unfit(refused, seen, record)
    before = next((one for one in of_record if one.accepted_by != NARROWED_BY), of_record[0])
    if keeps and refused is None and (narrowed := _narrowed(before, seen, record, known_by)) is not None:
        return narrowed
    return _compared(header, sent, feed, before, seen, migrations, refused, record)


def _narrowed(before: KnownShape, seen: HeaderShape, record: RecordType, known_by: KnownBy) -> Judged | None:
    """A header that merely lacks columns which its rows can do without: none is new, with a name or without, that may
    be one of them. Raises Drifted where nothing else is against it than lines that would become others."""
    change = compare(before.shape, seen, record)
    at_times = record.lines.at_times if record.lines is not None else ()
    needed = {*record.required, *record.key_columns, column_of_kind(record, "quantity")}.difference(at_times)
    nameless = [sum(not text.strip() for text in shape.header) for shape in (before.shape, seen)]
    if not change.lost or change.gained or before.migration is not None or nameless[1] > nameless[0]:
        return None
    if any(one.column in needed for one in change.lost):
        return None
    lines = {one.column: known_by(record, one.column) for one in change.lost if one.column in at_times}
    if any(lines.values()):
        fingerprint = before.shape.fingerprint
        raise Drifted(f"{reason_of(change)} {lines_of(lines)}", fix_of(change), seen, change, fingerprint)
    return Judged(Kind.NARROWED, seen, change, before.shape.fingerprint)


def _record_type(
    header: Sequence[str], feed: Feed, known: Sequence[KnownShape]
) -> tuple[RecordType, Unreadable | None]:
    """What the header is of, and why it does not do, if so: then it is taken for what the source sent last."""
    try:
        return map_columns(header, feed).record, None
    except Unreadable as refused:
        names = [one.shape.record_type for one in known if one.shape.record_type in _names(feed)]
        return feed.record_type(names[0]) if names else record_type_of(header, feed), refused


def _names(feed: Feed) -> set[str]:
    return {one.name for one in feed.record_types}


def _for_this(migrations: Sequence[Migration], seen: HeaderShape, same: KnownShape | None) -> list[Migration]:
    """The one migration that was written for this very shape, or under which it has posted; newest version."""
    written_for = [
        one for one in migrations if one.steps.shape == seen.fingerprint and one.steps.record_type == seen.record_type
    ]
    posted_under = _same_migration(migrations, same) if same else None
    return written_for[:1] or [one for one in (posted_under,) if one]


def _as_planned(seen: HeaderShape, planned: Plan, record: RecordType) -> HeaderShape:
    after = shape_of(planned.header, record)
    named = {**after.columns, **{column: seen.columns[column] for column in after.columns if column in seen.columns}}
    columns = {column: planned.origins.get(column, heading) for column, heading in named.items()}
    # not the headings that the steps have made up
    return replace(seen, columns=columns, others=tuple(one for one in after.others if one in seen.others))


def _compared(
    header: Sequence[str],
    sent: Sequence[str] | None,
    feed: Feed,
    last: KnownShape,
    seen: HeaderShape,
    migrations: Sequence[Migration],
    refused: Unreadable | None,
    record: RecordType,
) -> Judged:
    fingerprint = last.shape.fingerprint
    change = compare(last.shape, seen, record)
    if not change.lost:
        if refused is not None:
            raise refused
        return Judged(change.kind, seen, change, fingerprint)
    # the last header may have needed a migration, and this one has all that it reads and more or less beside
    migration = _same_migration(migrations, last)
    if migration is not None:
        with suppress(BadMigration):
            after = _as_planned(seen, plan_of_steps(migration.steps, header, record, sent), record)
            left = compare(last.shape, after, record)
            if not left.lost:
                planned = plan(migration.steps, header, feed, sent)
                return Judged(left.kind, after, left, fingerprint, migration, planned)
            change = left
    raise Drifted(reason_of(change), fix_of(change), seen, change, fingerprint)


def _same_migration(migrations: Sequence[Migration], shape: KnownShape) -> Migration | None:
    """The newest version in force of the migration that a shape has posted under."""
    migration_id = (shape.migration or "").partition("@")[0]
    return next((one for one in migrations if one.migration_id == migration_id), None)


def _unfit(refused: Unreadable | None, seen: HeaderShape, record: RecordType) -> Unreadable:
    """A migration may still help a file that lacks columns, so its shape is kept; nothing else is changed by that."""
    change = missing_columns(seen, record)
    if refused is None or not change.lost:
        return refused or Unreadable("The header can't be read.", "")
    return Unfit(refused.reason, refused.fix, seen, change, None)
