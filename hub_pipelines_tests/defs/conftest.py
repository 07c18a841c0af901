"""A home with one hub and its real Dagster instance, and a running deployment for the tests that need the daemon."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.resources import forget_hub
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines_tests.conftest import INBOX

SAMPLES = Path(__file__).resolve().parents[2] / "hub_pipelines" / "samples"


@pytest.fixture(scope="session", autouse=True)
def scripts_loaded_once() -> Iterator[None]:
    """Dagster makes and checks several databases for each home and one for each run, and has alembic load all its
    scripts anew each time: that took a quarter of all processor time."""
    loaded: dict[str | None, ScriptDirectory] = {}
    load = ScriptDirectory.from_config

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in loaded:
            loaded[place] = load(config)
        return loaded[place]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ScriptDirectory, "from_config", from_config)
        yield


@contextmanager
def home_at(folder: Path) -> Iterator[Path]:
    """An own HUB_HOME with quick limits; the resource's one hub per process is forgotten before and after."""
    folder.mkdir()
    (folder / "hub.toml").write_text(DEFAULT_TOML.replace("stable_s = 1.0", "stable_s = 0.1"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HUB_HOME", str(folder))
        environment.delenv("HUB_DATABASE_URL", raising=False)
        environment.delenv("HUB_DAGSTER_DATABASE_URL", raising=False)
        environment.setenv("DAGSTER_HOME", str(folder / "dagster"))
        forget_hub()
        try:
            yield folder
        finally:
            forget_hub()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with home_at(tmp_path / "home") as folder:
        yield folder


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
