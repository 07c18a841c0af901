"""What reading makes of real files: `python -m hub_pipelines_tests.bench.real_files DIRECTORY…`.

A Markdown table with a line for each file below the directories: kind, encoding, sheets, header row, rows found, what
is left out, or why the file is refused; to be checked by eye. `--headings` adds the first headings. Headings are
known as the feed `--feed` knows them (inventory, unless told). Nothing here is a test.
"""

import argparse
import time
from pathlib import Path

from hub_pipelines.common.errors import HubError
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Feed, Table
from hub_pipelines.validate.reading import open_table

_COLUMNS = ("file", "kind", "encoding", "sheet", "header row", "columns", "rows", "told", "left out", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--feed", default="inventory", choices=sorted(FEEDS))
    parser.add_argument("--headings", action="store_true")
    asked = parser.parse_args()
    print(f"| {' | '.join(_COLUMNS)} |")
    print(f"|{'---|' * len(_COLUMNS)}")
    for directory in asked.directories:
        for path in sorted(each for each in directory.rglob("*") if each.is_file()):
            cells = line(path, FEEDS[asked.feed], headings=asked.headings)
            print(f"| {' | '.join(cell.replace('|', '/') for cell in [f'{directory.name}/{path.name}', *cells])} |")


def line(path: Path, feed: Feed, *, headings: bool) -> list[str]:
    begun = time.monotonic()
    try:
        with open_table(path, path.name, known=feed.aliases.get) as table:
            count = sum(1 for _ in table.rows)
            return [*_told(table, count, headings=headings), f"{time.monotonic() - begun:.2f}"]
    except HubError as error:
        return ["refused", "", "", "", "", "", str(error), "", f"{time.monotonic() - begun:.2f}"]


_OWN_COLUMNS = frozenset({"format", "encoding", "encoding_evidence", "sheet", "header_row"})


def _told(table: Table, count: int, *, headings: bool) -> list[str]:
    facts = table.facts
    columns = str(len(table.header))
    if headings:
        columns += f": {', '.join(table.header[:8])}"
    told = "; ".join(f"{name}: {text[:80]}" for name, text in facts.items() if name not in _OWN_COLUMNS)
    left_out = "; ".join(f"{one.sheet or 'row'} {one.first_row}-{one.last_row} {one.why}" for one in table.left_out[:6])
    encoding = facts.get("encoding", "")
    header = ", ".join(str(part.header_row) for part in table.parts[:6])
    return [facts["format"], encoding, facts.get("sheet", ""), header, columns, str(count), told, left_out]


if __name__ == "__main__":
    main()
