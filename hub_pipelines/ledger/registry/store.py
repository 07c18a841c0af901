"""The registry: procurement's ledger, asked for tags.

Belongs here: what is known of a tag, now or at an earlier version. Not here: what an unknown tag means for its row.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, func, select

from hub_pipelines.common.columns import places_in
from hub_pipelines.common.rows.store import many_rows, room_to_sort
from hub_pipelines.common.store import Database, Transaction, per_query, text_in
from hub_pipelines.ledger.comparing.model import REPLACED
from hub_pipelines.ledger.items.store import current_version, place_of_bar
from hub_pipelines.ledger.model import REGISTRY_LEDGER
from hub_pipelines.ledger.problems.store import rejection
from hub_pipelines.ledger.store import ITEMS_A_SEARCH, is_entry, journal_row, ledger, made_by, newest_before, places
from hub_pipelines.submission.model import State
from hub_pipelines.submission.store import submission

if TYPE_CHECKING:
    import pyarrow

_MEMORY_MB = 64
_FEW_TAGS = 20_000
_READ_AT_ONCE = 20_000


class LedgerRegistry:
    """The registry at its current version, or as it was at `version`; one instance serves one validation.

    `updated_at` is told in the reader's `time_zone` (IANA); it is None for an earlier version.
    """

    def __init__(self, db: Database, time_zone: str = "UTC", *, version: int | None = None) -> None:
        self._db = db
        self._is_current = version is None
        with db.read() as tx:
            current, changed_at = current_version(tx, REGISTRY_LEDGER)
        self.version = current if version is None else version
        known = changed_at if self._is_current else None
        self.updated_at = known.astimezone(ZoneInfo(time_zone)) if known else None

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        """Known tags and the campus each belongs to."""
        found: dict[str, str] = {}
        with self._db.read() as tx:
            for some in per_query(tags):
                rows = tx.execute(_current(some) if self._is_current else _as_of(some, self.version))
                found.update((row[0], str(json.loads(row[1])["campus"])) for row in rows)
        return found

    def near(self, tag: str) -> list[tuple[int, str]]:
        """Known tags like a mistyped one, from its neighbours in order: with the number of slips, the closest first."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        with self._db.read() as tx:
            candidates = [*_neighbours(tx, tag), *_one_edit_away(tx, tag)]
        limit = max(1, len(tag) // 4)
        found = process.extract(
            tag, sorted(set(candidates)), scorer=OSA.distance, score_cutoff=limit, limit=len(candidates)
        )
        return sorted((int(slips), str(known)) for known, slips, _ in found)


def tags_set_since(
    tx: Transaction, version: int, *, at_once: int
) -> tuple[int, int, Iterator[Sequence[tuple[str, str]]]]:
    """The registry's version, how many tags it has, and what was set after an earlier version: tag and campus, in the
    order of the journal, so many at once.

    The database takes the campus out of the values: parsing a million of them here takes several times as long.
    """
    now, _ = current_version(tx, REGISTRY_LEDGER)
    size = _size(tx)
    j = journal_row.c
    query = (
        select(j.key, text_in(tx, j["values"], "campus"))
        .where(j.ledger == REGISTRY_LEDGER, j.version > version)
        .order_by(j.version, j.row_no)
    )
    return now, size, many_rows(tx, query, at_once)


def count_tags(tx: Transaction, request_id: str, revision: int, *, is_whole_key: bool) -> tuple[int, int]:
    """How many journal entries a posting of tagged items has, and of how many the registry does not know the tag.

    An item's key is its tag or, where it `is_whole_key` is not, begins with it and a bar.
    """
    key = journal_row.c.key
    tag = key if is_whole_key else func.substr(key, 1, place_of_bar(tx, key) - 1)
    posted = (
        select(tag.label("tag"))
        .select_from(journal_row)
        .where(made_by(tx, request_id, revision), journal_row.c.operation != REPLACED)
    )
    if tx.dialect.name == "sqlite":
        entries = int(tx.execute(select(func.count()).where(made_by(tx, request_id, revision))).scalar_one())
        if entries > _FEW_TAGS and _size(tx) <= ITEMS_A_SEARCH * entries:
            return _counted_by_reading(tx, posted)
    one = posted.subquery()
    known = ledger.alias("known")
    query = (
        select(func.count(), func.count(known.c.key))
        .select_from(one)
        .outerjoin(known, and_(known.c.ledger == REGISTRY_LEDGER, known.c.key == one.c.tag))
    )
    with room_to_sort(tx, _MEMORY_MB):
        number, registered = tx.execute(query).one()
    return number, number - registered


def _size(tx: Transaction) -> int:
    return int(tx.execute(select(func.count()).where(ledger.c.ledger == REGISTRY_LEDGER)).scalar_one())


def _counted_by_reading(tx: Transaction, posted: Select[Any]) -> tuple[int, int]:
    """As `count_tags`. SQLite finds a million keys one by one in a table that is larger than its memory; reading all of
    the registry's, which come in order, and comparing them takes a third of that."""
    import pyarrow

    keys = select(ledger.c.key).where(ledger.c.ledger == REGISTRY_LEDGER).order_by(ledger.c.key)
    # in one piece: what is looked for is found in half the time
    known = pyarrow.chunked_array(_texts(tx, keys), pyarrow.string()).combine_chunks()
    number = registered = 0
    for tags in _texts(tx, posted):
        number += len(tags)
        registered += len(tags) - places_in(known, tags).null_count
    return number, number - registered


def _texts(tx: Transaction, query: Select[Any]) -> Iterator["pyarrow.StringArray"]:
    """A query's only column, some of it at a time. In memory it is its letters and four bytes a row."""
    import pyarrow

    for rows in many_rows(tx, query, _READ_AT_ONCE):
        yield pyarrow.array([one for (one,) in rows], pyarrow.string())


def rejected_tags(tx: Transaction, rule: str, *, campus: str | None) -> dict[str, set[str]]:
    """By request_id, the oldest first: values that a rule rejected in what now is the posting of a submission."""
    s, r = submission.c, rejection.c
    query = (
        select(r.request_id, r.value)
        .join(submission, and_(s.request_id == r.request_id, s.revision == r.revision))
        .where(r.rule == rule, r.severity == "block", r.value.is_not(None), s.state == State.POSTED)
        .order_by(s.received_at, s.request_id)
    )
    if campus is not None:
        query = query.where(s.campus == campus)
    found: dict[str, set[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.request_id, set()).add(row.value)
    return found


def _neighbours(tx: Transaction, tag: str) -> list[str]:
    known = select(ledger.c.key).where(ledger.c.ledger == REGISTRY_LEDGER)
    below = known.where(ledger.c.key < tag).order_by(ledger.c.key.desc()).limit(5)
    above = known.where(ledger.c.key > tag).order_by(ledger.c.key).limit(5)
    return [*tx.execute(below).scalars(), *tx.execute(above).scalars()]


def _one_edit_away(tx: Transaction, tag: str) -> list[str]:
    """Known tags that one typing slip separates from this one: looked up, never scanned for."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
    splits = [(tag[:at], tag[at:]) for at in range(len(tag) + 1)]
    slips = {head + tail[1:] for head, tail in splits if tail}
    slips |= {head + tail[1] + tail[0] + tail[2:] for head, tail in splits if len(tail) > 1}
    slips |= {head + letter + tail[1:] for head, tail in splits if tail for letter in letters}
    slips |= {head + letter + tail for head, tail in splits for letter in letters}
    query = select(ledger.c.key).where(ledger.c.ledger == REGISTRY_LEDGER, ledger.c.key.in_(sorted(slips)))
    return list(tx.execute(query).scalars())


def _current(tags: Collection[str]) -> Select[Any]:
    place = places(REGISTRY_LEDGER, ledger.c.key.in_(tags))
    return select(place.c.key, journal_row.c["values"]).join(journal_row, is_entry(journal_row, place))


def _as_of(tags: Sequence[str], version: int) -> Select[Any]:
    then = newest_before(REGISTRY_LEDGER, version + 1, tags)
    return select(journal_row.c.key, journal_row.c["values"]).join(then, is_entry(journal_row, then))
