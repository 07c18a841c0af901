"""Writes receipts where their senders look: `receipts/<campus>/<feed>/`.

Belongs here: when a receipt is due, and putting pages and workbooks in place. Not here: what a receipt says (facts).
A receipt is due whenever a submission settles or something arrives that no run will work on. Writing is repeatable:
after a crash the same receipt is written again over itself.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hub_pipelines.common.beside import Beside, at_best
from hub_pipelines.common.errors import HubError, Transient
from hub_pipelines.common.files import draft_of
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival
from hub_pipelines.ledger.model import REGISTRY_LEDGER
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.report.corrections import told_of_part
from hub_pipelines.report.facts import Facts
from hub_pipelines.report.index import ReceiptIndex
from hub_pipelines.report.model import Receipt
from hub_pipelines.report.places import Places
from hub_pipelines.report.workbook.model import Made
from hub_pipelines.report.workbook.service import Told, Workbooks
from hub_pipelines.report.workbook.store import find as find_workbook
from hub_pipelines.report.workbook.store import make_due as make_workbook_due
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State, Submission
from hub_pipelines.submission.receipting import store as receipting

_log = logging.getLogger(__name__)
_READINGS = 5
_WORKBOOKS_S = 5.0
_WORKBOOKS_AT_ONCE = 20
_WORKBOOK_OF_A_TICK_S = 8.0


@dataclass(frozen=True, slots=True)
class Receipts:
    """Writes receipts. Raises OSError when the folder can't be written; the receipt stays due."""

    db: Database
    places: Places
    facts: Facts
    workbooks: Workbooks
    _beside: Beside[Path] = field(default_factory=Beside, compare=False, repr=False)

    def write_due(self, campus: str | None = None, *, limit: int = 500) -> list[Path]:
        """Write what is due, oldest first; for arrivals that no run handles and for runs that died before this.

        One that can't be written is logged, stays due and holds up no other. Workbooks come after all pages, and only
        as many as are begun within a few seconds: a sensor's tick must end.
        """
        with self.db.read() as tx:
            due = receipting.receipts_due(tx, campus, limit=limit)
            came = arrivals.receipts_due(tx, campus, limit=limit)
        steps = [partial(self._write_page, request_id) for request_id in due]
        steps += [partial(self._write_arrival, arrival) for arrival in came]
        pages = [page for page in map(_written, steps) if page is not None]
        self.index.refresh(campus)
        self._make_due_workbooks(campus)
        return pages

    def _make_due_workbooks(self, campus: str | None) -> None:
        until = time.monotonic() + _WORKBOOKS_S
        for made in self.workbooks.due(campus, limit=_WORKBOOKS_AT_ONCE):
            if time.monotonic() > until:
                return
            _written(partial(self._add_workbook, made, patience_s=_WORKBOOK_OF_A_TICK_S))

    @property
    def index(self) -> ReceiptIndex:
        """The pages that list these receipts."""
        return ReceiptIndex(self.db, self.places, self.facts.campuses, self.facts.rows_elsewhere)

    @contextmanager
    def expected(self, request_id: str) -> Iterator[None]:
        """Around the posting of a file: what a large one's workbook is made from is made ready beside it."""
        with at_best("opening it for its workbook"):
            with self.db.read() as tx:
                current = submissions.get(tx, request_id)
            self.workbooks.expect(current)
        try:
            yield
        except BaseException:
            self.workbooks.expect_none()
            raise

    def begin(self, request_id: str) -> None:
        """Begin to write the receipt of what has posted, so that a large file's workbook is made beside its checks.
        Fails nobody: see `at_best`."""
        with at_best("writing the receipt"):
            self._beside.begin(self._key(request_id), lambda: self.write(request_id))

    def finish(self, request_id: str) -> Path:
        """The page that was begun, once it and the workbook are written; written now where none was."""
        try:
            return self._beside.result(self._key(request_id), lambda: self.write(request_id))
        finally:
            self.workbooks.expect_none()

    def _key(self, request_id: str) -> tuple[str, int, int]:
        with self.db.read() as tx:
            current = submissions.get(tx, request_id)
        return request_id, current.revision, current.token

    def write(self, request_id: str) -> Path:
        """The receipt of a submission as it stands now, and then its workbook where it gets one; returns the page."""
        page = self._write_page(request_id)
        with self.db.read() as tx:
            current = submissions.get(tx, request_id)
            made = find_workbook(tx, request_id, current.revision)
        if made is not None:
            _written(partial(self._add_workbook, made))
        return page

    def write_progress(self, request_id: str) -> None:
        """A page that says how far a run is with a file; the one that follows takes its place. An error is logged."""
        _written(partial(self._write_page_of_progress, request_id))

    def _write_page_of_progress(self, request_id: str) -> Path:
        with self.db.read() as tx:
            current = submissions.get(tx, request_id)
            receipt = self.facts.of_submission(tx, current)
        path = self.places.page_of(current)
        with _drafted(path, receipt) as put_in_place:
            if not self._is_as_read(current):
                return path
            put_in_place()
        if not self._is_as_read(current):  # what it took the place of may have been newer
            self._ask_again(request_id)
        return path

    def _is_as_read(self, current: Submission) -> bool:
        """Asked without a lock: a run that tells how far it is may hold the submission's row, or all of SQLite."""
        with self.db.read() as tx:
            now = submissions.get(tx, current.request_id)
        seen = (current.state, current.revision, current.receipts_asked)
        return (now.state, now.revision, now.receipts_asked) == seen

    def _ask_again(self, request_id: str) -> None:
        with self.db.write() as tx:
            receipting.make_receipt_due(tx, request_id)

    def _write_page(self, request_id: str) -> Path:
        """Raises Transient when the submission moves, or a receipt is asked for, each time that it was just read."""
        for _ in range(_READINGS):
            with self.db.read() as tx:
                current = submissions.get(tx, request_id)
                receipt = self.facts.of_submission(tx, current)
            path = self.places.page_of(current)
            with _drafted(path, receipt) as put_in_place:
                if self._put(current, receipt, put_in_place):
                    self.index.mark(current.envelope.campus)
                    return path
        raise Transient("What this receipt tells keeps changing; it stays due.")

    def _put(self, current: Submission, receipt: Receipt, put_in_place: Callable[[], None]) -> bool:
        """Put a page in place under the submission's lock; False, and no change, when it is not as it was read."""
        placed = False
        try:
            with self.db.write() as tx:
                if not receipting.mark_receipted(tx, current):
                    return False
                if receipt.workbook is not None:
                    make_workbook_due(tx, current.request_id, current.revision, current.envelope.campus)
                if current.state is State.POSTED:
                    if receipt.newer is None:  # else each new file would have all before it told again
                        receipting.renew_receipts_of_earlier(tx, current)
                        for one in told_of_part(tx, current):
                            receipting.make_receipt_due(tx, one)
                    if _is_first_list(tx, current):
                        receipting.renew_receipts_without_registry(tx)
                placed = True
                put_in_place()
        except Exception:
            if placed:  # perhaps after the server had ended this transaction, and over a newer page
                self._ask_again(current.request_id)
            raise
        return True

    def _add_workbook(self, made: Made, *, patience_s: float | None = None) -> Path:
        """Make a workbook that is due, and tell of it on the page. On an error it stays due, until the last attempt."""
        with self.db.read() as tx:
            current = submissions.get(tx, made.request_id)
        path = self.places.page_of(current)
        # before anything that takes long: a tick that finds it due as well has not opened its file
        if not self.workbooks.begin(made):
            return path
        try:
            with self.db.read() as tx:
                receipt = self.facts.of_submission(tx, current)
            self.workbooks.make(current, made, _told(receipt), path, patience_s=patience_s)
        except Exception:  # noqa: BLE001  # whatever is wrong with a workbook, the receipt stands
            _log.exception("A workbook could not be made; it stays due.")
            return path
        return self._write_page(made.request_id)

    def _write_arrival(self, arrival: Arrival) -> Path:
        with self.db.read() as tx:
            receipt = self.facts.of_arrival(tx, arrival)
        path = self.places.page_of_arrival(arrival)
        with _drafted(path, receipt) as put_in_place:
            put_in_place()
        with self.db.write() as tx:
            arrivals.mark_receipted(tx, arrival.arrival_id)
        self.index.mark(arrival.scope.campus)
        return path


def _written(step: Callable[[], Path]) -> Path | None:
    try:
        return step()
    except (OSError, HubError):
        _log.exception("A receipt could not be written; it stays due.")
        return None


def _is_first_list(tx: Transaction, current: Submission) -> bool:
    """Whether this is the procurement list that others have waited for."""
    posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
    return posting is not None and (posting.ledger, posting.ledger_version) == (REGISTRY_LEDGER, 1)


def _told(receipt: Receipt) -> Told:
    """What the page tells, for the workbook's first sheet."""
    from hub_pipelines.report.render import counts_strip, shown_time
    from hub_pipelines.report.steps import registry_steps
    from hub_pipelines.report.words import receipt_headline, waiting_told

    facts = [
        ("Campus and kind", f"{receipt.campus}, {receipt.feed}"),
        ("Received", shown_time(receipt.received_at, receipt.time_zone)),
        *([("Whom to ask", receipt.contact)] if receipt.contact else []),
    ]
    steps = tuple(registry_steps(receipt))
    return Told(
        receipt_headline(receipt),
        tuple(facts),
        tuple(counts_strip(receipt)),
        first_steps=steps if receipt.only_registry else (),
        last_steps=() if receipt.only_registry else steps,
        waiting=waiting_told(receipt),
        about_all=tuple(
            f"{one.reason} {one.suggestion}." for one in receipt.warnings if one.row <= 0 and one.suggestion
        ),
    )


@contextmanager
def _drafted(page: Path, receipt: Receipt) -> Iterator[Callable[[], None]]:
    """A receipt's page and its JSON, written beside where they belong; what is given puts both in place."""
    from hub_pipelines.report.render import to_html, to_json

    page.parent.mkdir(parents=True, exist_ok=True)
    told = page.with_suffix(".json")
    with draft_of(told) as json_draft, draft_of(page) as html_draft:
        json_draft.write_text(to_json(receipt), encoding="utf-8")
        html_draft.write_text(to_html(receipt), encoding="utf-8")

        def put_in_place() -> None:
            json_draft.replace(told)
            html_draft.replace(page)

        yield put_in_place
