"""Which records of a page are taken as they are, and which a person must look at first.

Belongs here: what makes a record strange, and what it is known by then. Not here: what a record holds (adapters), how
a strange one waits (holding).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.intake.inbox.model import FoundRecord
from hub_pipelines.portals.holding import Strange
from hub_pipelines.portals.model import CHANNEL, Adapter, Answer, PageRead, Record, Unread, source_of
from hub_pipelines.portals.shapes import Deviation, deviations_of

_ID_CHARACTERS = 200
_SAME_ID = (
    "Its natural id comes more than once on one page, with different contents. What is known by more than that needs "
    "another field in natural_id; else ask who runs the portal which is right."
)
_SAME_ID_LATER = (
    "Its natural id was on an earlier page of the poll, with different contents, and it does not say that it was "
    "changed since the poll began. What is known by more than that needs another field in natural_id; else ask who "
    "runs the portal which is right."
)
_SKEW = timedelta(minutes=5)
"""A portal's clock may be so far behind."""


@dataclass(frozen=True, slots=True)
class SortedPage:
    """`like` is a record that is as it should be; `repeated` are those that the page lists again."""

    good: tuple[FoundRecord, ...]
    strange: tuple[Strange, ...]
    like: Any
    repeated: int


def sorted_page(
    adapter: Adapter,
    headers: dict[str, str],
    answer: Answer,
    page: PageRead,
    *,
    accepted: set[tuple[str, str]],
    earlier: Mapping[str, str],
    began_at: datetime,
) -> SortedPage:
    """`headers` go with each record. `accepted`: what a person has accepted of how records differ from what the adapter
    reads. `earlier`: the digests of the records that this reading of all pages has seen before this page, by id."""
    good: list[FoundRecord] = []
    strange: list[Strange] = []
    like: Any = None
    told = [_found(adapter, record, answer, headers) for record in page.records]
    doubtful = _doubtful(told)
    for record, found in zip(page.records, told, strict=True):
        open_ = _news_of(record, adapter, accepted)
        if len(found.record_id) > _ID_CHARACTERS:
            strange.append(Strange(_unnamed(found), record.raw, (), "Its natural id is too long."))
        elif found.record_id in doubtful:
            strange.append(Strange(_unnamed(found), record.raw, (), _SAME_ID))
        elif open_:
            strange.append(Strange(found, record.raw, open_))
        elif earlier.get(found.record_id, found.digest) != found.digest and not _is_new(record, began_at):
            strange.append(Strange(_unnamed(found), record.raw, (), _SAME_ID_LATER))
        else:
            good.append(found)
            like = like if like is not None else record.raw
    strange += [_strange(adapter, one, answer, headers) for one in page.unread]
    different = {one.record_id for one in good} | {one.found.record_id for one in strange}
    return SortedPage(tuple(good), tuple(strange), like, len(good) + len(strange) - len(different))


def _news_of(record: Record, adapter: Adapter, accepted: set[tuple[str, str]]) -> tuple[Deviation, ...]:
    """How it differs from what the adapter reads, but for what a person has accepted."""
    fields = (*adapter.fields, *record.needs)
    return tuple(one for one in deviations_of(record.raw, fields) if (one.path, one.now) not in accepted)


def _found(adapter: Adapter, record: Record, answer: Answer, headers: dict[str, str]) -> FoundRecord:
    return FoundRecord(
        source=source_of(adapter.name),
        record_id=record.natural_id,
        scope=record.scope,
        record_type=record.record_type,
        data=record.data,
        read_at=answer.read_at,
        changed_at=record.occurred_at,
        headers=headers,
        channel=CHANNEL,
    )


def _strange(adapter: Adapter, one: Unread, answer: Answer, headers: dict[str, str]) -> Strange:
    data = one.raw if isinstance(one.raw, dict) else {"record": canonical_text(one.raw)}
    record = Record("", one.scope, one.record_type, data, {})
    return Strange(_unnamed(_found(adapter, record, answer, headers)), one.raw, (), one.reason)


def _doubtful(found: Sequence[FoundRecord]) -> set[str]:
    """Ids under which one page has different records: nobody can tell which of them is right."""
    digests: dict[str, set[str]] = {}
    for one in found:
        digests.setdefault(one.record_id, set()).add(one.digest)
    return {record_id for record_id, some in digests.items() if len(some) > 1}


def _is_new(record: Record, began_at: datetime) -> bool:
    """Whether it says that it was changed since the poll began, and so need not be as an earlier page had it."""
    return record.occurred_at is not None and record.occurred_at >= began_at - _SKEW


def _unnamed(found: FoundRecord) -> FoundRecord:
    """A record that is known by what it says."""
    return replace(found, record_id=f"?{found.digest[:32]}")
