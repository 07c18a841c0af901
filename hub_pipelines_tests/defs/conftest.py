"""A home with one hub and its real Dagster instance, and a running deployment for the tests that need the daemon."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.resources import forget_hub
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines_tests.conftest import INBOX

SAMPLES = Path(__file__).resolve().parents[2] / "hub_pipelines" / "samples"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own HUB_HOME with quick limits; the resource's one hub per process is forgotten before and after."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "hub.toml").write_text(DEFAULT_TOML.replace("stable_s = 1.0", "stable_s = 0.1"), encoding="utf-8")
    monkeypatch.setenv("HUB_HOME", str(folder))
    monkeypatch.delenv("HUB_DATABASE_URL", raising=False)
    monkeypatch.delenv("HUB_DAGSTER_DATABASE_URL", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    forget_hub()
    yield folder
    forget_hub()


@pytest.fixture
def opened(home: Path, sqlite_template: Path) -> Hub:
    for file in (sqlite_template, sqlite_template.with_name(INBOX)):
        shutil.copy(file, home)
    return open_hub(load(KNOWN_FEEDS))


@pytest.fixture
def runner(opened: Hub) -> Runner:
    return Runner(opened)


def drop_sample(hub: Hub, name: str, as_name: str | None = None) -> None:
    campus, feed, file = name.split("/")
    target = hub.settings.drop / campus / feed / (as_name or file)
    target.write_bytes((SAMPLES / name).read_bytes())
