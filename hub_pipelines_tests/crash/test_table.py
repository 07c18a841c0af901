"""The table of faults in README.md and the tests agree: a renamed, removed or untold one fails here."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TABLE = (TESTS / "crash" / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+|–) \| ([^|]+) \| ([^|]+) \|$", TABLE, re.M)
IN_SCOPE = {*range(1, 13), *range(14, 29), 31, 33}
"""Of the platform's list of faults those of intake, runs, database, review and audit; a `–` is one beside it."""
THIS_PAGE = {"test_table.py"}


def names_in(file: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", (TESTS / file).read_text(encoding="utf-8"), re.M))


def named() -> list[tuple[str, str]]:
    return [(file, test) for _, _, tests in ROWS for file, test in re.findall(r"`([\w/]+\.py)::(\w+)`", tests)]


def test_every_fault_in_scope_has_its_row_with_a_test() -> None:
    numbers = [int(number) for number, _, _ in ROWS if number.isdigit()]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) >= IN_SCOPE
    assert all(re.search(r"`[\w/]+\.py::test_\w+`", tests) for _, _, tests in ROWS)


def test_every_test_that_the_table_names_exists() -> None:
    assert [f"{file}::{test}" for file, test in named() if test not in names_in(file)] == []


def test_every_crash_test_is_in_the_table() -> None:
    told = {test for file, test in named() if file.startswith("crash/")}
    files = [path for path in (TESTS / "crash").glob("test_*.py") if path.name not in THIS_PAGE]
    assert {test for path in files for test in names_in(f"crash/{path.name}")} - told == set()


def test_every_crash_test_ends_with_the_shared_invariants() -> None:
    for path in (TESTS / "crash").glob("test_*.py"):
        if path.name not in THIS_PAGE:
            told = path.read_text("utf-8")
            assert re.search(r"\b(assert_invariants|assert_one_effect)\(", told), path.name
