"""The feed of the labs' own lists: their tagged things, their stock, their calibrations.

Belongs here: the feed's entry. Not here: its columns (contract.py).
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.inventory import former
from hub_pipelines.validate.feeds.inventory.contract import (
    ASSET_SPELLINGS,
    CALIBRATION_SPELLINGS,
    STOCK_SPELLINGS,
    TELLING_STOCK,
    AssetRow,
    CalibrationRow,
    DisposedRow,
    MovementRow,
    StockRow,
    TransferredRow,
    used_up,
)
from hub_pipelines.validate.feeds.inventory.lines import StockLines
from hub_pipelines.validate.feeds.orders import MOVEMENTS, ORDER_LINES, ORDERS
from hub_pipelines.validate.model import Adjusted, Feed, Kind, RecordType

_STOCK_LINES = StockLines()
_FIRST_ASSET = RecordType(
    name="inventory.asset",
    title="asset list",
    row_model=former.AssetRow1,
    key_columns=("asset_tag",),
    aliases=aliases_for(former.AssetRow1.model_fields, former.ASSET_SPELLINGS),
    tag_column="asset_tag",
)
_FIRST_STOCK = RecordType(
    name="inventory.stock",
    title="stock list",
    row_model=former.StockRow1,
    key_columns=("item_code", "location"),
    aliases=aliases_for(former.StockRow1.model_fields, former.STOCK_SPELLINGS),
)


def _data(row: type[MovementRow]) -> RecordType:
    return RecordType(
        name="inventory.stock",
        title="message",
        row_model=row,
        key_columns=_STOCK_LINES.columns,
        aliases=aliases_for(row.model_fields, {}),
        location_column="location",
        lines=_STOCK_LINES,
    )


_ADJUSTED = Adjusted(
    quantity="quantity_on_hand",
    unit="unit",
    kinds=(
        Kind("received", "more of it came", adds=True, data=_data(MovementRow)),
        Kind("consumed", "some of it was used", adds=False, data=_data(MovementRow)),
        Kind("transferred", "some went to another place", False, _data(TransferredRow), to_column="to_location"),
        Kind("disposed", "some of it, or all, was thrown away", adds=False, data=_data(DisposedRow)),
    ),
)

FEED = Feed(
    name="inventory",
    title="lab inventory",
    record_types=(
        RecordType(
            name="inventory.asset",
            title="asset list",
            row_model=AssetRow,
            key_columns=("asset_tag",),
            aliases=aliases_for(AssetRow.model_fields, ASSET_SPELLINGS),
            location_column="location",
            tag_column="asset_tag",
            gone_by=("acquired_on",),
            untagged="Things without a tag go into a list of their own that has no tag column (a stock list)",
            contract_version=2,
            former=(_FIRST_ASSET,),
        ),
        RecordType(
            name="inventory.stock",
            title="stock list",
            row_model=StockRow,
            key_columns=_STOCK_LINES.columns,
            aliases=aliases_for(StockRow.model_fields, STOCK_SPELLINGS),
            location_column="location",
            is_gone=used_up,
            gone_by=("received_on", "opened_on"),
            contract_version=2,
            telling=TELLING_STOCK,
            lines=_STOCK_LINES,
            former=(_FIRST_STOCK,),
            adjusted=_ADJUSTED,
        ),
        RecordType(
            name="inventory.calibration",
            title="calibration list",
            row_model=CalibrationRow,
            key_columns=("asset_tag", "calibrated_on"),
            aliases=aliases_for(CalibrationRow.model_fields, CALIBRATION_SPELLINGS),
            tag_column="asset_tag",
        ),
    ),
    priority=20,
    foreign=(ORDER_LINES, ORDERS, MOVEMENTS),
)
