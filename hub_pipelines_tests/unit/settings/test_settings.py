"""Settings: defaults on an empty home, and errors that name the setting and the fix."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.settings import DEFAULT_TOML, PROJECT, Settings, home_folder, load

Load = Callable[..., Settings]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def load_with(home: Path) -> Load:
    """Load settings from this text of hub.toml and these environment variables."""

    def _load(text: str | None = None, **environment: str) -> Settings:
        if text is not None:
            home.mkdir(exist_ok=True)
            (home / "hub.toml").write_text(text, encoding="utf-8")
        return load(KNOWN_FEEDS, {"HUB_HOME": str(home), **environment})

    return _load


NORTH = "[campuses.north]\n"
NIH = '[portals.x]\nkind = "nih"\ninstitutions = {north = {names = ["A"]}}\n'


# ---- defaults


def test_an_empty_home_gets_the_defaults_in_a_file_that_can_be_edited(load_with: Load, home: Path) -> None:
    settings = load_with()
    assert (home / "hub.toml").read_text(encoding="utf-8") == DEFAULT_TOML
    assert [one.name for one in home.iterdir()] == ["hub.toml"]
    assert list(settings.campuses) == ["north", "south", "west"]
    assert settings.feeds == KNOWN_FEEDS
    assert settings.database_url == f"sqlite:///{home / 'hub.db'}"
    assert settings.dagster_database_url == ""
    assert load_with() == settings


def test_the_written_defaults_are_the_defaults_of_a_file_that_says_nothing(load_with: Load) -> None:
    written = load_with()
    silent = load_with("".join(f"[campuses.{name}]\n" for name in ("north", "south", "west")))
    assert (silent.limits, silent.feeds, silent.database_url) == (
        written.limits,
        written.feeds,
        written.database_url,
    )


def test_opening_a_hub_on_an_empty_home_makes_its_folders_keys_and_tables(load_with: Load, home: Path) -> None:
    open_hub(load_with())
    assert (home / "drop" / "north" / "inventory").is_dir()
    assert (home / "receipts" / "west" / "procurement").is_dir()
    assert (home / "keys" / "signing.pem").is_file()
    assert (home / "hub.db").is_file()
    open_hub(load_with())


def test_a_home_that_is_not_named_is_data_under_the_project() -> None:
    assert home_folder({}) == PROJECT / "data"
    assert home_folder({"HUB_HOME": ""}) == PROJECT / "data"


def test_the_environment_wins_over_the_file(load_with: Load) -> None:
    text = NORTH + '[database]\nurl = "sqlite:////a.db"\ndagster_url = "postgresql://a/a"\n'
    assert load_with(text).database_url == "sqlite:////a.db"
    assert load_with(text).dagster_database_url == "postgresql+psycopg2://a/a"
    settings = load_with(text, HUB_DATABASE_URL="sqlite:////b.db", HUB_DAGSTER_DATABASE_URL="postgres://b/b")
    assert (settings.database_url, settings.dagster_database_url) == ("sqlite:////b.db", "postgresql+psycopg2://b/b")


def test_the_logs_level_and_place_are_known_without_a_word_in_the_file(load_with: Load, home: Path) -> None:
    settings = load_with(NORTH)
    assert (settings.log_level, settings.log_path) == ("info", home / "hub.log")
    assert load_with(NORTH + '[log]\nlevel = "debug"\n').log_level == "debug"


def test_the_pages_hosts_are_compared_as_browsers_write_them(load_with: Load) -> None:
    assert load_with(NORTH).page_hosts == ()
    assert load_with(NORTH + '[hub]\npage_hosts = ["Hub.Uni.edu", "10.0.0.7"]\n').page_hosts == (
        "hub.uni.edu",
        "10.0.0.7",
    )


def test_feeds_come_in_the_hubs_order_whatever_the_files_is(load_with: Load) -> None:
    in_order = tuple(feed for feed in KNOWN_FEEDS if feed in {"inventory", "procurement"})
    assert load_with(NORTH + '[feeds]\nenabled = ["inventory", "procurement"]\n').feeds == in_order


# ---- errors


@pytest.mark.parametrize(
    ("text", "names", "fix"),
    [
        ("[campuses.north\n", "hub.toml", "Correct that line"),
        ("", "campuses", "Correct or remove"),
        ("[campuses]\n", "campuses", "name at least one campus"),
        (NORTH + "[limits]\nstabel_s = 1\n", "limits.stabel_s", "Correct or remove"),
        (NORTH + "[limit]\nstable_s = 1\n", "limit:", "Correct or remove"),
        (NORTH + "[limits]\nstable_s = 0\n", "limits.stable_s", "greater than or equal to 0.1"),
        (NORTH + '[limits]\nlease_s = "long"\n', "limits.lease_s", "valid number"),
        (NORTH + '[limits]\nposting_chunk_mb = "16"\n', "limits.posting_chunk_mb", "valid integer (found '16')"),
        (NORTH + '[messages]\nseal_after_s = "5"\n', "messages.seal_after_s", "valid number (found '5')"),
        (NORTH + "[limits]\nlarge_gb = 1\n", "limits.large_gb: there is no such setting", "did you mean large_mb?"),
        (NORTH + "[limit]\nlarge_mb = 1\n", "limit: there is no such setting", "did you mean limits?"),
        (NORTH + 'timezone = "UTC"\n', "campuses.north.timezone:", "did you mean time_zone?"),
        (NORTH + NIH + "fiscal_year = 3\n", "fiscal_year: there is no such setting", "did you mean fiscal_years?"),
        (NORTH + "[limits]\nlease_s = nan\n", "limits.lease_s", "Correct or remove"),
        (NORTH + "[limits]\nmax_attempts = 0\n", "limits.max_attempts", "greater than or equal to 1"),
        (NORTH + "[limits]\nkeep_free_mb = -1\n", "limits.keep_free_mb", "greater than or equal to 0"),
        (NORTH + '[hub]\ncontact = "Ada\\nAnn"\n', "hub.contact", "one line of at most 200 characters"),
        (NORTH + '[hub]\npage_hosts = ["https://hub.uni.edu"]\n', "hub.page_hosts", "write the name alone"),
        (NORTH + '[hub]\npage_hosts = ["hub.uni.edu:8443"]\n', "hub.page_hosts", "write the name alone"),
        (NORTH + '[hub]\npage_hosts = ["*"]\n', "hub.page_hosts", "write the name alone"),
        (NORTH + '[hub]\npage_hosts = "hub.uni.edu"\n', "hub.page_hosts", "valid tuple"),
        (NORTH + '[log]\nlevel = "loud"\n', "log.level", "'debug', 'info', 'warning' or 'error'"),
        (NORTH + '[log]\nfile = "x"\n', "log.file", "Correct or remove"),
        (NORTH + 'time_zone = "Mars/Olympus"\n', "campuses.north.time_zone", "America/New_York"),
        (NORTH + 'time_zone = ""\n', "campuses.north.time_zone", "America/New_York"),
        (NORTH + 'time_zone = "../../etc/passwd"\n', "campuses.north.time_zone", "America/New_York"),
        (NORTH + "time_zone = 5\n", "campuses.north.time_zone", "valid string"),
        (NORTH + "[ledgers]\nquiet_s = true\n", "ledgers.quiet_s: found true", "a number"),
        (NORTH + "[limits]\nmax_attempts = true\n", "limits.max_attempts: found true", "a number"),
        (NORTH + "[portals.x]\nevery_s = false\n", "portals.x.every_s: found false", "a number"),
        (NORTH + "[limits]\nmax_attempts = 21\n", "limits.max_attempts", "equal to 20 (found 21)"),
        (NORTH + '[feeds]\nenabled = ["inventory", "inventory"]\n', "feeds.enabled", "inventory is written twice"),
        (NORTH + '[hub]\npage_hosts = ["a", "a"]\n', "hub.page_hosts", "a is written twice"),
        (NORTH + "[ledgers]\nfirst_day = 0001-01-01\n", "ledgers.first_day: 0001-01-01", "from 1980-01-01 to today"),
        (NORTH + '[ledgers]\nfirst_day = "2999-01-01"\n', "ledgers.first_day: 2999-01-01", "to today"),
        (NORTH + NIH + "first_day = 2999-01-01\n", "first_day: 2999-01-01", "to today"),
        (NORTH + "[ledgers]\nquiet_s = 60\nat_latest_s = 30\n", "quiet_s is 60.0 and at_latest_s is 30.0", "Lower"),
        (NORTH + "[messages]\nseal_messages = 2000\ncapacity_messages = 1000\n", "seal_messages is 2000", "Lower"),
        (NORTH + "[messages]\nseal_kb = 16000\ncapacity_mb = 16\n", "seal_kb is 16000", "raise capacity_mb"),
        (NORTH + '[feeds]\nenabled = ["inventory", "payroll"]\n', "payroll", "Choose from: procurement, inventory"),
        (NORTH + "[feeds]\nenabled = []\n", "[feeds] enabled", "Choose from: procurement, inventory"),
        ("[campuses.hub]\n", "'hub'", "choose another name"),
        ("[campuses.North]\n", "'North'", "lower-case letters"),
        ("[campuses.north-east]\n", "'north-east'", "lower-case letters"),
        ("[campuses.1st]\n", "'1st'", "lower-case letters"),
        ('[campuses."../x"]\n', "'../x'", "lower-case letters"),
        ('[campuses."north\\n"]\n', "'north\\n'", "lower-case letters"),
        (f"[campuses.{'n' * 32}]\n", "nnn", "lower-case letters"),
    ],
)
def test_an_error_names_the_file_the_setting_and_the_fix(
    load_with: Load, home: Path, text: str, names: str, fix: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_with(text)
    for words in (str(home / "hub.toml"), names, fix):
        assert words in str(caught.value)


def test_a_file_that_is_not_utf_8_is_named_with_the_fix(load_with: Load, home: Path) -> None:
    home.mkdir()
    (home / "hub.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SettingsError) as caught:
        load_with()
    assert "hub.toml" in str(caught.value)
    assert "Save it as UTF-8" in str(caught.value)


def test_a_default_gives_way_to_what_the_file_says(load_with: Load) -> None:
    said = load_with(NORTH + "[messages]\ncapacity_messages = 1000\ncapacity_mb = 16\n[ledgers]\nat_latest_s = 5\n")
    assert (said.messages.capacity_messages, said.ledger.at_latest_s) == (1000, 5)


def test_today_is_a_first_day_wherever_the_campus_is(load_with: Load) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        today = datetime.now(ZoneInfo(zone)).date()
        assert load_with(NORTH + f"[ledgers]\nfirst_day = {today}\n").ledger.first_day == today


@pytest.mark.parametrize("url", ["sqlite:///hub.db", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_each_process_would_have_its_own_of_is_refused(load_with: Load, url: str) -> None:
    with pytest.raises(SettingsError, match="names no file by its whole path") as caught:
        load_with(DEFAULT_TOML, HUB_DATABASE_URL=url)
    assert "HUB_DATABASE_URL" in str(caught.value)


@pytest.mark.parametrize("url", ["hub.db", "mysql://user:password@host/database", "://", "postgresql"])
def test_a_bad_database_address_names_the_setting_and_good_ones(load_with: Load, url: str) -> None:
    for settings in (load_with(HUB_DATABASE_URL=url), load_with(NORTH + f'[database]\nurl = "{url}"\n')):
        with pytest.raises(SettingsError) as caught:
            open_hub(settings)
        for words in ("HUB_DATABASE_URL", "sqlite:///", "postgresql://"):
            assert words in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("dagster.db", "sqlite:////x.db", "mysql://u:p@h/d", "postgresql+psycopg://u:p@h/d", "postgresql"),
        *("postgresql://u:p@h:port/d", "postgresql://u:p@h:99999/d", "postgresql://u:p@[::1/d"),
    ],
)
def test_a_bad_dagster_database_address_names_the_setting_and_a_good_one(load_with: Load, url: str) -> None:
    for load_bad in (
        lambda: load_with(DEFAULT_TOML, HUB_DAGSTER_DATABASE_URL=url),
        lambda: load_with(NORTH + f'[database]\ndagster_url = "{url}"\n'),
    ):
        with pytest.raises(SettingsError) as caught:
            load_bad()
        for words in ("HUB_DAGSTER_DATABASE_URL", "dagster_url", "postgresql://user:password@host/database"):
            assert words in str(caught.value)


def test_an_error_about_an_address_never_shows_its_password(load_with: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load_with(DEFAULT_TOML, HUB_DAGSTER_DATABASE_URL="mysql://user:hunter2@host/d")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        open_hub(load_with(DEFAULT_TOML, HUB_DATABASE_URL="mysql://user:hunter2@host/d"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("below", ["home", "home/deeper"])
def test_a_home_that_cannot_be_written_is_named_with_the_fix(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"a file, so that nothing can be below it even for root")
    home = tmp_path / "file" / below
    with pytest.raises(SettingsError) as caught:
        load(KNOWN_FEEDS, {"HUB_HOME": str(home)})
    for words in ("HUB_HOME", str(home), "Set HUB_HOME to a folder"):
        assert words in str(caught.value)


# ---- product bugs, kept until they are mended


@pytest.mark.parametrize("zone", ["America", "a" * 300])
def test_a_time_zone_that_names_a_folder_is_a_settings_error(load_with: Load, zone: str) -> None:
    with pytest.raises(SettingsError):
        load_with(NORTH + f'time_zone = "{zone}"\n')


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:p@host:port/db", "postgresql+nonsense://u:p@host/db", "sqlite+nonsense:///x.db"],
    ids=["port is no number", "unknown driver of PostgreSQL", "unknown driver of SQLite"],
)
def test_an_address_with_a_bad_port_or_driver_is_a_settings_error(load_with: Load, url: str) -> None:
    with pytest.raises(SettingsError):
        open_hub(load_with(HUB_DATABASE_URL=url))


def test_a_hub_toml_that_cannot_be_read_is_a_settings_error(load_with: Load, home: Path) -> None:
    (home / "hub.toml").mkdir(parents=True)
    with pytest.raises(SettingsError):
        load_with()


@pytest.mark.parametrize("name", ["drop", "staged", "keys"])
def test_a_folder_of_the_home_that_cannot_be_made_is_a_settings_error(load_with: Load, home: Path, name: str) -> None:
    settings = load_with()
    (home / name).write_bytes(b"a file where a folder should be")
    with pytest.raises(SettingsError):
        open_hub(settings)
