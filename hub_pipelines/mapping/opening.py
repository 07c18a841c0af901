"""Opening a feed's file: the one way of all who judge its rows, mark them or compare them.

Belongs here: by which known headings and which rules its tables are found. Not here: finding them (validate/parsing),
what becomes of the rows. Whoever opened a file otherwise would find other tables in it, and give rows other numbers.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from hub_pipelines.mapping.spellings import known_headings
from hub_pipelines.validate.model import Feed, Table
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.reading import open_table


def open_list(path: Path, source_name: str, feed: Feed, rules: int = RULES) -> AbstractContextManager[Table]:
    """The table in a feed's file, as it was sent and as `rules` find it. Raises what open_table raises."""
    return open_table(path, source_name, known=known_headings(feed).get, rules=rules)
