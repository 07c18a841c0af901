"""How soon recorded failures are in review, hub and Dagster both on SQLite.

`python -m hub_pipelines_tests.bench.failures [number]`, 2,000 if not told. Submissions whose runs failed under their
lease are made first, without waiting for the disk (SQLite makes a file for each run, which takes minutes otherwise);
then the review sensor ticks, as the daemon would have it do, until each failure has its review item. The limit for
2,000 is 180 s. One JSON line, with the machine's load before and after. With Dagster on PostgreSQL the same is a test
of the crash suite.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hub_pipelines.defs.instance import Runner
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines_tests.crash.test_dagster import (
    FAILURES,
    failed_at_once,
    seconds_until_all_are_in_review,
    set_limits,
    without_waiting_for_the_disk,
)
from hub_pipelines_tests.invariants import assert_invariants


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else FAILURES
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        home = Path(folder)
        (home / "hub.toml").write_text(DEFAULT_TOML, encoding="utf-8")
        set_limits(home, max_attempts=1)
        environment.setenv("HUB_HOME", str(home))
        environment.setenv("DAGSTER_HOME", str(home / "dagster"))
        for name in ("HUB_DATABASE_URL", "HUB_DAGSTER_DATABASE_URL"):
            environment.delenv(name, raising=False)
        runner = Runner(open_hub(load(KNOWN_FEEDS)))
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as preparing:
            without_waiting_for_the_disk(runner.hub, preparing)
            failed_at_once(runner, number)
        prepared_s = time.monotonic() - began
        load_before = os.getloadavg()[0]
        seconds, longest = seconds_until_all_are_in_review(runner, number)
        assert_invariants(runner.hub)
        runner.instance.dispose()
    figure = {
        "figure": "failures_in_review",
        "failures": number,
        "seconds": round(seconds, 1),
        "longest_tick_s": round(longest, 1),
        "prepared_s": round(prepared_s, 1),
        "load_before_and_after": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
