"""Of an item's values before and after, what a receipt or a preview shows. Pure.

Belongs here: which columns differ and how they are called. Not here: finding the values (service.py, previewing.py).
"""

from collections.abc import Iterator, Mapping

from hub_pipelines.report.model import ChangedCell
from hub_pipelines.validate.model import RecordType, column_of, sent_name


def changed_cells(
    record: RecordType, before: Mapping[str, object], after: Mapping[str, object], sent_as: Mapping[str, str]
) -> Iterator[ChangedCell]:
    """Column by column; columns outside the contract under their own headings, others under the file's (`sent_as`)."""
    old, new = _flat(before), _flat(after)
    for column in dict.fromkeys((*new, *old)):
        if old.get(column) != new.get(column):
            yield ChangedCell(column, _called(record, column, sent_as), old.get(column), new.get(column))


def _called(record: RecordType, column: str, sent_as: Mapping[str, str]) -> str | None:
    """As the file calls it; None where it does not, or only by the contract's word."""
    about = column_of(column)
    if about != column and about in record.columns:
        return sent_name(sent_as.get(about) or about.replace("_", " "))
    return sent_as.get(column) or (None if column in record.columns else column)


def _flat(values: Mapping[str, object]) -> dict[str, str]:
    other = values.get("other")
    flat = {name: value for name, value in values.items() if name != "other"}
    if isinstance(other, dict):
        flat |= {name: value for name, value in other.items() if name not in flat}
    return {name: str(value) for name, value in flat.items() if value is not None}
