"""Judging awards: `python -m hub_pipelines_tests.bench.findings`, 2,000 awards with 100,000 expenditures.

A new SQLite home. One line for each evaluation: what it judged, opened and closed, and its processor time. Nothing here
is a test.
"""

import json
import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines_tests.support import open_test_hub, process, send

AWARDS, LINES = 2_000, 100_000
_GRANTS = Scope("north", "grants")
_AWARDS = "award_id,starts_on,ends_on,obligated_amount"
_SPENT = "transaction_id,award_id,amount,posted_on,incurred_on"


def post(hub: Hub, name: str, heading: str, rows: Iterable[str]) -> None:
    process(hub, str(send(hub, name, "\n".join([heading, *rows]).encode(), _GRANTS).request_id))


def judged(hub: Hub, what: str) -> None:
    began = time.process_time()
    found = hub.findings.evaluate("north")
    figures = {"awards": found.awards, "opened": len(found.opened), "closed": len(found.closed), "stay": found.stay}
    print(json.dumps({"after": what, **figures, "cpu_s": round(time.process_time() - began, 2)}), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        hub = open_test_hub(home / "home", f"sqlite:///{home / 'hub.db'}", lease_s=600)
        chance = random.Random(1)
        awards = (f"AWD-{number:05},2024-07-01,2025-06-30,1000000" for number in range(AWARDS))
        post(hub, "awards.csv", _AWARDS, awards)
        days = ("2025-07-10", *["2025-03-10"] * 49)
        lines = (f"T-{n},AWD-{chance.randrange(AWARDS):05},9.00,2025-07-15,{days[n % 50]}" for n in range(LINES))
        post(hub, "spent.csv", _SPENT, lines)
        judged(hub, "all, for the first time")
        judged(hub, "nothing")
        post(hub, "extension.csv", _AWARDS, ["AWD-00007,2024-07-01,2026-06-30,1000000"])
        judged(hub, "an extension")
        post(hub, "late.csv", _SPENT, ["T-N,AWD-00009,5.00,2025-08-01,2025-07-10"])
        judged(hub, "one line")
        began = time.process_time()
        hub.findings_page.write()
        print(json.dumps({"page, with what was not judged": round(time.process_time() - began, 2)}), flush=True)
        hub.db.dispose()


if __name__ == "__main__":
    main()
