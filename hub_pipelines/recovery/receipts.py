"""Receipts whose page, or whose workbook, is missing: they are asked for again, and written by whoever writes receipts.

Belongs here: which are missing. Not here: writing them (report/service.py). Only a person asks for this: whoever has
put receipts out of the way on purpose does not want them back after every look of the reconciler.
A preview has told what would have happened then, so none is made again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Transaction
from hub_pipelines.ending import RECOVERY
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival
from hub_pipelines.recovery import store
from hub_pipelines.recovery.model import Finding, Kind
from hub_pipelines.report.workbook import store as workbooks
from hub_pipelines.report.workbook.model import WorkbookState
from hub_pipelines.submission.model import Submission
from hub_pipelines.submission.receipting import store as receipting

_AT_ONCE = 500
_Receipted = TypeVar("_Receipted", Submission, Arrival)


def ask_for_lost(hub: Hub, *, dry_run: bool) -> list[Finding]:
    """Look for the receipt of everything that has had one."""
    number = 0
    for some in _all(hub, store.receipted_after, lambda one: one.request_id):
        number += _ask_for(hub, [one for one in some if _is_lost(hub, one)], _make_due, dry_run=dry_run)
    for came in _all(hub, store.told_after, lambda one: one.arrival_id):
        lost = [one for one in came if not hub.receipts.places.page_of_arrival(one).exists()]
        number += _ask_for(hub, lost, _make_arrivals_due, dry_run=dry_run)
    if not number:
        return []
    what = f"receipts that were written are missing: {number:,}"
    done = None if dry_run else "asked for again; `hub up` or `hub drain` writes them"
    return [Finding(Kind.RECEIPT_LOST, RESERVED_CAMPUS, "receipts", what, done)]


def _all(
    hub: Hub, ask: Callable[..., list[_Receipted]], name_of: Callable[[_Receipted], str]
) -> Iterator[list[_Receipted]]:
    after = ""
    while True:
        with hub.db.read() as tx:
            some = ask(tx, after, limit=_AT_ONCE)
        if not some:
            return
        yield some
        after = name_of(some[-1])


def _ask_for(
    hub: Hub,
    lost: Sequence[_Receipted],
    make_due: Callable[[Hub, Transaction, Sequence[_Receipted]], None],
    *,
    dry_run: bool,
) -> int:
    if lost and not dry_run:
        event, detail = "recovery:receipts_asked_for", {"count": len(lost)}
        with hub.db.write() as tx:
            make_due(hub, tx, lost)
            audit.append(tx, Event(RESERVED_CAMPUS, RECOVERY, event, "receipts", None, dict(detail)))
    return len(lost)


def _is_lost(hub: Hub, current: Submission) -> bool:
    if not hub.receipts.places.page_of(current).exists():
        return True
    with hub.db.read() as tx:
        return _lacks_its_workbook(hub, tx, current)


def _lacks_its_workbook(hub: Hub, tx: Transaction, current: Submission) -> bool:
    made = workbooks.find(tx, current.request_id, current.revision)
    if made is None or made.state is not WorkbookState.MADE or made.file_name is None:
        return False
    return not hub.receipts.places.page_of(current).with_name(made.file_name).exists()


def _make_due(hub: Hub, tx: Transaction, lost: Sequence[Submission]) -> None:
    for current in lost:
        receipting.make_receipt_due(tx, current.request_id)
        if _lacks_its_workbook(hub, tx, current):
            workbooks.make_due_again(tx, current.request_id, current.revision)


def _make_arrivals_due(_: Hub, tx: Transaction, lost: Sequence[Arrival]) -> None:
    arrivals.make_receipts_due(tx, [one.arrival_id for one in lost])
