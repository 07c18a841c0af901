"""What an item is called on a page: as its sender would call it, not by the ledger's key.

Belongs here: names out of an item's values. Not here: keys (validate/model.py), layout. Pure.
"""

from collections.abc import Iterator, Mapping

from hub_pipelines.report.model import ItemName
from hub_pipelines.validate.model import RecordType

_NAME_COLUMNS = ("item_name", "contents", "title")
"""Columns that say in words what an item is."""
_AMOUNT_COLUMNS = ("quantity_on_hand", "quantity")
_WORDS = {
    "cas_number": "CAS {}",
    "lot_number": "lot {}",
    "event_seq": "event {}",
    "calibrated_on": "calibrated {}",
}


def item_name(record: RecordType, key: str, values: Mapping[str, object]) -> ItemName:
    """The name of an item with these values; `key` tells which of several equal lines it is."""
    place = values.get(record.location_column or "")
    named = next((str(values[one]) for one in _NAME_COLUMNS if one in record.columns and values.get(one)), None)
    return ItemName(named, tuple(_marks(record, key, values)), None if place is None else str(place))


def item_amount(record: RecordType, values: Mapping[str, object]) -> str | None:
    """How much there is of it, with its unit; None where nothing says so."""
    number = next(
        (values[one] for one in _AMOUNT_COLUMNS if one in record.columns and values.get(one) is not None), None
    )
    return None if number is None else f"{number} {values.get('unit') or ''}".strip()


def _marks(record: RecordType, key: str, values: Mapping[str, object]) -> Iterator[str]:
    for column in record.key_columns:
        if column not in (*_NAME_COLUMNS, record.location_column) and values.get(column) is not None:
            yield _WORDS.get(column, "{}").format(values[column])
    number = record.lines.number_in(key) if record.lines is not None else 1
    if number > 1:
        yield f"no. {number} of several such rows"
