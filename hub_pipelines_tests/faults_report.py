"""A table "fault, tests, survived, seconds to recover" from one run of the tests that crash/README.md names.

`python -m hub_pipelines_tests.faults_report FILE [-n 2]` runs exactly these tests, slow ones too, and writes FILE in
Markdown. As a plugin it tells of any run: `pytest -p hub_pipelines_tests.faults_report --faults-report FILE …`.

Seconds are the longest of a test's variants, from the last fault (a kill, a stop, a server that goes away) until a
rescuer has ended or the invariants are looked at, the lease's time included. Where a fault is a state and not a moment
(a flipped byte, a changed row) there is nothing to wait for: what the longest test took is told in brackets.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub_pipelines_tests import recovering

TESTS = Path(__file__).resolve().parent
_PAGE = TESTS / "crash" / "README.md"
_ROW = re.compile(r"^\| (\d+|–) \| ([^|]+) \| ([^|]+) \|$", re.M)
_SECONDS = "seconds to recover"


@dataclass
class Outcome:
    """All variants of one test in this run."""

    passed: int = 0
    failed: int = 0
    recover_s: float | None = None
    took_s: float = 0.0

    def add(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed += 1
        elif report.failed:
            self.failed += 1
        self.took_s = max(self.took_s, report.duration)
        for name, value in report.user_properties:
            if name == _SECONDS:
                self.recover_s = max(self.recover_s or 0.0, float(str(value)))


@dataclass
class Row:
    number: str
    fault: str
    tests: list[str]
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def survived(self) -> bool:
        there = [self.outcomes.get(test, Outcome()) for test in self.tests]
        return all(one.passed and not one.failed for one in there)

    @property
    def seconds(self) -> str:
        timed = [one.recover_s for one in self.outcomes.values() if one.recover_s is not None]
        took = max((one.took_s for one in self.outcomes.values()), default=0.0)
        return f"{max(timed):.1f}" if timed else f"({took:.1f})"

    def line(self) -> str:
        told = ", ".join(f"{self._counted(test)} {test.partition('::')[2]}" for test in self.tests)
        return f"| {self.number} | {self.fault} | {told} | {'yes' if self.survived else 'NO'} | {self.seconds} |"

    def _counted(self, test: str) -> str:
        one = self.outcomes.get(test, Outcome())
        return f"{one.passed}/{one.passed + one.failed}"


def rows() -> list[Row]:
    """The table of crash/README.md."""
    return [
        Row(number, fault.strip(), re.findall(r"`([\w/]+\.py::\w+)`", tests))
        for number, fault, tests in _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    ]


class FaultsReport:
    """Gathers outcomes where all of them come together, and writes the table at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, Outcome] = {}
        self._began = datetime.now(UTC)
        self._load = os.getloadavg()[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("hub_pipelines_tests/")[2].partition("[")[0]
        if report.when == "call" or report.failed:
            self._outcomes.setdefault(name, Outcome()).add(report)

    def pytest_sessionfinish(self) -> None:
        self._path.write_text("\n".join(self.page(rows())) + "\n", encoding="utf-8")

    def page(self, table: list[Row]) -> list[str]:
        for row in table:
            row.outcomes = {test: self._outcomes[test] for test in row.tests if test in self._outcomes}
        survived = sum(row.survived for row in table)
        minutes = (datetime.now(UTC) - self._began).total_seconds() / 60
        return [
            f"# {survived} of {len(table)} faults survived",
            "",
            f"One run of {minutes:.0f} minutes from {self._began:%Y-%m-%d %H:%M} UTC on {os.cpu_count()} cores; load "
            f"{self._load:.1f} at its beginning, {os.getloadavg()[0]:.1f} at its end. `3/3`: variants that passed.",
            "",
            "| # | fault | tests | survived | seconds to recover |",
            "|---|---|---|---|---|",
            *(row.line() for row in table),
        ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-report", metavar="FILE", help="Write which faults this run survived, and how soon.")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--faults-report")
    if path and not hasattr(config, "workerinput"):  # with pytest-xdist, where the workers' reports come together
        config.pluginmanager.register(FaultsReport(Path(path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    recovering.begin()
    with pytest.MonkeyPatch.context() as noting:
        for name in ("kill", "killpg"):
            noting.setattr(os, name, _noting(getattr(os, name)))
        yield
    seconds = recovering.end()
    if seconds is not None:
        item.user_properties.append((_SECONDS, f"{seconds:.2f}"))


def _noting(real: Callable[[int, int], None]) -> Callable[[int, int], None]:
    def noting(pid: int, number: int) -> None:
        if number in (signal.SIGKILL, signal.SIGSTOP):
            recovering.fault()
        real(pid, number)

    return noting


def main() -> int:
    path, *options = sys.argv[1:]
    named = sorted({str(TESTS / test) for row in rows() for test in row.tests})
    report = ["-p", "hub_pipelines_tests.faults_report", "--faults-report", path]
    return subprocess.call([sys.executable, "-m", "pytest", "-m", "not bench", *report, *options, *named])


if __name__ == "__main__":
    sys.exit(main())
