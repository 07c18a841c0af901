"""The documentation names what exists, and nothing else: a new command, setting, asset or table fails here until told.

Belongs here: comparing pages with the code. Not here: whether the sentences are good.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from hub_pipelines.cli import app
from hub_pipelines.common.store import metadata
from hub_pipelines.defs.build import build_defs
from hub_pipelines.hub import KNOWN_FEEDS
from hub_pipelines.intake.drop_folder import is_temporary
from hub_pipelines.intake.inbox.store import inbox_metadata
from hub_pipelines.metrics import metrics_of
from hub_pipelines.review.model import ReasonCode
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines.settings.sections import (
    CampusSettings,
    DatabaseSettings,
    FeedSettings,
    FreshnessSettings,
    HubSettings,
    LedgerSettings,
    Limits,
    LogSettings,
    MessageSettings,
    RetentionSettings,
)
from hub_pipelines.submission.model import State, may_move
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.unit.conftest import SmallHub

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "hub_pipelines"
README = (PROJECT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8")
COLUMNS = (PACKAGE / "validate" / "feeds" / "COLUMNS.md").read_text(encoding="utf-8")
PAGES = sorted([PROJECT / "README.md", *PACKAGE.rglob("*.md")])

MAIN_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/hub demo"
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest -n 3"


def missing(names: Iterable[str], page: str = README) -> list[str]:
    """Names that no piece of code on the page (`…`) holds as a whole word, `<feed>` and `<campus>` filled in."""
    told = "\n".join(written_out(piece) for piece in re.findall(r"`([^`\n]+)`", page))
    return sorted({name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told)})


def written_out(piece: str) -> str:
    """One line for each feed and campus that a placeholder stands for."""
    campuses = tomllib.loads(DEFAULT_TOML)["campuses"] if "<campus>" in piece else [""]
    feeds = FEEDS if "<feed>" in piece else [""]
    return "\n".join(piece.replace("<feed>", feed).replace("<campus>", campus) for feed in feeds for campus in campuses)


# ---- commands


@cache
def commands() -> dict[str, set[str]]:
    """Every command as typed (`review list`) with its options, from the command line itself."""
    return dict(_commands(typer.main.get_command(app), ()))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        options = (name for one in command.params for name in (*one.opts, *one.secondary_opts))
        yield " ".join(path), {name for name in options if name.startswith("-")}
        return
    for name, one in inner.items():
        yield from _commands(one, (*path, name))


def command_lines() -> list[str]:
    """Each row of the README's table of commands."""
    return re.findall(r"^\| `hub [^|]+\|[^|]+\|.*$", README, re.M)


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_and_option_is_in_its_row_of_the_readme(command: str) -> None:
    rows = [row for row in command_lines() if re.match(rf"\| `hub {command}[ `]", row)]

    assert len(rows) == 1, f"give `hub {command}` one row in the README's table of commands"
    assert missing(commands()[command], rows[0]) == []
    assert set(re.findall(r"--[a-z-]+", rows[0])) == commands()[command]


def mentioned_commands() -> list[str]:
    inline = re.findall(r"`hub ([^`\n]+)`", README)
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)
    return inline + [rest for block in blocks for rest in re.findall(r"\bbin/hub ([^\n&|;]+)", block)]


@pytest.mark.parametrize("mentioned", sorted(set(mentioned_commands())))
def test_every_command_that_the_readme_names_exists(mentioned: str) -> None:
    words = [word for word in mentioned.split() if word not in {"…", '"…"'}]
    path = " ".join(word for word in words[:2] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-"))
    found = [name for name in commands() if name == path or name == words[0] or name.startswith(f"{path} ")]

    assert found, f"there is no command `hub {mentioned}`"
    named = {word for word in words if word.startswith("--")}
    assert named <= set().union(*(commands()[name] for name in found))


@pytest.mark.parametrize("line", [MAIN_COMMAND, TEST_COMMAND])
def test_the_two_commands_stand_alone_in_a_block(line: str) -> None:
    assert f"```sh\n{line}\n```" in README


def test_the_readme_lists_the_metrics_with_their_labels(small_hub: SmallHub) -> None:
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in _metric_rows()}
    found = {one.name: set(one._labelnames) for one in metrics_of(small_hub.hub)}  # type: ignore[attr-defined]  # no public name
    assert told == found


def _metric_rows() -> list[tuple[str, str]]:
    section = README.partition("\n### Metrics\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| `(hub_\w+)` \|([^|]*)\|", section, re.M)


def test_every_reason_code_is_in_the_readme() -> None:
    assert missing(ReasonCode) == []


# ---- settings


def settings_in_the_file() -> set[str]:
    document = tomllib.loads(DEFAULT_TOML)
    nested = [*document.pop("campuses").values(), *document.pop("freshness").values()]
    return {name for table in (*document.values(), *nested) for name in table}


def test_every_setting_is_in_the_readme() -> None:
    models = (
        CampusSettings,
        FeedSettings,
        FreshnessSettings,
        HubSettings,
        LedgerSettings,
        Limits,
        LogSettings,
        MessageSettings,
        RetentionSettings,
        DatabaseSettings,
    )

    assert missing({name for model in models for name in model.model_fields} | settings_in_the_file()) == []


@pytest.mark.parametrize(
    ("table", "name", "default"),
    [
        (table, name, field.default)
        for table, model in (
            ("limits", Limits),
            ("ledgers", LedgerSettings),
            ("log", LogSettings),
            ("messages", MessageSettings),
            ("retention", RetentionSettings),
        )
        for name, field in model.model_fields.items()
    ],
)
def test_the_readme_tells_each_default(table: str, name: str, default: object) -> None:
    row = re.search(rf"^\| `\[{table}\]` `{name}` \| ([^|]+) \|", README, re.M)

    assert row
    assert row[1] == str(default)


def test_every_environment_variable_is_in_the_readme() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))

    assert missing(re.findall(r"\b(?:HUB_[A-Z_]+|DAGSTER_HOME)\b", source)) == []


# ---- what Dagster loads


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_defs(load(KNOWN_FEEDS, {"HUB_HOME": str(tmp_path_factory.mktemp("home"))}))


def test_every_asset_is_in_the_readme(definitions: Any) -> None:
    keys = definitions.resolve_asset_graph().get_all_asset_keys()

    assert missing(key.to_user_string() for key in keys) == []


def test_every_check_is_in_the_readme_beside_its_asset(definitions: Any) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", README, re.M)
    assets = {row: "\n".join(map(written_out, re.findall(r"`([\w<>]+)`", row[1]))).split() for row in rows}
    told = {(asset, row[0]) for row in rows for asset in assets[row]}
    checks = definitions.resolve_asset_graph().asset_check_keys

    assert {(key.asset_key.to_user_string(), key.name) for key in checks} - told == set()


def test_every_sensor_schedule_and_job_is_in_the_readme(definitions: Any) -> None:
    loaded = definitions.get_repository_def()
    jobs = [job.name for job in loaded.get_all_jobs() if not job.name.startswith("__")]

    assert missing([*jobs, *(one.name for one in (*loaded.sensor_defs, *loaded.schedule_defs))]) == []


# ---- files


RECORD_TYPES = {one.name: one for feed in FEEDS.values() for one in feed.record_types}


@pytest.mark.parametrize("name", sorted(RECORD_TYPES))
def test_every_column_has_its_row_and_tells_whether_it_must_be_filled(name: str) -> None:
    record = RECORD_TYPES[name]
    table = COLUMNS.partition(f"\nRecord type `{name}`")[2].partition("\n\n|")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", table, re.M))

    assert told == {column: "yes" if column in record.required else "no" for column in record.columns}


@pytest.mark.parametrize("name", sorted(RECORD_TYPES))
def test_every_folder_tells_what_its_lists_must_have(name: str) -> None:
    record = RECORD_TYPES[name]
    row = re.search(rf"^\| .*\| {record.title} \(`{name}`\)[^|]*\| (.*) \|$", README, re.M)

    assert row
    assert tuple(re.findall(r"`(\w+)`", row[1])) == record.required


def test_names_that_the_readme_calls_temporary_are_left_alone() -> None:
    paragraph = re.search(r"^\*\*Left alone\.\*\* .*$", README, re.M)
    assert paragraph
    for name in re.findall(r"`([^`]+)`", paragraph[0]):
        assert is_temporary(name) or is_temporary(f"{name}list.csv") or is_temporary(f"list.csv{name}"), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name} links to {target}"
        assert there.is_relative_to(PROJECT), f"{page.name} links out of the project: {target}"
        assert not anchor or anchor in _anchors(there), f"{page.name} links to {target}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


# ---- ARCHITECTURE.md


def test_the_state_diagram_shows_exactly_the_legal_moves() -> None:
    diagram = re.search(r"^```mermaid\nstateDiagram-v2\n(.*?)^```", ARCHITECTURE, re.M | re.S)
    assert diagram
    arrows = re.findall(r"^\s*(\S+) --> ([^\s:]+)", diagram[1], re.M)
    shown = [(State(before), State(after)) for before, after in arrows if "[*]" not in (before, after)]

    assert len(shown) == len(set(shown))
    assert set(shown) == {(before, after) for before in State for after in State if may_move(before, after)}


def test_the_diagram_begins_and_ends_where_submissions_do() -> None:
    final = [state for state in State if not any(may_move(state, after) for after in State)]

    assert re.findall(r"\[\*\] --> (\w+)", ARCHITECTURE) == [State.RECEIVED]
    assert re.findall(r"(\w+) --> \[\*\]", ARCHITECTURE) == final


def test_every_table_is_told_with_its_owner() -> None:
    told = set(re.findall(r"^\| `(\w+)` \| \w+ \|", ARCHITECTURE, re.M))

    assert told == {*metadata.tables, *inbox_metadata.tables}


def test_every_decision_has_its_parts_and_is_linked() -> None:
    for page in (PACKAGE / "decisions").glob("*.md"):
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.M)
        assert headings == ["Context", "Decision", "Rejected alternatives", "Consequences"], page.name
        assert f"decisions/{page.name}" in ARCHITECTURE, page.name
