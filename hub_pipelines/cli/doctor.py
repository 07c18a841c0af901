"""`hub doctor`: what is wrong, and the command that mends it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from hub_pipelines.cli.output import AsJson, Failed, print_document

if TYPE_CHECKING:
    from hub_pipelines.doctor.model import Diagnosis


def doctor(as_json: AsJson = False) -> None:
    """Look for what is wrong with this hub and its machine; exit 1 when something is. Changes nothing."""
    found = _diagnosis()
    document = {"ok": found.is_well, **asdict(found)}
    if not as_json:
        print("\n".join(_page(found)))
    if not found.is_well:
        errors = sum(one.severity == "error" for one in found.findings)
        raise Failed(f"{errors} of these must be mended." if errors > 1 else "This must be mended.", document)
    if as_json:
        print_document(document)


def _diagnosis() -> "Diagnosis":
    from hub_pipelines.doctor.model import Diagnosis, diagnose
    from hub_pipelines.doctor.service import checks_of, settings_check
    from hub_pipelines.hub import KNOWN_FEEDS
    from hub_pipelines.settings import home_folder, load

    first = diagnose([settings_check(home_folder() / "hub.toml")])
    if not first.is_well:
        return first
    from hub_pipelines.defs.doctor import dagster_checks

    settings = load(KNOWN_FEEDS)
    rest = diagnose([*checks_of(settings), *dagster_checks(settings)])
    return Diagnosis((*first.checks, *rest.checks), (*first.findings, *rest.findings))


def _page(found: "Diagnosis") -> list[str]:
    told = {one.check for one in found.findings}
    lines = [f"ok       {name}" for name in found.checks if name not in told]
    for one in found.findings:
        lines += [f"{one.severity.upper():<8} {one.check}: {one.text}", f"         {one.command}"]
    return lines
