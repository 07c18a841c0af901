"""The table of faults that a run writes: what it counts as survived, and which seconds it tells."""

from pathlib import Path

import pytest

from hub_pipelines_tests import recovering
from hub_pipelines_tests.faults_report import FaultsReport, Row, rows

TESTS = ["crash/test_x.py::test_one", "crash/test_x.py::test_two"]


def report_of(test: str, *, passed: bool = True, recover_s: float | None = None) -> pytest.TestReport:
    told = [] if recover_s is None else [("seconds to recover", f"{recover_s:.2f}")]
    return pytest.TestReport(
        nodeid=f"hub_pipelines_tests/{test}[sqlite]",
        location=("", 0, ""),
        keywords={},
        outcome="passed" if passed else "failed",
        longrepr=None,
        when="call",
        duration=9.0,
        user_properties=told,
    )


def page(tmp_path: Path, *reports: pytest.TestReport) -> list[str]:
    gathered = FaultsReport(tmp_path / "faults.md")
    for one in reports:
        gathered.pytest_runtest_logreport(one)
    return gathered.page([Row("1", "a fault", TESTS)])


def test_a_fault_is_survived_when_all_its_tests_have_passed_and_the_longest_recovery_is_told(tmp_path: Path) -> None:
    one, two = TESTS
    told = page(tmp_path, report_of(one, recover_s=1.5), report_of(one, recover_s=2.5), report_of(two))
    assert told[0] == "# 1 of 1 faults survived"
    assert told[-1] == "| 1 | a fault | 2/2 test_one, 1/1 test_two | yes | 2.5 |"


def test_a_fault_without_a_moment_tells_what_its_tests_took_in_brackets(tmp_path: Path) -> None:
    assert page(tmp_path, *(report_of(test) for test in TESTS))[-1].endswith("| yes | (9.0) |")


@pytest.mark.parametrize("second", [[], [report_of(TESTS[1], passed=False)]])
def test_a_fault_with_a_failed_test_or_one_that_did_not_run_is_not_survived(
    tmp_path: Path, second: list[pytest.TestReport]
) -> None:
    told = page(tmp_path, report_of(TESTS[0]), *second)
    assert told[0] == "# 0 of 1 faults survived"
    assert "| NO |" in told[-1]


def test_the_rows_are_those_of_the_table() -> None:
    table = {row.number: row for row in rows()}
    assert any("checkpoint" in test for test in table["27"].tests)


def test_the_stopwatch_tells_the_longest_time_and_not_what_comes_after_the_recovery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(recovering.time, "monotonic", lambda: now[0])

    def at(moment: float) -> None:
        now[0] = moment

    recovering.begin()
    at(1), recovering.fault()
    at(2), recovering.fault()
    at(3), recovering.recovered(everything=False)
    at(5), recovering.recovered(everything=False)
    at(99), recovering.recovered(everything=True)
    assert recovering.end() == 3.0
    recovering.begin()
    assert recovering.end() is None
    recovering.begin()
    at(100), recovering.fault()
    at(104)
    assert recovering.end() == 4.0
