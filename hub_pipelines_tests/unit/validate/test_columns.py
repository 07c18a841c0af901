import pytest

from hub_pipelines.validate.columns import map_columns, normalise_header
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Unreadable

from .builders import GOOD_ROW, GOOD_ROWS, INVENTORY, RECORD_TYPES, feed_of


@pytest.mark.parametrize("text", ["Asset_Tag", " asset-tag *", "ASSET\u00a0TAG:", "asset/tag", "Asset. Tag"])
def test_spellings_of_one_header_are_equal(text: str) -> None:
    assert normalise_header(text) == "asset tag"


def test_optional_columns_may_be_absent() -> None:
    assert set(map_columns(list(GOOD_ROW)[:2], INVENTORY).positions) == set(INVENTORY.record_types[0].required)


def test_two_columns_for_one_meaning_are_refused() -> None:
    with pytest.raises(Unreadable) as caught:
        map_columns([*GOOD_ROW, "Qty"], INVENTORY)
    assert 'Two columns both mean "quantity"' in caught.value.reason


def test_missing_columns_are_listed_with_the_nearest_header() -> None:
    with pytest.raises(Unreadable) as caught:
        map_columns(["Container ID", "Contents", "Quantitty", "Location"], FEEDS["hazmat"])
    assert 'quantity (did you mean the column "Quantitty"?)' in caught.value.reason
    assert "unit" in caught.value.reason
    assert "quantity, unit" in caught.value.fix


def test_unknown_and_nameless_columns_keep_distinct_names() -> None:
    found = map_columns([*GOOD_ROW, "Note", "", "Note"], INVENTORY)
    assert [name for _, name in found.unknown] == ["Note", "Column R", "Note (2)"]


def test_procurement_comes_before_the_feeds_that_are_checked_against_it() -> None:
    first, *others = sorted(FEEDS.values(), key=lambda feed: feed.priority)
    assert first.name == "procurement"
    assert {feed.name for feed in others} == {"inventory", "hazmat", "grants"}
    assert all(first.priority < feed.priority for feed in others)
    assert FEEDS["procurement"].record_types[0].required == ("asset_tag", "po_number", "campus")
    assert all(
        text for feed in FEEDS.values() for one in feed.record_types for text in one.column_descriptions.values()
    )


def columns_of(header: str, feed: str) -> tuple[str, set[str]]:
    found = map_columns(header.split(","), FEEDS[feed])
    return found.record.name, set(found.positions)


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_a_record_type_is_known_by_all_its_columns_and_by_the_required_ones_alone(record_type: str) -> None:
    feed = feed_of(record_type)
    assert map_columns(list(GOOD_ROWS[record_type]), feed).record.name == record_type
    assert map_columns(list(RECORD_TYPES[record_type].required), feed).record.name == record_type


@pytest.mark.parametrize(
    ("header", "record_type"),
    [
        ("id,name,cas_number,supplier,location,quantity,unit,expiration_date,low_stock_threshold,Delete,Edit", "stock"),
        (
            "Item ID,Chemical Name,CAS Number,Category,Location,Quantity,Min Limit,Unit,Expiry Date,Alert Status",
            "stock",
        ),
        ("Cat#,Name,Company,Room,Qty,UOM", "stock"),
        ("state,county,nsn,item_name,quantity,ui,acquisition_cost,ship_date,Location", "stock"),
        ("Item Number,Description,Storage Location,On Hand,Unit of Measure,Vendor,Lot #,Reorder Point", "stock"),
        ("Asset Tag,Item,Calibration Date,Result,Next Due,Technician,Certificate No", "calibration"),
        ("Barcode,Last Cal Date,Cal Result,Cal Due,Location,Serial Number", "calibration"),
        ("Tag,Item,Category,Qty,Unit,Room,Email,Acquired,Unit Price,PO #,Cat#", "asset"),
        ("Tag,Item,Category,Qty,Unit,Room,Email,Acquired,PO #,Cat#", "asset"),
        ("Property_Tag,Serial_Number,Service_Tag,Type,Location,Status", "asset"),
        ("Asset Tag,Name,CAS,Cat#,Lot,Supplier,Quantity,Unit,Location,Expiry", "asset"),
        ("Barcode,Name,Location,Serial Number", "asset"),
        ("Barcode,Chemical Name,CAS Number,Amount,Unit,Storage Location,Manufacturer,Received Date", "stock"),
        ("Item,Supplier,Supplier Item Identifier", "stock"),
        ("Item,Use,Room,Bench,Drawer/Cabinet", "stock"),
        ("ID,,Name,Location,Cat ,Web", "stock"),
        ("Name,Company,Cat#", "stock"),
        ("Name,ID,Vendor,Vendor Reference,URL,Concentration,Price,Raised in,Recognizes,Maintext", "stock"),
        (
            "Chemical Name,CAS Number,Hazard Classification,Container Type,Amount,Initials,Manufacturer,Received Date",
            "stock",
        ),
        ("state,county,fips,nsn,item_name,quantity,ui,acquisition_cost,total_cost,ship_date", "stock"),
    ],
)
def test_an_inventory_file_is_what_its_header_says(header: str, record_type: str) -> None:
    assert columns_of(header, "inventory")[0] == f"inventory.{record_type}"


@pytest.mark.parametrize(
    ("header", "record_type"),
    [
        ("Barcode,Chemical Name,CAS Number,Amount,Unit,Storage Location,Manufacturer,Received Date", "container"),
        ("chemBottleIDNUM,chemName,chemAmountInBottle,chemAmountUnit,Room", "container"),
        ("Waste Tag,Waste Description,EPA Waste Codes,Volume,UOM,SAA,Accumulation Start Date,PI,Lab", "container"),
        ("Drum ID,Contents,UN #,DOT Hazard Class,PG,Weight,Unit,Location,Generator EPA ID", "container"),
        ("Container ID,Event #,Action,Date and Time,From,To,Signature", "event"),
        ("Container,Seq,Event,Timestamp,From Location,To Location,Qty,Unit,Seal #,MTN,Notes", "event"),
    ],
)
def test_a_hazmat_file_is_what_its_header_says(header: str, record_type: str) -> None:
    assert columns_of(header, "hazmat")[0] == f"hazmat.{record_type}"


@pytest.mark.parametrize(
    ("header", "record_type"),
    [
        (
            "Award ID,Recipient Name,Description,Start Date,End Date,Award Amount,Awarding Agency,Funding Agency",
            "award",
        ),
        ("id,title,date,startDate,expDate,awardeeName,cfdaNumber,fundsObligatedAmt,piFirstName,piEmail", "award"),
        ("Grant Number,Sponsor,PI,Start,End,Obligated to Date,F&A Rate,ALN", "award"),
        ("Transaction ID,Award,Posting Date,Account,Description,Vendor,Amount,Invoice #,PO #", "expenditure"),
        ("IDENTIFIER,AWARD,POSTING DATE,TRANS DATE,MERCHANT NAME,TRANS AMOUNT,EXPENDITURE TYPE", "expenditure"),
        ("Journal Line ID,Grant ID,Accounting Date,Monetary Amount,Currency,Supplier,Memo", "expenditure"),
    ],
)
def test_a_grants_file_is_what_its_header_says(header: str, record_type: str) -> None:
    assert columns_of(header, "grants")[0] == f"grants.{record_type}"


@pytest.mark.parametrize(
    ("header", "feed", "reason", "fix"),
    [
        # a list of chemicals has no number on its containers, and nobody guesses one
        (
            "Chemical Name,CAS Number,Hazard Classification,Container Type,Amount,Initials,Manufacturer,Received Date",
            "hazmat",
            "lacks 3 required columns of a container list: container_id",
            "The header row of a custody log needs: container_id, event_seq",
        ),
        ("Property_Tag,Serial_Number,Location,Status", "inventory", "an asset list: item_name", "an asset list needs"),
        ("Cat#,Supplier,Location,Quantity", "inventory", "of a stock list: item_name", "a stock list needs: item_name"),
        ("ID,Name,Company,Email", "inventory", "too general to tell that this is a stock list", "item_name, location"),
        ("Intermediate Value,Description,Sub-object", "inventory", "too general", "a name that says what it holds"),
        ("Number,Line,Description,Quantity,Price,Amount,Supplier,Currency", "grants", "lacks", "transaction_id"),
        (
            "Transaction ID,Award,Postingdate,Amount",
            "grants",
            'posted_on (did you mean the column "Postingdate"?)',
            "posted_on",
        ),
        (
            "Container ID,Contents,Qty,Container Size,Unit,Location",
            "hazmat",
            'Two columns both mean "quantity": "Qty" (column C) and "Container Size" (column D)',
            "rename one",
        ),
        (
            "Container ID,Event #,Event,Date,Time,To",
            "hazmat",
            'Two columns both mean "at": "Date" (column D) and "Time" (column E)',
            "rename one",
        ),
    ],
)
def test_a_header_that_is_not_enough_is_refused_with_what_is_needed(
    header: str, feed: str, reason: str, fix: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        columns_of(header, feed)
    assert reason in caught.value.reason
    assert fix in caught.value.fix


def test_a_calibration_list_that_lacks_its_result_is_not_taken_for_an_asset_list() -> None:
    header = "Tag,Item,Calibration Date,Next Due,Technician,Cost"
    with pytest.raises(Unreadable) as caught:
        columns_of(header, "inventory")
    assert caught.value.reason == (
        "The columns would do for an asset list, but most are those of a calibration list, which also needs: result."
    )
    assert "remove or rename: Calibration Date, Next Due, Technician" in caught.value.fix


def test_columns_that_fit_two_record_types_equally_well_are_refused() -> None:
    header = "Asset tag,Calibrated on,Result,Item,Location,Qty,Unit"
    with pytest.raises(Unreadable) as caught:
        columns_of(header, "inventory")
    assert "an asset list" in caught.value.reason
    assert "a calibration list" in caught.value.reason


ORDER_LINES = "Purchasing Org,Approved Date,Number,Line,Category,Description,Quantity,UOM,Price,Amount,Buyer,Cancelled"


@pytest.mark.parametrize("feed", ["inventory", "procurement"])
def test_purchase_order_lines_are_refused_for_what_they_are(feed: str) -> None:
    with pytest.raises(Unreadable) as caught:
        columns_of(ORDER_LINES, feed)
    assert caught.value.reason.startswith("These are lines of purchase orders and not items")
    assert "asset_tag, po_number and campus" in caught.value.fix


@pytest.mark.parametrize("feed", ["inventory", "procurement"])
def test_order_lines_that_have_tags_are_a_list_of_what_has_them(feed: str) -> None:
    found = map_columns([*ORDER_LINES.split(","), "Asset Tag", "PO Number", "Campus"], FEEDS[feed])
    assert found.record.name == f"{feed}.asset"


@pytest.mark.parametrize(
    ("header", "column", "heading"),
    [
        ("id,Catalog #,Name,Location,Qty,Unit", "item_code", "Catalog #"),
        ("Catalog #,id,Name,Location,Qty,Unit", "item_code", "Catalog #"),
        ("SKU,Description,Name,Location,Qty,Unit", "item_name", "Name"),
        ("SKU,Name,Location,Room,Qty,Unit", "location", "Location"),
        ("SKU,Name,Location,Qty,Unit,Manufacturer,Supplier", "supplier", "Supplier"),
    ],
)
def test_a_vague_heading_gives_way_to_a_clear_one_and_its_column_is_kept(
    header: str, column: str, heading: str
) -> None:
    names = header.split(",")
    found = map_columns(names, INVENTORY)
    assert names[found.positions[column]] == heading
    assert len(found.positions) + len(found.unknown) == len(names)
