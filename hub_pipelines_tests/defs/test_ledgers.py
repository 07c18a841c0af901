"""Ledger assets on a real instance: drain, sensor, backfill, the command line; sources and when they are late."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from hub_pipelines.common.scope import Scope
from hub_pipelines.defs.build import build_defs
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.jobs import submission_job
from hub_pipelines.defs.ledgers import FROM_ARCHIVE_TAG, LEDGERS_JOB, ledgers_job, ledgers_sensor, range_tags
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import drop_folder_sensor
from hub_pipelines.hub import KNOWN_FEEDS, Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.snapshots.files import path_of
from hub_pipelines.publishing import due
from hub_pipelines.settings import load
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests import commands
from hub_pipelines_tests.defs.conftest import drop_sample
from hub_pipelines_tests.stores.test_publishing import tamper
from hub_pipelines_tests.support import asset, inventory_csv, make_registry, on_day, process, send

MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)
CHECKS = {
    "values_meet_the_contract",
    "volume_is_usual",
    "references_are_known",
    "every_row_is_accounted_for",
    "history_is_reproducible",
}


_TOML = """\
[campuses.north]
time_zone = "America/New_York"

[campuses.south]
time_zone = "America/New_York"

[campuses.west]
time_zone = "America/Los_Angeles"

[feeds]
enabled = ["procurement", "inventory"]

[freshness.inventory]
warn_after_days = 7
fail_after_days = 14

[ledgers]
first_day = "2026-01-01"
quiet_s = 0.0

[limits]
stable_s = 0.1
"""


@pytest.fixture
def home(home: Path) -> Path:
    """Two feeds, and ledgers that are at rest as soon as nothing is posted."""
    (home / "hub.toml").write_text(_TOML, encoding="utf-8")
    return home


def post(hub: Hub, day: date, campus: str, *rows: dict[str, str]) -> str:
    name = f"{campus}-{day}-{rows[0]['asset_tag']}-{rows[0]['quantity']}.csv"
    request_id = send(hub, name, inventory_csv(rows), Scope(campus, "inventory")).request_id
    assert request_id is not None
    process(on_day(hub, day), request_id)
    return request_id


def fill(hub: Hub, first: date = MONDAY) -> None:
    """Two inventory days of north and one of south, and the registry's; all posted, nothing published."""
    second = first + timedelta(days=1)
    make_registry(on_day(hub, first), ["NC-0001", "NC-0002", "NC-0003"])
    make_registry(on_day(hub, second), ["SC-0001"], campus="south")
    post(hub, first, "north", asset("NC-0001"), asset("NC-0002"))
    post(hub, second, "north", asset("NC-0003"), asset("NC-0001", quantity="9"))
    post(hub, second, "south", asset("SC-0001"))


def quiet(_text: str) -> None:
    pass


def materialized(runner: Runner, feed: str) -> list[str]:
    records = runner.instance.fetch_materializations(dg.AssetKey(f"{feed}_ledger"), limit=100).records
    return sorted(str(record.partition_key) for record in records)


def folding_runs(runner: Runner) -> list[dg.DagsterRun]:
    return list(runner.instance.get_runs(dg.RunsFilter(job_name=LEDGERS_JOB)))


def evaluations(runner: Runner, feed: str, run: dg.DagsterRun) -> dict[str, Any]:
    entries = runner.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.event_specific_data for entry in entries if entry.dagster_event]
    return {one.check_name: one for one in found if one.asset_key == dg.AssetKey(f"{feed}_ledger")}  # type: ignore[union-attr]


def failed_lines(evaluation: Any) -> list[dict[str, Any]]:
    return [dict(record.data) for record in evaluation.metadata["failed"].records]


# ---- drain


def test_a_drain_publishes_all_touched_days_in_one_run_with_its_checks_and_nothing_a_second_time(
    runner: Runner,
) -> None:
    hub = runner.hub
    today = hub.campuses["north"].day_of(hub.intake.now())
    first, second = today - timedelta(days=2), today - timedelta(days=1)
    fill(hub, first)
    drop_sample(hub, "west/procurement/registry-west.csv")
    assert runner.drain(timeout_s=300, progress=quiet)
    (run,) = folding_runs(runner)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    with hub.db.read() as tx:
        rows = tx.execute(select(ledgers.ledger_day)).all()
    west = next(str(row.ledger_date) for row in rows if row.campus == "west")
    assert materialized(runner, "inventory") == [f"north|{first}", f"north|{second}", f"south|{second}"]
    assert materialized(runner, "procurement") == [f"north|{first}", f"south|{second}", f"west|{west}"]
    for feed, entries in (("inventory", 5), ("procurement", sum(row.entries for row in rows) - 5)):
        checks = evaluations(runner, feed, run)
        assert set(checks) == CHECKS - {"history_is_reproducible"}  # that is for backfills to say
        assert all(one.passed for one in checks.values())
        assert checks["every_row_is_accounted_for"].metadata["entries"].value == entries
    assert due(hub, at_rest=False) == []
    assert runner.drain(timeout_s=300, progress=quiet)
    assert len(folding_runs(runner)) == 1
    post(hub, second, "north", asset("NC-0002", quantity="4"))
    assert runner.drain(timeout_s=300, progress=quiet)
    assert materialized(runner, "inventory").count(f"north|{second}") == 2
    assert len(materialized(runner, "inventory")) == 4
    assert len(materialized(runner, "procurement")) == 3


def test_a_failing_suite_makes_the_run_red_and_says_where_while_other_days_are_published(runner: Runner) -> None:
    hub = runner.hub
    fill(hub)
    tamper(hub, "NC-0002", category="weapon")
    tamper(hub, "NC-0003", quantity="lots")
    assert not runner.drain(timeout_s=300, progress=quiet)
    (run,) = folding_runs(runner)
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert materialized(runner, "inventory") == ["south|2026-03-03"]
    assert len(materialized(runner, "procurement")) == 2
    checks = evaluations(runner, "inventory", run)
    assert {name for name, one in checks.items() if not one.passed} == {"values_meet_the_contract"}
    assert set(checks) == CHECKS - {"history_is_reproducible"}
    broken = checks["values_meet_the_contract"]
    assert broken.severity is dg.AssetCheckSeverity.ERROR
    assert broken.metadata["judged"].value == "north 2026-03-02, north 2026-03-03, south 2026-03-03"
    monday, tuesday = failed_lines(broken)
    assert (monday["campus and day"], monday["column"]) == ("north 2026-03-02", "category")
    assert "not true of 1 of 2 entries (50 %), such as weapon (item NC-0002)" in str(monday["what"])
    assert (tuesday["campus and day"], tuesday["column"]) == ("north 2026-03-03", "quantity")
    assert "lots (item NC-0003)" in str(tuesday["what"])
    # what was judged is not tried again by itself
    assert runner.drain(timeout_s=300, progress=quiet)
    assert len(folding_runs(runner)) == 1


@pytest.mark.slow
def test_a_miscount_makes_the_run_red_and_says_what_was_counted(runner: Runner) -> None:
    hub = runner.hub
    fill(hub)
    j = ledgers.journal
    with hub.db.write() as tx:
        row = tx.execute(select(j).where(j.c.key == "NC-0002", j.c.ledger == "inventory.asset@north")).mappings().one()
        entry = {column.name: row[column.name] for column in ledgers.journal_row.c}
        tx.execute(
            ledgers.journal_row.insert(),
            {**entry, "row_no": 9, "key": "NC-0003", "values": row["values"].replace("NC-0002", "NC-0003")},
        )
    assert not runner.drain(timeout_s=300, progress=quiet)
    (run,) = folding_runs(runner)
    (line,) = failed_lines(evaluations(runner, "inventory", run)["every_row_is_accounted_for"])
    counted = ("in the journal", "told by postings", "counted at posting", "in the snapshot")
    assert [line[name] for name in counted] == [3, 2, 2, 3]
    assert line["campus and day"] == "north 2026-03-02"
    assert materialized(runner, "inventory") == ["north|2026-03-03", "south|2026-03-03"]


# ---- backfills


def test_a_backfill_confirms_days_from_the_archive_and_passes_over_days_without_entries(runner: Runner) -> None:
    hub = runner.hub
    fill(hub)
    spans = list(runner.backfill("north", "inventory", MONDAY - timedelta(days=8), TUESDAY))
    assert [(one["from"], one["to"]) for one in spans] == [
        (date(2026, 2, 22), date(2026, 2, 28)),
        (date(2026, 3, 1), date(2026, 3, 3)),
    ]
    assert [one["finished"] for one in spans] == [True, True]
    assert [one["failed"] for one in spans] == [[], []]
    assert spans[0]["days"] == []
    told = [(one["day"], one["entries"], one["outcome"], one["from the archive"]) for one in spans[1]["days"]]
    assert told == [("2026-03-02", 2, "published", "the same"), ("2026-03-03", 2, "published", "the same")]
    assert "south|2026-03-03" not in materialized(runner, "inventory")
    (again,) = runner.backfill("north", "inventory", MONDAY, MONDAY)
    assert [one["outcome"] for one in again["days"]] == ["confirmed"]
    checks = evaluations(runner, "inventory", runner.instance.get_run_by_id(again["run_id"]))  # type: ignore[arg-type]
    assert checks["history_is_reproducible"].metadata["entries_compared"].value == 2
    # a changed journal: told by the check, while the published snapshot stays
    tamper(hub, "NC-0003", quantity="77")
    (span,) = runner.backfill("north", "inventory", TUESDAY, TUESDAY)
    failed = {one["check"]: one["failed"] for one in span["failed"]}
    assert set(failed) == {"history_is_reproducible", "every_row_is_accounted_for"}
    assert "other values" in failed["history_is_reproducible"][0]["not reproducible"]
    assert span["finished"] is False


def test_a_backfill_that_was_started_from_a_jobs_page_is_refused_with_the_way_to_do_it(runner: Runner) -> None:
    fill(runner.hub)
    days = range_tags(f"north|{MONDAY}", f"north|{TUESDAY}")
    page = {"dagster/partition/campus": "north", "dagster/partition/date": str(MONDAY), "dagster/backfill": "abc"}

    def run_ledgers(tags: dict[str, str]) -> dg.ExecuteInProcessResult:
        job = build_defs(runner.hub.settings).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=runner.instance,
            asset_selection=[dg.AssetKey("inventory_ledger")],
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )

    result = run_ledgers({**days, **page})
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "Start it from the asset's page: Materialize, then choose campus and days." in str(
        failure.step_failure_data.error_display_string
    )
    assert materialized(runner, "inventory") == []
    assert run_ledgers({**days, FROM_ARCHIVE_TAG: "true"}).success
    assert materialized(runner, "inventory") == ["north|2026-03-02", "north|2026-03-03"]


# ---- the sensor


def test_the_sensor_launches_one_run_for_what_was_touched_and_again_only_after_growing_pauses(runner: Runner) -> None:
    hub = runner.hub

    def tick(cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
        resources = {"hub": HubResource()}
        with dg.build_sensor_context(instance=runner.instance, cursor=cursor, resources=resources) as context:
            answer = ledgers_sensor(ledgers_job())(context)
        assert isinstance(answer, dg.SensorResult | dg.SkipReason)
        return answer

    def launched(answer: dg.SensorResult | dg.SkipReason) -> tuple[dg.RunRequest, str]:
        assert isinstance(answer, dg.SensorResult), answer
        (request,) = answer.run_requests or ()
        return request, str(answer.cursor)

    def skipped(answer: dg.SensorResult | dg.SkipReason) -> str:
        assert isinstance(answer, dg.SkipReason), answer
        return str(answer.skip_message)

    def later(cursor: str, seconds: float, **changes: object) -> str:
        last = json.loads(cursor)
        return json.dumps({**last, "at": last["at"] - seconds, **changes})

    assert "No new postings" in skipped(tick())
    fill(hub)
    first, cursor = launched(tick())
    # the run ended without having judged anything: tried again, later each time
    assert "after a pause" in skipped(tick(cursor))
    keys, pauses = [first.run_key], []
    for pause in (40, 80, 160):
        assert "after a pause" in skipped(tick(later(cursor, pause - 10)))
        request, cursor = launched(tick(later(cursor, pause)))
        keys.append(request.run_key)
        pauses.append(pause)
    assert len(set(keys)) == 4
    assert "after a pause" in skipped(tick(later(cursor, 3_590, tries=5_000)))
    launched(tick(later(cursor, 3_600, tries=5_000)))
    # new postings wait for no pause
    post(hub, TUESDAY, "south", asset("SC-0001", quantity="3"))
    other, cursor = launched(tick(cursor))
    assert other.run_key not in keys
    # while a run folds, nothing is launched
    alive = runner.instance.create_run_for_job(runner.job(LEDGERS_JOB), status=dg.DagsterRunStatus.STARTED)
    assert "folding ledgers now" in skipped(tick(later(cursor, 9_999)))
    runner.instance.delete_run(alive.run_id)
    # the run folds what is touched, and then there is nothing to do
    assert runner.fold(quiet)
    assert materialized(runner, "inventory") == ["north|2026-03-02", "north|2026-03-03", "south|2026-03-03"]
    assert "No new postings" in skipped(tick(cursor))


# ---- sources


def test_a_source_is_late_by_the_settings_and_by_a_campuss_own(home: Path) -> None:
    own = "[campuses.south.freshness.inventory]\nwarn_after_days = 2\nfail_after_days = 3.5\n"
    (home / "hub.toml").write_text(_TOML.replace("[feeds]", f"{own}\n[feeds]"), encoding="utf-8")
    repository = build_defs(load(KNOWN_FEEDS)).get_repository_def()

    def windows(name: str) -> tuple[timedelta, timedelta]:
        key = dg.AssetKey(name)
        policy: Any = repository.assets_defs_by_key[key].specs_by_key[key].freshness_policy
        return policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()

    assert windows("inventory_from_south") == (timedelta(days=2), timedelta(days=3.5))
    assert windows("inventory_from_north") == (timedelta(days=7), timedelta(days=14))
    assert windows("procurement_from_south") == (timedelta(days=8), timedelta(days=15))


def test_a_file_that_arrives_renews_its_source(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    jobs = [submission_job(FEEDS[name]) for name in ("procurement", "inventory")]
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        result = drop_folder_sensor("north", jobs)(context)
    assert isinstance(result, dg.SensorResult)
    events = {event.asset_key.to_user_string(): event for event in result.asset_events}
    assert set(events) == {"procurement_received", "procurement_from_north"}
    assert events["procurement_from_north"].partition is None
    assert events["procurement_from_north"].metadata["source_file"].value == "registry-north.csv"


# ---- the command line

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(home: Path) -> Cli:
    """Type a command: exit code, standard output, standard error."""
    assert home.is_dir()

    def run(*arguments: str) -> tuple[int, str, str]:
        ended = commands.run(*arguments)
        return ended.code, ended.out, ended.err

    return run


NORTH_DAYS = ("--campus", "north", "--feed", "inventory", "--from", str(MONDAY), "--to", str(TUESDAY))
EXPORT = ("ledger", "export", "--type", "inventory.asset", "--campus", "north")


def test_backfill_and_export_as_of_a_day_tell_what_was_posted(opened: Hub, cli: Cli) -> None:
    fill(opened)
    code, out, err = cli(*EXPORT, "--as-of", str(MONDAY))
    assert (code, out) == (1, "")
    command = err.strip().rpartition(": hub ")[2]
    assert len(err.strip().splitlines()) == 1
    code, out, err = cli(*command.split())
    assert (code, out) == (0, "1 ledger days confirmed.\n"), err
    assert "2026-03-02 inventory.asset: 2 entries, published; from the archive: the same" in err
    code, out, _ = cli("backfill", *NORTH_DAYS, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (0, True)
    assert [one["outcome"] for one in document["spans"][0]["days"]] == ["confirmed", "published"]
    states = [
        {row["asset_tag"]: row["quantity"] for row in csv.DictReader(io.StringIO(cli(*EXPORT, "--as-of", str(day))[1]))}
        for day in (MONDAY - timedelta(days=1), MONDAY, TUESDAY)
    ]
    assert states == [
        {},
        {"NC-0001": "2.5", "NC-0002": "2.5"},
        {"NC-0001": "9", "NC-0002": "2.5", "NC-0003": "2.5"},
    ]
    now, then = (json.loads(cli(*EXPORT, *more, "--json")[1]) for more in ((), ("--as-of", str(TUESDAY))))
    assert now == then
    # a day that can't be confirmed
    tamper(opened, "NC-0002", quantity="3")
    code, out, err = cli("backfill", *NORTH_DAYS, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert {one["check"] for one in document["spans"][0]["failed"]} == {
        "every_row_is_accounted_for",
        "history_is_reproducible",
    }
    assert "though nothing was posted since" in err
    assert "Not every day is confirmed" in err


def test_export_as_of_a_day_refuses_a_file_that_is_not_what_was_published_and_names_what_mends_it(
    opened: Hub, cli: Cli
) -> None:
    fill(opened)
    code, _, err = cli("backfill", *NORTH_DAYS)
    assert code == 0, err
    whole = cli(*EXPORT, "--as-of", str(TUESDAY))
    path = path_of(opened.settings.ledgers, "inventory.asset", "north", TUESDAY)
    path.write_bytes(b"no such thing")
    code, out, err = cli(*EXPORT, "--as-of", str(TUESDAY))
    assert (code, out) == (1, "")
    assert f"the published snapshot {path} is missing or was changed. Fold it again: hub backfill" in err
    assert len(err.strip().splitlines()) == 1
    code, _, err = cli(*err.strip().rpartition(": hub ")[2].split())
    assert code == 0, err
    assert cli(*EXPORT, "--as-of", str(TUESDAY)) == whole


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"--campus": "east"}, "There is no campus 'east'. Campuses in hub.toml: north, south, west."),
        ({"--feed": "grants"}, "There is no feed 'grants'. Feeds in hub.toml: procurement, inventory."),
        ({"--from": "monday"}, "--from 'monday' is not a day. Write it as YYYY-MM-DD."),
        ({"--to": "2026-02-30"}, "--to '2026-02-30' is not a day. Write it as YYYY-MM-DD."),
        ({"--from": "2026-03-04"}, "--from 2026-03-04 is after --to 2026-03-03."),
        ({"--from": "2025-12-31"}, "the days must lie between 2026-01-01"),
        ({"--to": "2999-01-01"}, "and today, 2"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_backfill_of_wrong_days_or_names_is_refused_in_one_line(cli: Cli, changes: dict[str, str], told: str) -> None:
    options = dict(zip(NORTH_DAYS[::2], NORTH_DAYS[1::2], strict=True)) | changes
    arguments = [part for option in options.items() for part in option]
    code, out, err = cli("backfill", *arguments, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert told in document["error"]
    assert err.strip().splitlines() == [document["error"]]
    assert cli("backfill", *arguments) == (1, "", err)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--campus", "east"), "There is no campus 'east'. Campuses in hub.toml: north, south, west."),
        (("--as-of", "yesterday"), "--as-of 'yesterday' is not a day. Write it as YYYY-MM-DD."),
        (("--type", "inventory.thing"), "There is no record type 'inventory.thing'."),
        (("--format", "xml"), "There is no --format 'xml'. Choose csv or json."),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_an_export_of_a_wrong_day_or_name_is_refused_in_one_line(cli: Cli, more: tuple[str, ...], told: str) -> None:
    code, out, err = cli(*EXPORT, *more, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert told in document["error"]
    assert err.strip().splitlines() == [document["error"]]
