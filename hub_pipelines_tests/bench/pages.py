"""Seconds until the Dagster pages that the README names show what they are for.

Run it with `python -m hub_pipelines_tests.bench.pages`.

The hub has 100,000 settled submissions on record; Dagster holds as many request partitions as `live_partitions` allows
(10,000), each materialised through all steps, and a campus-day for every day since `first_day`. The pages are opened in
a real Chromium, each in a browser without a cache and again with one. Needs `pip install playwright` and a Chromium
(its path in CHROMIUM, or /usr/bin/chromium). One JSON line for each page. Nothing here is a test.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import date, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import select

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.partitions import requests_of
from hub_pipelines.hub import Hub
from hub_pipelines.submission.store import submission
from hub_pipelines_tests.bench.figures import _home, _hub_with_registry
from hub_pipelines_tests.bench.why import COUNT, fill

_RUNS = 3
_STEPS = ("received", "archived", "validated", "posted", "receipts")
_PAGES = {
    "lineage": ("/asset-groups", "evidence"),
    "a feed's asset": ("/assets/inventory_posted", "Latest materialization"),
    "its partitions": ("/assets/inventory_posted?view=partitions", "Materialized"),
    "its checks": ("/assets/inventory_posted?view=checks", "every_row_is_accounted_for"),
    "a ledger": ("/assets/inventory_ledger", "Latest materialization"),
    "its campus-days": ("/assets/inventory_ledger?view=partitions", "Materialized"),
    "its expectations": ("/assets/inventory_ledger?view=checks", "values_meet_the_contract"),
    "review queue": ("/assets/review_queue", "Latest materialization"),
    "audit log": ("/assets/audit_log?view=checks", "audit_chain_is_unbroken"),
    "runs": ("/runs", "Created at"),
    "backfills": ("/runs?view=backfills", "Backfills"),
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    with _home():
        started = time.perf_counter()
        hub = _hub_with_registry(100)
        fill(hub, COUNT)
        _fill_dagster(hub)
        print(json.dumps({"filled": COUNT, "seconds": round(time.perf_counter() - started)}), flush=True)
        port = 3900 + os.getpid() % 90
        up = subprocess.Popen(
            [sys.executable, "-m", "hub_pipelines.cli", "up", "--port", str(port)], stderr=subprocess.PIPE, text=True
        )
        try:
            assert up.stderr is not None
            next(line for line in up.stderr if "The hub is up" in line)
            time.sleep(20)
            with sync_playwright() as play:
                browser = play.chromium.launch(
                    executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
                )
                for name, (path, text) in _PAGES.items():
                    print(
                        json.dumps({"page": name, **_opened(browser, f"http://127.0.0.1:{port}{path}", text)}),
                        flush=True,
                    )
        finally:
            up.terminate()
            up.wait()


def _opened(browser: Any, address: str, text: str) -> dict[str, float]:
    """Seconds until the text is there: in a new browser context, and once more in the same."""
    first, again = [], []
    for _ in range(_RUNS):
        context = browser.new_context(viewport={"width": 1600, "height": 1000})
        page = context.new_page()
        for seconds in (first, again):
            started = time.perf_counter()
            page.goto(address)
            page.get_by_text(text, exact=False).first.wait_for(timeout=60_000)
            seconds.append(time.perf_counter() - started)
        context.close()
    return {"first_s": round(statistics.median(first), 2), "again_s": round(statistics.median(again), 2)}


def _fill_dagster(hub: Hub) -> None:
    """Partitions and materialisations as runs leave them, for the newest submissions and for every campus-day."""
    instance = Runner(hub).instance
    with hub.db.read() as tx:
        newest = select(submission.c.request_id).order_by(submission.c.received_at.desc())
        keys = list(tx.execute(newest.limit(hub.settings.limits.live_partitions)).scalars())
    for at in range(0, len(keys), 1_000):
        instance.add_dynamic_partitions(str(requests_of("inventory").name), keys[at : at + 1_000])
    metadata = {"dagster/row_count": 100, "ledger": "inventory.asset@north", "rows_posted": 100}
    for key in keys:
        for step in _STEPS:
            _report(instance, f"inventory_{step}", key, metadata)
    day = hub.settings.ledger.first_day
    while day <= date.today() - timedelta(days=1):
        for campus in hub.campuses:
            _report(instance, "inventory_ledger", f"{campus}|{day}", metadata)
        day += timedelta(days=1)


def _report(instance: dg.DagsterInstance, asset: str, partition: str, metadata: dict[str, Any]) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition, metadata=metadata))


if __name__ == "__main__":
    main()
