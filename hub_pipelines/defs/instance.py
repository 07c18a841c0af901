"""Dagster's instance as the command line needs it: its home, a live daemon, runs in this process."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.common.files import write_replacing
from hub_pipelines.defs.build import build_defs
from hub_pipelines.defs.jobs import PREVIEW_JOB
from hub_pipelines.defs.ledgers import FROM_ARCHIVE_TAG, LEDGERS_JOB, ledger_name_of, range_tags
from hub_pipelines.defs.sensors import (
    preview_request,
    previews_alive,
    register_partitions,
    run_request,
    runs_alive,
)
from hub_pipelines.hub import Hub
from hub_pipelines.launching import PreviewLaunch, is_stopped, next_towards, paused_count, tick
from hub_pipelines.publishing import touched
from hub_pipelines.settings import PROJECT, Settings
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.submission.queue import store as queue

_DAEMON_FRESH_S = 60
_ANSWER_S = 10
_SETTING = "HUB_DAGSTER_DATABASE_URL (or [database] dagster_url in hub.toml)"
_POLL_S = 0.2
_DAYS_PER_RUN = 7
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def prepare_dagster_home(settings: Settings) -> Path:
    """Make HUB_HOME/dagster/dagster.yaml from the project's, with this home's paths and storage.

    Raises SettingsError, and Transient when the storage does not answer.
    """
    require_answer(settings.dagster_database_url)
    source = PROJECT / "dagster.yaml"
    if not source.exists():
        raise SettingsError(f"{source} is missing. Install the project with `pip install -e .` from its folder.")
    config: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config["storage"] = storage_of(settings)
    config["local_artifact_storage"]["config"]["base_dir"] = str(home / "artifacts")
    config["compute_logs"]["config"]["base_dir"] = str(home / "compute_logs")
    text = "# Made from the project's dagster.yaml at each start; change that one.\n" + yaml.safe_dump(config)
    write_replacing(home / "dagster.yaml", text, mode=0o600)  # it may hold a database password
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def storage_of(settings: Settings) -> dict[str, Any]:
    """The storage section of dagster.yaml."""
    if settings.dagster_database_url:
        return {"postgres": {"postgres_url": settings.dagster_database_url}}
    return {"sqlite": {"base_dir": str(settings.dagster_home / "storage")}}


def require_answer(url: str) -> None:
    """Of the PostgreSQL server at Dagster's address, if it has one: Dagster would ask six times, warn each time and end
    with a trace. Raises Transient, and SettingsError for what is no address.
    """
    if not url:
        return
    import psycopg2  # type: ignore[import-untyped]  # ships no type information

    try:
        psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=_ANSWER_S).close()
    except psycopg2.OperationalError as error:
        reason = str(error).partition("\n")[0]
        raise Transient(f"Dagster's database did not answer: {reason}. Start it, or correct {_SETTING}.") from error
    except psycopg2.ProgrammingError:  # its text holds the address, and that may hold a password
        raise SettingsError(
            f"{_SETTING} is no address that PostgreSQL takes: postgresql://user:password@host/database."
        ) from None


@dataclass(frozen=True)
class Runner:
    """Runs the same jobs as the daemon does, in this process."""

    hub: Hub

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(prepare_dagster_home(self.hub.settings)))

    @cached_property
    def _definitions(self) -> dg.Definitions:
        return build_defs(self.hub.settings)

    @cached_property
    def _repository(self) -> Any:
        return self._definitions.get_repository_def()

    def daemon_is_alive(self) -> bool:
        """A heartbeat of the sensor daemon within the last minute."""
        heartbeat = self.instance.get_daemon_heartbeats().get("SENSOR")
        return heartbeat is not None and time.time() - heartbeat.timestamp < _DAEMON_FRESH_S

    def run_statuses(self, run_ids: Sequence[str]) -> dict[str, str]:
        """How Dagster sees these runs; those that it does not know are left out."""
        return {run.run_id: run.status.value for run in self.instance.get_runs(dg.RunsFilter(run_ids=list(run_ids)))}

    def is_living(self, run_id: str) -> bool:
        """Queued or at work, as Dagster sees it."""
        run = self.instance.get_run_by_id(run_id)
        return run is not None and not run.is_finished

    def job(self, name: str) -> dg.JobDefinition:
        job: dg.JobDefinition = self._repository.get_job(name)
        return job

    def run(self, one: Submission) -> None:
        """Run a submission's job. A failed run raises nothing: the hub has recorded what follows."""
        request = run_request(self.hub, one)
        self.job(str(request.job_name)).execute_in_process(
            instance=self.instance,
            partition_key=one.request_id,
            tags={**request.tags, "dagster/run_key": one.run_key},
            run_config=_QUIET,
            raise_on_error=False,
        )

    def settle(self, request_id: str, *, timeout_s: float) -> Submission:
        """Work on one submission until it is settled; leave it to a live daemon and wait when there is one.

        What goes before it is run first, as the sensors do. One that a pause stops is returned as it is.
        """
        deadline = time.monotonic() + timeout_s
        elsewhere = self.daemon_is_alive()
        while True:
            current = self._get(request_id)
            if current.state not in UNSETTLED or time.monotonic() > deadline or self._is_paused(current):
                return current
            if elsewhere or not self._run_towards(current):
                time.sleep(_POLL_S)

    def advance(self, request_ids: Iterable[str]) -> bool:
        """Run one thing that gets one of these submissions settled, itself or what goes before it; False when nothing
        is due, or a live daemon sees to them."""
        if self.daemon_is_alive():
            return False
        unsettled = (one for one in map(self._get, request_ids) if one.state in UNSETTLED)
        return any(self._run_towards(one) for one in unsettled)

    def _is_paused(self, current: Submission) -> bool:
        """Waits and is not launched; one at work goes on to its end."""
        return current.state is not State.LEASED and is_stopped(self.hub, current)

    def _run_towards(self, current: Submission) -> bool:
        self.hub.ending.give_up_exhausted()
        due = next_towards(self.hub, current)
        if due is None:
            return False
        with self.hub.db.write() as tx:
            launched = queue.mark_launched(tx, due.request_id)
        if launched is None:
            return False
        register_partitions(self.instance, self.hub, [launched])
        self.run(launched)
        return True

    def backfill(self, campus: str, feed: str, first: date, last: date) -> Iterator[dict[str, Any]]:
        """Fold a campus's days again and confirm them from the archive; yields what became of each span of days.

        The same asset and the same run as a backfill on the Dagster page, in this process, some days at a time.
        """
        while first <= last:
            end = min(last, first + timedelta(days=_DAYS_PER_RUN - 1))
            tags = {FROM_ARCHIVE_TAG: "true", **range_tags(f"{campus}|{first}", f"{campus}|{end}")}
            result = self._definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(ledger_name_of(feed))],
                tags=tags,
                run_config=_QUIET,
                raise_on_error=False,
            )
            yield _span(first, end, result)
            first = end + timedelta(days=1)

    def drain(self, *, timeout_s: float, progress: Callable[[str], None]) -> bool:
        """Take and process all that waits, retries and dead leases included; False when time ran out.

        What is paused is left waiting, and told.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            launched = 0
            for campus in self.hub.drop_folder.scopes():
                launched += self._drain_once(campus, progress)
            if not launched:
                if self._nothing_waits(progress):
                    while self.hub.receipts.write_due() and time.monotonic() < deadline:
                        pass  # so many at once; those that can't be written stay due
                    return self.fold(progress)
                time.sleep(_POLL_S)
        return False

    def fold(self, progress: Callable[[str], None]) -> bool:
        """Fold and publish the campus-days with new postings, in one run; False when one could not be published."""
        days = touched(self.hub)
        if not days:
            return True
        progress(f"ledgers: {len(days)} campus-days to publish")
        result = self.job(LEDGERS_JOB).execute_in_process(
            instance=self.instance, run_config=_QUIET, raise_on_error=False
        )
        return result.success

    def _drain_once(self, campus: str, progress: Callable[[str], None]) -> int:
        found = tick(
            self.hub,
            campus,
            alive=runs_alive(self.instance),
            previewing=previews_alive(self.instance, campus),
            relaunch_after_s=0,
            seal_at_once=True,
        )
        for trouble in found.scan.troubles:
            progress(f"{campus}: can't be taken now: {trouble}")
        register_partitions(self.instance, self.hub, found.launches)
        if found.previews:
            self._preview(campus, found.previews)
            progress(f"{campus}: {found.previews.number} previews")
        for one in found.launches:
            self.run(one)
            after = self._get(one.request_id)
            progress(f"{one.envelope.campus}/{one.envelope.feed}/{one.envelope.source_name}: {after.state}")
        self.hub.receipts.write_due(campus)
        return len(found.launches) + bool(found.previews)

    def _preview(self, campus: str, launch: PreviewLaunch) -> None:
        """Make a campus's previews. A failed run raises nothing: the receipts say what failed."""
        request = preview_request(campus, launch)
        self.job(PREVIEW_JOB).execute_in_process(
            instance=self.instance,
            tags={**request.tags, "dagster/run_key": launch.run_key},
            run_config=_QUIET,
            raise_on_error=False,
        )

    def _nothing_waits(self, progress: Callable[[str], None]) -> bool:
        with self.hub.db.read() as tx:
            waiting = submissions.unsettled_by_scope(tx)
        stopped = paused_count(self.hub, waiting)
        if sum(waiting.values()) > stopped:
            return False
        if any(self.hub.drop_folder.waiting(campus) for campus in self.hub.drop_folder.scopes()):
            return False
        if stopped:
            progress(f"{stopped} submissions wait because of a pause; `hub status` shows it")
        return True

    def _get(self, request_id: str) -> Submission:
        with self.hub.db.read() as tx:
            return submissions.get(tx, request_id)


def _span(first: date, last: date, result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What a run over some days says: each published day's snapshots, and the checks that failed."""
    events = result.get_asset_materialization_events()
    days = [
        {"day": str(one.partition).partition("|")[2], **row}
        for one in (event.step_materialization_data.materialization for event in events)
        for row in _rows(one.metadata.get("snapshots"))
    ]
    failed = [
        {"check": one.check_name, "severity": one.severity.value, "failed": _rows(one.metadata.get("failed"))}
        for one in result.get_asset_check_evaluations()
        if not one.passed
    ]
    found = {"run_id": result.run_id, "finished": result.success, "days": days, "failed": failed}
    return {"from": first, "to": last, **found}


def _rows(value: object) -> list[dict[str, Any]]:
    return [dict(record.data) for record in value.records] if isinstance(value, dg.TableMetadataValue) else []
