"""A small hub of its own for each test: real files, SQLite, short waiting times.

Belongs here: what the tests of several stages share. Not here: PostgreSQL and crashes (stores/, crash/).
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.drop_folder import DropFolder, Scan
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Lease, Submission
from hub_pipelines_tests.conftest import INBOX
from hub_pipelines_tests.support import due_now

INVENTORY_HEADER = (
    "asset_tag,item_name,category,quantity,unit,location,responsible_email,acquired_on,unit_cost,po_number\n"
)
REGISTRY_HEADER = "asset_tag,po_number,campus\n"


def inventory(*tags: str, quantity: str = "2") -> bytes:
    """An inventory file with one good row for each tag."""
    rows = (f"{tag},Ethanol,chemical,{quantity},L,Lab 1,a@north.example.edu,2025-01-02,9.50,PO-1\n" for tag in tags)
    return (INVENTORY_HEADER + "".join(rows)).encode()


def registry(*tags: str, campus: str = "north") -> bytes:
    return (REGISTRY_HEADER + "".join(f"{tag},PO-1,{campus}\n" for tag in tags)).encode()


@dataclass(frozen=True, slots=True)
class SmallHub:
    """A hub and the few things that people do with one."""

    hub: Hub

    @property
    def inbox(self) -> Path:
        return self.folder("north", "inventory")

    def folder(self, campus: str, feed: str) -> Path:
        return self.hub.settings.drop / campus / feed

    def drop_folder(self, between_looks: Callable[[float], None] = lambda _: None) -> DropFolder:
        """The hub's drop folder; what is given happens while it waits between its two looks."""
        return replace(self.hub.drop_folder, sleep=between_looks)

    def take(self, campus: str = "north", *, budget_s: float = 30) -> Scan:
        return self.drop_folder().take(campus, budget_s=budget_s)

    def outcomes(self, campus: str = "north") -> list[tuple[str, str]]:
        return [(one.source_name, str(one.outcome)) for one in self.take(campus).arrivals]

    def work(self) -> None:
        """Run every submission that is due, as a worker would."""
        while due := due_now(self.hub):
            self._work_on(due)

    def _work_on(self, due: list[Submission]) -> None:
        for one in due:
            lease = self.hub.processing.begin(one.request_id, "run-of-test")
            assert isinstance(lease, Lease)
            with suppress(AttemptFailed), self.hub.processing.attempt(lease):
                self.hub.processing.check_archive(lease)
                self.hub.processing.validate(lease)
                self.hub.processing.post(lease)

    def submission(self, request_id: str | None) -> Submission:
        assert request_id is not None
        with self.hub.db.read() as tx:
            return submissions.get(tx, request_id)

    def arrivals_by_outcome(self) -> dict[str, int]:
        with self.hub.db.read() as tx:
            return {name: number for name, number in arrivals.count_by_outcome(tx).items() if number}

    def archived(self, digest: str | None) -> bytes:
        assert digest is not None
        return self.hub.archive.object_path(digest).read_bytes()

    def register(self, *tags: str) -> None:
        """Make tags known, as procurement would."""
        (self.folder("north", "procurement") / "registry.csv").write_bytes(registry(*tags))
        self.take()
        self.work()


@pytest.fixture
def small_hub(tmp_path: Path, sqlite_template: Path) -> SmallHub:
    home = tmp_path / "home"
    home.mkdir()
    for file in (sqlite_template, sqlite_template.with_name(INBOX)):
        shutil.copy(file, home)
    (home / "hub.toml").write_text(DEFAULT_TOML.replace("stable_s = 1.0", "stable_s = 0.1"), encoding="utf-8")
    return SmallHub(open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)})))
