"""Dagster's instance as the command line needs it: its home, a live daemon, runs in this process."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import write_replacing
from hub_pipelines.defs.build import build_defs
from hub_pipelines.defs.sensors import register_partitions, run_request, runs_alive
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.settings import PROJECT, Settings
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, State, Submission

_DAEMON_FRESH_S = 60
_POLL_S = 0.2


def prepare_dagster_home(settings: Settings) -> Path:
    """Make HUB_HOME/dagster/dagster.yaml from the project's, with this home's paths and storage."""
    source = PROJECT / "dagster.yaml"
    if not source.exists():
        raise SettingsError(f"{source} is missing. Install the project with `pip install -e .` from its folder.")
    config: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config["storage"] = _storage(settings)
    config["local_artifact_storage"]["config"]["base_dir"] = str(home / "artifacts")
    config["compute_logs"]["config"]["base_dir"] = str(home / "compute_logs")
    text = "# Made from the project's dagster.yaml at each start; change that one.\n" + yaml.safe_dump(config)
    write_replacing(home / "dagster.yaml", text, mode=0o600)  # it may hold a database password
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _storage(settings: Settings) -> dict[str, Any]:
    if settings.dagster_database_url:
        return {"postgres": {"postgres_url": settings.dagster_database_url}}
    return {"sqlite": {"base_dir": str(settings.dagster_home / "storage")}}


@dataclass(frozen=True)
class Runner:
    """Runs the same jobs as the daemon does, in this process."""

    hub: Hub

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(prepare_dagster_home(self.hub.settings)))

    @cached_property
    def _repository(self) -> Any:
        return build_defs(self.hub.settings).get_repository_def()

    def daemon_is_alive(self) -> bool:
        """A heartbeat of the sensor daemon within the last minute."""
        heartbeat = self.instance.get_daemon_heartbeats().get("SENSOR")
        return heartbeat is not None and time.time() - heartbeat.timestamp < _DAEMON_FRESH_S

    def job(self, name: str) -> dg.JobDefinition:
        job: dg.JobDefinition = self._repository.get_job(name)
        return job

    def run(self, one: Submission) -> None:
        """Run a submission's job. A failed run raises nothing: the hub has recorded what follows."""
        request = run_request(one)
        self.job(str(request.job_name)).execute_in_process(
            instance=self.instance,
            partition_key=one.request_id,
            tags={**request.tags, "dagster/run_key": one.run_key},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )

    def settle(self, request_id: str, *, timeout_s: float) -> Submission:
        """Work on one submission until it is settled; leave it to a live daemon and wait when there is one."""
        deadline = time.monotonic() + timeout_s
        elsewhere = self.daemon_is_alive()
        while True:
            current = self._get(request_id)
            if current.state not in UNSETTLED or time.monotonic() > deadline:
                return current
            if elsewhere or not self._run_if_due(current):
                time.sleep(_POLL_S)

    def _run_if_due(self, current: Submission) -> bool:
        now = self.hub.intake.now()
        due = {
            State.RECEIVED: True,
            State.RETRYING: current.retry_at is None or current.retry_at <= now,
            State.LEASED: current.lease_until is None or current.lease_until < now,
        }
        if not due[current.state]:
            return False
        with self.hub.db.write() as tx:
            launched = submissions.mark_launched(tx, current.request_id)
        register_partitions(self.instance, self.hub, [launched])
        self.run(launched)
        self.hub.processing.give_up_exhausted()
        return True

    def drain(self, *, timeout_s: float, progress: Callable[[str], None]) -> bool:
        """Take and process all that waits, retries and dead leases included; False when time ran out."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            launched = 0
            for campus in self.hub.drop_folder.scopes():
                launched += self._drain_once(campus, progress)
            if not launched:
                if self._nothing_waits():
                    self.hub.receipts.write_due()
                    return True
                time.sleep(_POLL_S)
        return False

    def _drain_once(self, campus: str, progress: Callable[[str], None]) -> int:
        found = tick(self.hub, campus, alive=runs_alive(self.instance), relaunch_after_s=0)
        for trouble in found.scan.troubles:
            progress(f"{campus}: can't be taken now: {trouble}")
        register_partitions(self.instance, self.hub, found.launches)
        for one in found.launches:
            self.run(one)
            after = self._get(one.request_id)
            progress(f"{one.envelope.campus}/{one.envelope.feed}/{one.envelope.source_name}: {after.state}")
        self.hub.receipts.write_due(campus)
        return len(found.launches)

    def _nothing_waits(self) -> bool:
        with self.hub.db.read() as tx:
            if submissions.unsettled_count(tx):
                return False
        return not any(self.hub.drop_folder.waiting(campus) for campus in self.hub.drop_folder.scopes())

    def _get(self, request_id: str) -> Submission:
        with self.hub.db.read() as tx:
            return submissions.get(tx, request_id)
