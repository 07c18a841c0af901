"""The definitions load, cheaply, with the names that people know."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.defs.build import build_defs
from hub_pipelines.hub import KNOWN_FEEDS
from hub_pipelines.recovery.model import CHECKS
from hub_pipelines.settings import load

HEAVY = ("pandas", "great_expectations", "duckdb", "pyarrow", "sqlalchemy", "openpyxl", "jinja2")


@pytest.fixture
def repository(home: Path):
    assert home.is_dir()
    return build_defs(load(KNOWN_FEEDS)).get_repository_def()


def test_the_assets_of_each_feed_and_the_shared_ones_are_there(repository) -> None:
    names = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    stages = ("received", "archived", "validated", "posted", "receipts", "ledger")
    sources = {f"{feed}_from_{campus}" for feed in KNOWN_FEEDS for campus in ("north", "south", "west")}
    of_feeds = {f"{feed}_{stage}" for feed in KNOWN_FEEDS for stage in stages}
    assert names == of_feeds | sources | {
        "review_queue",
        "audit_log",
        "audit_checkpoints",
        "grants_findings",
        "previews",
        "reconciliation",
        "storage_retention",
        "weekly_review",
    }


def test_lineage_runs_from_the_campuses_to_the_receipt_and_the_ledger(repository) -> None:
    graph = repository.asset_graph
    for feed in KNOWN_FEEDS:
        chain = [
            f"{feed}_{stage}" for stage in ("from_west", "received", "archived", "validated", "posted", "receipts")
        ]
        for before, after in [*pairwise(chain), (f"{feed}_posted", f"{feed}_ledger")]:
            node = next(graph.get(key) for key in graph.get_all_asset_keys() if key.to_user_string() == after)
            assert before in {key.to_user_string() for key in node.parent_keys}


def test_the_checks_are_true_statements(repository) -> None:
    checks = {(key.asset_key.to_user_string(), key.name) for key in repository.asset_graph.asset_check_keys}
    of_ledgers = (
        "every_row_is_accounted_for",
        "values_meet_the_contract",
        "volume_is_usual",
        "references_are_known",
        "history_is_reproducible",
    )
    assert checks == {
        *((f"{feed}_posted", "every_row_is_accounted_for") for feed in KNOWN_FEEDS),
        *((f"{feed}_validated", "headers_are_as_before") for feed in KNOWN_FEEDS),
        *((f"{feed}_validated", "columns_are_mapped_with_confidence") for feed in KNOWN_FEEDS),
        *((f"{feed}_ledger", name) for feed in KNOWN_FEEDS for name in of_ledgers),
        ("inventory_posted", "asset_tags_are_registered"),
        ("inventory_posted", "counted_items_were_found"),
        ("hazmat_posted", "counted_items_were_found"),
        ("audit_log", "every_row_is_accounted_for"),
        ("grants_findings", "no_finding_is_open"),
        ("audit_log", "audit_chain_is_unbroken"),
        ("audit_checkpoints", "audit_chain_agrees_with_its_checkpoints"),
        *(("reconciliation", name) for name in CHECKS),
        ("storage_retention", "nothing_held_was_removed"),
        ("storage_retention", "every_removed_run_left_its_record"),
    }


def test_each_campus_has_a_sensor_and_so_has_what_names_no_campus(repository) -> None:
    names = {sensor.name for sensor in repository.sensor_defs}
    folders = {f"{campus}_drop_folder_sensor" for campus in ("north", "south", "west", RESERVED_CAMPUS)}
    shared = ("review_queue", "audit_log", "ledgers", "reconciliation", "grants_findings")
    assert names == folders | {f"{one}_sensor" for one in shared}
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    others = ("audit", "audit_checkpoints", "ledgers", "preview", "retention", "weekly_review", "grants_findings")
    assert jobs == {f"{one}_job" for one in (*KNOWN_FEEDS, *others)}
    assert {one.name for one in repository.schedule_defs} == {
        "audit_checkpoints_schedule",
        "retention_schedule",
        "weekly_review_schedule",
    }


def test_every_asset_tells_what_it_is_and_who_answers_for_it(repository) -> None:
    graph = repository.asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.group_name in {*KNOWN_FEEDS, "evidence", "sources"}, key
        assert node.kinds, key


def test_loading_the_definitions_imports_nothing_heavy(home: Path) -> None:
    assert home.is_dir()
    code = (
        "import sys, json, hub_pipelines.definitions as d; d.defs();"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == []
