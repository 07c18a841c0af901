"""Opening a feed's file: the one way of all who judge its rows, mark them or compare them.

Belongs here: by which known headings and which rules its tables are found. Not here: finding them (validate/parsing),
what becomes of the rows. Whoever opened a file otherwise would find other tables in it, and give rows other numbers.
"""

from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

from hub_pipelines.mapping.spellings import known_headings
from hub_pipelines.validate.model import Feed, Table
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.returned import numbers_told


def open_list(path: Path, source_name: str, feed: Feed, rules: int = RULES) -> AbstractContextManager[Table]:
    """The table in a feed's file, as it was sent and as `rules` find it. Raises what open_table raises."""
    return open_table(path, source_name, known=known_headings(feed).get, rules=rules)


def all_numbers_in(path: Path, source_name: str, feed: Feed, rules: int) -> dict[int, int]:
    """By its own number what each row of a workbook that holds only the rows to be fixed tells for its number."""
    with open_list(path, source_name, feed, rules) as table:
        return numbers_told(table) or {}


def numbers_in(path: Path, source_name: str, feed: Feed, rules: int) -> dict[int, int]:
    """What a workbook that holds only the rows to be fixed says of its rows (validate.returned.numbers_told). A number
    that several of them tell, since one was copied, says nothing."""
    told = all_numbers_in(path, source_name, feed, rules)
    rows_of = Counter(told.values())
    return {row_no: number for row_no, number in told.items() if rows_of[number] == 1}
