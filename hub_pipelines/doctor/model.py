"""Findings, and running checks so that one that can't be made is a finding too. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from hub_pipelines.common.errors import HubError

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (`error`) or may become so (`warning`), and the command that mends it or shows more."""

    check: str
    severity: Severity
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Check:
    """`look` yields (severity, text, command) for each thing that it finds. `if_impossible` is the command to turn to
    when looking itself fails."""

    name: str
    look: Callable[[], Iterable[tuple[Severity, str, str]]]
    if_impossible: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        return not any(one.severity == "error" for one in self.findings)


def diagnose(checks: Iterable[Check]) -> Diagnosis:
    """Run all checks. Whatever one raises is told as its finding and keeps no other from being made."""
    names: list[str] = []
    findings: list[Finding] = []
    for check in checks:
        names.append(check.name)
        try:
            for found in check.look():
                findings.append(Finding(check.name, *found))  # what was found before it fails counts
        except Exception as error:  # noqa: BLE001  # a doctor that falls ill helps nobody
            told = str(error).strip().splitlines() or [type(error).__name__]
            kind = "" if isinstance(error, HubError) else f" ({type(error).__name__})"
            findings.append(
                Finding(
                    check.name,
                    "error",
                    f"This can't be checked{kind}: {told[0]}",
                    check.if_impossible,
                )
            )
    return Diagnosis(tuple(names), tuple(findings))
