"""The hub as one of the peers: a home with the registry posted, and a file sent as an operator would send it.

Belongs here: making such a home, reading back what was rejected and when the rest was posted. Not here: timing
(__main__).
"""

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from hub_pipelines.common.store import Database
from hub_pipelines_tests.bench.bulk.data import Defect

SUBMIT = ("--campus", "north", "--feed", "inventory", "--wait", "--timeout-s", "86400", "--json")


def environment(home: Path, url: str) -> dict[str, str]:
    return {**os.environ, "HUB_HOME": str(home), "HUB_DATABASE_URL": url}


def command(source: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "hub_pipelines.cli", "submit", str(source), *(options or SUBMIT)]


def prepare(home: Path, url: str, registry: Path) -> None:
    """A home that knows the registry: procurement's file, sent through the hub like any other."""
    begin = [sys.executable, "-m", "hub_pipelines.cli", "drain"]
    subprocess.run(begin, env=environment(home, url), check=True, stdout=subprocess.DEVNULL)
    options = ["--campus", "north", "--feed", "procurement", *SUBMIT[4:]]
    subprocess.run(command(registry, *options), env=environment(home, url), check=True, stdout=subprocess.DEVNULL)


def copy_of(home: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to)
    return to


def defects(url: str) -> set[Defect]:
    """What keeps rows out, by data row (the file's row without its heading) and column, of the newest submission."""
    db = Database(url)
    newest = "SELECT request_id FROM submission WHERE feed = 'inventory' ORDER BY received_at DESC LIMIT 1"
    query = f"SELECT row_no, column_name FROM rejection WHERE severity = 'block' AND request_id = ({newest})"
    with db.read() as tx:
        found = {(int(row_no) - 1, str(column)) for row_no, column in tx.execute(text(query))}
    db.dispose()
    return found


def posted_at(home: Path, answer: dict[str, Any]) -> float:
    """When a submission's posting was committed, in seconds since 1970, as the hub's log tells."""
    told = f" {answer['request_id']} posted ledger="
    lines = (home / "hub.log").read_text(encoding="utf-8").splitlines()
    stamp = next(line for line in reversed(lines) if told in line).partition(" ")[0]
    return datetime.fromisoformat(stamp).timestamp()


def rows_of(answer: dict[str, Any]) -> dict[str, int]:
    return dict(answer["rows"])
