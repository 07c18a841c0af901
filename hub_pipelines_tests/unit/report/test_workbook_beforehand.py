"""A large file is opened for its workbook while its rows are posted: by one program, which is left by nobody."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest

from hub_pipelines.common.store import Transaction
from hub_pipelines.report.facts import Facts
from hub_pipelines.report.model import Receipt
from hub_pipelines.report.service import Receipts
from hub_pipelines.report.workbook import running
from hub_pipelines.report.workbook.model import Sent
from hub_pipelines.report.workbook.store import due as find_due
from hub_pipelines.submission.model import Lease, Submission
from hub_pipelines_tests.support import lease_and_validate, wait_until

from ..conftest import SmallHub, inventory
from .workbooks import limited, returned

pytestmark = pytest.mark.usefixtures("started_anew")


def writers() -> set[int]:
    """The numbers of the programs that write workbooks and were started by this process."""
    return {number for number, told in _children(os.getpid()).items() if "report.workbook.writer" in told}


def _children(of: int) -> dict[int, str]:
    """The command lines of living processes by their numbers."""
    found = {}
    for process in (one for one in Path("/proc").iterdir() if one.name.isdigit()):
        with suppress(OSError):  # it has ended meanwhile
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z" and int(parent) == of:
                found[int(process.name)] = (process / "cmdline").read_text()
    return found


@pytest.fixture
def large(small_hub: SmallHub) -> SmallHub:
    """A hub to which every file is large, and that knows one tag."""
    hub = limited(small_hub, large_mb=0.0)
    hub.register("NC-1")
    return hub


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of all programs that were begun."""
    numbers: list[int] = []
    usual = running.Program.__init__

    def counted(self: running.Program, sent: Sent) -> None:
        usual(self, sent)
        numbers.append(self._process.pid)

    monkeypatch.setattr(running.Program, "__init__", counted)
    return numbers


def validated(hub: SmallHub, data: bytes) -> Lease:
    (hub.inbox / "lab.csv").write_bytes(data)
    (arrival,) = hub.take().arrivals
    return lease_and_validate(hub.hub, str(arrival.request_id))


def posted(hub: SmallHub, lease: Lease, meanwhile: Callable[[], object]) -> str:
    with hub.hub.receipts.expected(lease.request_id):
        meanwhile()
        hub.hub.processing.post(lease)
    return lease.request_id


def test_the_program_that_opened_the_file_beside_its_posting_writes_the_workbook(
    large: SmallHub, begun: list[int]
) -> None:
    request_id = posted(large, validated(large, inventory("NC-1", "NC-2")), lambda: None)
    assert list(writers()) == begun
    sheet = openpyxl.load_workbook(returned(large, request_id))["Your table"]
    assert [row[0].value for row in sheet] == ["asset_tag", "NC-1", "NC-2"]
    assert len(begun) == 1
    assert not writers()


def killed(program: list[int]) -> None:
    os.kill(program[0], signal.SIGKILL)
    wait_until(lambda: not writers(), 60)


def test_a_program_that_was_killed_beside_the_posting_is_begun_anew(large: SmallHub, begun: list[int]) -> None:
    request_id = posted(large, validated(large, inventory("NC-1", "NC-2")), lambda: killed(begun))
    assert returned(large, request_id).exists()
    assert len(begun) == 2
    assert not writers()


def test_a_program_whose_reader_was_killed_beside_the_posting_does_not_cost_the_sender_the_whole_table(
    large: SmallHub, begun: list[int]
) -> None:
    def reader_killed() -> None:
        wait_until(lambda: bool(_children(begun[0])), 60)
        for reader in _children(begun[0]):
            os.kill(reader, signal.SIGKILL)
        wait_until(lambda: not _children(begun[0]), 60)

    request_id = posted(large, validated(large, inventory("NC-1", "NC-2")), reader_killed)
    sheet = openpyxl.load_workbook(returned(large, request_id))["Your table"]
    assert [row[0].value for row in sheet] == ["asset_tag", "NC-1", "NC-2"]
    assert len(begun) == 2
    assert not writers()


def test_no_program_is_begun_for_a_file_of_which_all_is_taken(large: SmallHub, begun: list[int]) -> None:
    posted(large, validated(large, inventory("NC-1")), lambda: None)
    assert begun == []


def test_no_program_is_begun_for_a_small_file(small_hub: SmallHub, begun: list[int]) -> None:
    small_hub.register("NC-1")
    request_id = posted(small_hub, validated(small_hub, inventory("NC-2")), lambda: None)
    assert begun == []
    assert returned(small_hub, request_id).exists()


def _full(*_: object) -> None:
    assert len(writers()) == 1
    raise OSError("the disk is full")


def test_a_posting_that_fails_ends_the_program(large: SmallHub, begun: list[int]) -> None:
    lease = validated(large, inventory("NC-2"))
    with pytest.raises(OSError, match="disk"):
        posted(large, lease, _full)
    assert len(begun) == 1
    assert not writers()


def test_a_posting_goes_on_where_no_program_can_be_begun(large: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError("no process is left")

    lease = validated(large, inventory("NC-2"))
    with monkeypatch.context() as patched:
        patched.setattr(running.subprocess, "Popen", none_left)
        request_id = posted(large, lease, lambda: None)
    assert returned(large, request_id).exists()


def test_a_program_that_waits_for_nothing_any_more_ends_with_its_run(large: SmallHub, begun: list[int]) -> None:
    """As where another process has made the workbook meanwhile."""
    request_id = posted(large, validated(large, inventory("NC-2")), lambda: None)
    large.hub.receipts._write_page(request_id)
    assert writers() == set(begun)
    with large.hub.db.write() as tx:
        tx.exec_driver_sql("UPDATE returned_workbook SET state = 'made', file_name = 'lab.xlsx'")
    large.hub.receipts.finish(request_id)
    assert not writers()


def test_a_tick_leaves_a_large_files_workbook_to_its_run_for_a_minute(large: SmallHub) -> None:
    """On SQLite a tick has waited for the posting's end, and has eight seconds for a workbook."""
    request_id = posted(large, validated(large, inventory("NC-2")), lambda: None)
    large.hub.receipts.write_due()
    page = large.hub.receipts.places.page_of(large.submission(request_id))
    assert page.exists()
    assert not page.with_suffix(".xlsx").exists()
    limited(large, left_to_run_s=0.0).hub.receipts.write_due()
    assert page.with_suffix(".xlsx").exists()


def test_who_makes_a_workbook_says_so_before_it_reads_what_belongs_into_it(
    large: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a tick makes it too, and opens the file for that."""
    request_id = posted(large, validated(large, inventory("NC-2")), lambda: None)
    large.hub.receipts._write_page(request_id)
    usual, due = Facts.of_submission, []

    def of_submission(self: Facts, tx: Transaction, current: Submission) -> Receipt:
        if current.request_id == request_id:
            due.append(len(find_due(tx, None, again_after=timedelta(hours=1), limit=9)))
        return usual(self, tx, current)

    monkeypatch.setattr(Facts, "of_submission", of_submission)
    limited(large, left_to_run_s=0.0).hub.receipts.write_due()
    assert due[0] == 0
    assert returned(large, request_id).exists()


def test_a_receipt_that_cannot_be_written_leaves_no_program(
    large: SmallHub, begun: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = posted(large, validated(large, inventory("NC-2")), lambda: None)
    assert writers() == set(begun)
    monkeypatch.setattr(Receipts, "_write_page", _full)
    with pytest.raises(OSError, match="disk"):
        large.hub.receipts.finish(request_id)
    assert not writers()


def test_a_program_that_nobody_has_any_more_ends(tmp_path: Path) -> None:
    running.Program(Sent(str(tmp_path / "a.csv"), "a.csv", "inventory", 1))
    assert not writers()


def test_a_file_that_waits_takes_the_place_of_one_before_it(begun: list[int], tmp_path: Path) -> None:
    waiting = running.Waiting()
    first, second = (Sent(str(tmp_path / name), name, "inventory", 1) for name in ("a.csv", "b.csv"))
    waiting.begin(first)
    waiting.begin(second)
    assert writers() <= {begun[1]}
    assert waiting.take(first) is None
    assert not writers()
