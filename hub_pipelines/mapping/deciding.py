"""Which column of a file is which column of the contract, or what must be asked to know it.

Belongs here: weighing headings and values against each other, the choice of the record type, the questions. Not here:
how alike two headings are (likeness), what values look like (content), what people have answered (store). Pure.
"""

from collections.abc import Sequence

from hub_pipelines.mapping.model import Assigned, Confirmed, Mapping
from hub_pipelines.validate.columns import column_letters, located_columns, normalise_header, record_type_of
from hub_pipelines.validate.model import Cell, Feed


def keys_of(header: Sequence[str]) -> list[str]:
    """What each column of a file is remembered by: its heading in normal form, with a number where it is repeated,
    or its place where it has none."""
    seen: dict[str, int] = {}
    keys = []
    for position, text in enumerate(header):
        form = normalise_header(text) or f"[{column_letters(position)}]"
        seen[form] = seen.get(form, 0) + 1
        keys.append(form if seen[form] == 1 else f"{form} ({seen[form]})")
    return keys


def decide(header: Sequence[str], sample: Sequence[list[Cell]], feed: Feed, confirmed: Confirmed) -> Mapping:
    """How a file with this header and these rows is to be read.

    Raises Asked when a person must say what a column is, Unreadable when it can't be any list of the feed.
    """
    record = record_type_of(header, feed)
    columns = located_columns(header, record)
    assigned = tuple(
        Assigned(
            column,
            at,
            header[at],
            "name" if normalise_header(header[at]) == normalise_header(column) else "synonym",
            1.0,
        )
        for column, at in columns.positions.items()
    )
    return Mapping(record.name, assigned, tuple(header))
