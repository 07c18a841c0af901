"""The digest over a posting's entries: the same wherever it is made, and an error where it can't be made."""

import os
import signal
import sys
import time
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.ledger.digests import ChangeColumns, digester, rows_digest
from hub_pipelines.ledger.model import LEAVES
from hub_pipelines.ledger.posting import leaves
from hub_pipelines.ledger.posting.leaves import Leaves

OWN = os.getpid()
LEDGER = 'inventory."asset"@north'
OF_POSTING = {
    "request_id": "north-inventory-é",
    "revision": 2,
    "campus": "north",
    "contract_version": 3,
    "ledger_date": date(2026, 3, 2),
}


def entries(number: int) -> list[tuple[object, ...]]:
    """Among them a key with a quotation mark, one with a tab, and entries that replace others."""
    keys = ['NC "1"', "NC\t2", *(f"NC-{at}" for at in range(number - 2))]
    made = []
    for row_no, key in enumerate(keys, start=2):
        values = f'{{"asset_tag":{key!r}}}'
        before = (1, row_no) if row_no % 3 == 0 else (None, None)
        made.append((row_no, key, "set", values, sha256(values.encode()).hexdigest(), *before))
    return made


def columns(some: list[tuple[object, ...]], *, all_new: bool = False) -> ChangeColumns:
    made = ChangeColumns.of(some)
    if not all_new:
        return made
    return ChangeColumns(made.row_no, made.key, "set", made.values, made.digest, None, None)


def by_rows(some: list[tuple[object, ...]]) -> str:
    return rows_digest(digester(LEDGER, 7, OF_POSTING, LEAVES)(some), LEAVES)


def opened(*, beside: bool = True) -> Leaves:
    return Leaves(LEDGER, 7, OF_POSTING, beside=beside)


@pytest.fixture(params=[False, True], ids=["here", "beside"])
def beside(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(autouse=True)
def a_program_for_few_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "ENOUGH", 10)


def test_the_digest_is_that_of_the_entries_one_by_one(beside: bool) -> None:
    some = entries(5_000)
    with opened(beside=beside) as made:
        for start in range(0, len(some), 700):
            made.take(columns(some[start : start + 700]))
        assert made.root() == by_rows(some)


def test_entries_that_are_all_new_and_those_that_are_not_may_follow_each_other(beside: bool) -> None:
    new = [(*one[:5], None, None) for one in entries(50)]
    others = entries(20)
    with opened(beside=beside) as made:
        made.take(columns(others))
        made.take(columns(new, all_new=True))
        assert made.root() == by_rows([*others, *new])


def test_a_posting_without_entries_has_the_digest_of_nothing_and_starts_no_program(beside: bool) -> None:
    with opened(beside=beside) as made:
        assert made.root() == by_rows([])
        assert not programs()


def programs(of: int | None = OWN) -> set[int]:
    """The numbers of processes that digest entries and were started by this one (None: by whomever)."""
    return {int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and is_program(one, of)}


def is_program(process: Path, of: int | None) -> bool:
    try:
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
        told = (process / "cmdline").read_text()
    except OSError:  # it has ended meanwhile
        return False
    return leaves.PROGRAM in told and state != "Z" and (of is None or int(parent) == of)


def take_much(made: Leaves) -> None:
    """More than a pipe holds."""
    for _ in range(1_000):
        made.take(columns(entries(2_000)))


def test_few_entries_are_digested_without_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "ENOUGH", 101)
    some = entries(100)
    with opened() as made:
        made.take(columns(some[:60]))
        made.take(columns(some[60:]))
        assert not programs()
        assert made.root() == by_rows(some)


def test_where_no_program_can_be_started_the_posting_digests_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves.sys, "executable", "/nowhere/python")
    some = entries(100)
    with opened() as made:
        made.take(columns(some[:5]))
        made.take(columns(some[5:60]))
        made.take(columns(some[60:]))
        assert made.root() == by_rows(some)


def test_a_program_finds_what_its_parent_found_by_pythonpath(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where packages are installed into a folder of their own."""
    monkeypatch.setattr(leaves.sys, "executable", sys.base_prefix + "/bin/python3")
    packages = [one for one in sys.path if one.endswith("site-packages")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(packages))
    some = entries(50)
    with opened() as made:
        made.take(columns(some))
        assert programs()
        assert made.root() == by_rows(some)


def test_a_program_that_is_killed_fails_the_posting_for_another_try() -> None:
    with opened() as made:
        made.take(columns(entries(10)))
        (program,) = programs()
        os.kill(program, signal.SIGKILL)
        with pytest.raises(Transient, match="did not come to its end"):
            take_much(made)
    assert not programs()


def test_a_program_that_is_killed_before_its_answer_fails_the_posting_too() -> None:
    with opened() as made:
        made.take(columns(entries(10)))
        (program,) = programs()
        os.kill(program, signal.SIGSTOP)
        os.kill(program, signal.SIGKILL)
        with pytest.raises(Transient, match="did not come to its end"):
            made.root()


def test_a_program_that_does_not_take_what_it_is_told_yet_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    some = entries(40_000)
    with opened() as made:
        made.take(columns(some[:10]))
        (program,) = programs()
        os.kill(program, signal.SIGSTOP)
        with monkeypatch.context() as hasty:
            hasty.setattr(leaves, "_LONGEST_S", 1)
            for start in range(10, len(some), 2_000):  # more than a pipe holds
                made.take(columns(some[start : start + 2_000]))
        os.kill(program, signal.SIGCONT)
        assert made.root() == by_rows(some)


def test_a_program_that_is_stuck_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "_LONGEST_S", 0.5)
    with opened() as made:
        made.take(columns(entries(10)))
        (program,) = programs()
        os.kill(program, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Transient, match="stuck"):
            take_much(made)
        assert time.monotonic() - began < 30
    assert not programs()


def test_who_breaks_off_a_posting_ends_the_program() -> None:
    def broken_off() -> None:
        with opened() as made:
            made.take(columns(entries(10)))
            assert len(programs()) == 1
            raise KeyError

    with pytest.raises(KeyError):
        broken_off()
    assert not programs()
