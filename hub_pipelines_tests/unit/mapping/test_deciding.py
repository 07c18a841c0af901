"""What is mapped, what is asked and what is left alone, one behaviour at a time."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.mapping.content import tags_perhaps
from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.likeness import likeness, taken_apart
from hub_pipelines.mapping.model import Asked, Confirmed, Mapping, Question
from hub_pipelines.mapping.spellings import known_headings
from hub_pipelines.validate.columns import map_columns
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell, Feed, Unreadable

from .deciding import CHEMICALS, INVENTORY, LIES, NOBODY, asked, mapped, of, rows

# ---- headings


def test_a_contracts_own_headings_are_left_as_they_are() -> None:
    header = list(INVENTORY.record_type("inventory.asset").columns)
    mapping = decide(header, [], INVENTORY, NOBODY)
    assert mapping.record_type == "inventory.asset"
    assert list(mapping.header) == header
    assert {one.how for one in mapping.assigned} == {"name"}


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("Chemical Name ", "item_name"), ("1. Name of chemical*", "item_name"), ("Cat #", "item_code"),
        ("Cat. No.", "item_code"), ("Catalogue Nr", "item_code"), ("Qty.", "quantity_on_hand"),
        ("current_qty", "quantity_on_hand"), ("qtyOnHand", "quantity_on_hand"), ("Loc.", "location"),
        ("Bldg/Room", "location"), ("Mfr", "supplier"), ("C.A.S.", "cas_number"), ("CAS #(s)", "cas_number"),
        ("Exp.", "expires_on"), ("Expiraton Date", "expires_on"), ("Desired Quanity", "reorder_level"),
        ("Lagerort", "location"), ("Quantité", "quantity_on_hand"), ("Fecha de caducidad", "expires_on"),
        ("Scadenza", "expires_on"), ("Validade", "expires_on"), ("Leverancier", "supplier"),
        ("Место хранения", "location"), ("Кол-во", "quantity_on_hand"), ("存放位置", "location"),
        ("批号", "lot_number"),
        ("ปริมาณ", "quantity_on_hand"), ("使用期限", "expires_on"), ("보관장소", "location"), ("מיקום", "location"),
    ],
)  # fmt: skip
def test_a_heading_is_known_through_its_decoration_abbreviation_slip_or_language(heading: str, column: str) -> None:
    mapping = mapped(f"Reagent name|{heading}" if column != "item_name" else f"{heading}|CAS")
    assert of(mapping, column).heading == heading
    assert mapping.header[of(mapping, column).position] in (heading, column)


@pytest.mark.parametrize(
    "heading",
    ["Storage Condition Code", "Molecular weight", "Supplier Contact", "Hazard Classification", "Formula", "PO", "№"],
)
def test_a_heading_of_something_else_is_not_taken_for_what_it_looks_like(heading: str) -> None:
    assert [one.column for one in mapped(f"Reagent name|{heading}", "Acetone|", "Urea|").assigned] == ["item_name"]


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("Quantity (mL)", "mL"),
        ("Amount [g]", "g"),
        ("Menge in kg", "kg"),
        ("Volume \u00b5L", "\u03bcL"),
        ("Quantity", None),
    ],
)
def test_a_unit_in_the_heading_is_told(heading: str, unit: str | None) -> None:
    assert of(mapped(f"Reagent name|{heading}", "Acetone|3", "Urea|4", "Agar|5"), "quantity_on_hand").unit == unit


def test_a_currency_in_the_heading_is_told() -> None:
    mapping = mapped("Asset Tag|Item Name|Preis (USD)", "T-1|Zentrifuge|12,50")
    assert of(mapping, "unit_cost").unit == "USD"


def test_prices_in_another_currency_are_kept_unread_and_refuse_no_row() -> None:
    mapping = mapped("Inventarnr.|Gerät|Preis (€)", "T-1|Zentrifuge|12,50", "T-2|Waage|8,00")
    assert "unit_cost" not in mapping.positions
    (note,) = mapping.notes
    assert note == (
        '"Preis (€)" was not taken as unit_cost: its amounts are in EUR, and the hub keeps them in US dollars and '
        "converts none. Its values are kept with each row."
    )


def test_of_a_vague_heading_and_a_clear_one_the_clear_one_is_taken() -> None:
    mapping = mapped("Description|Chemical Name", "for titration|Acetone")
    assert of(mapping, "item_name").heading == "Chemical Name"


def test_a_name_is_preferred_to_a_description_and_a_description_to_a_type() -> None:
    header = "Asset Tag|Asset Type|Asset Description|Asset Name"
    assert of(mapped(header, "T-1|Workstation|black|WS-001"), "item_name").heading == "Asset Name"
    mapping = mapped("Asset Tag|Asset Type|Description", "T-1|Workstation|Dell tower")
    assert of(mapping, "item_name").heading == "Description"


def test_a_place_within_a_room_gives_way_to_the_room() -> None:
    assert of(mapped("Item|Drawer/Cabinet|Room", "Beaker|Drawer 2|214"), "location").heading == "Room"
    assert of(mapped("Item|Drawer/Cabinet", "Beaker|Drawer 2"), "location").heading == "Drawer/Cabinet"


@pytest.mark.parametrize(
    ("header", "line", "column", "heading"),
    [
        ("Name|Location|Location (if in use)", "Ruler|Shelf 1|Room 3", "location", "Location"),
        (
            "Item|Supplier Item Identifier|Manufacturer Part Number", "Agar|B7880-5MG|B7880", "item_code",
            "Supplier Item Identifier",
        ),
        ("제품명|제품번호|CAT No.", "chloroform|2592540|AH049-4A", "item_code", "CAT No."),
        ("Item Name|Product Number|Catalog #", "Agar|17|B7880-5MG", "item_code", "Catalog #"),
        ("제품명|제품명(한글)", "chloroform|클로로포름", "item_name", "제품명"),
    ],
)  # fmt: skip
def test_of_several_headings_for_one_column_the_plainest_is_taken_without_a_question(
    header: str, line: str, column: str, heading: str
) -> None:
    assert of(mapped(header, line, line, line), column).heading == heading


def test_of_two_amounts_none_is_taken_because_its_heading_is_the_contracts() -> None:
    (question,) = asked("Chemical Name|Quantity|Quantity left", "Acetone|4|3", "Urea|2|1", "Agar|3|3")
    assert question.column == "quantity_on_hand"


@pytest.mark.parametrize(
    ("header", "heading"),
    [
        ("chemName|chemLocationRoom|chemLocationCabinet|chemLocationShelf", "chemLocationRoom"),
        ("Item|Drawer|Shelf|Cabinet|Room", "Room"),
        ("Item|Drawer|Shelf|Freezer", "Freezer"),
        ("Item|Drawer|Shelf", "Shelf"),
        ("Item|Shelf|Storage Location", "Storage Location"),
    ],
)
def test_of_several_places_the_widest_is_the_location_and_the_others_stay_with_the_row(
    header: str, heading: str
) -> None:
    names = header.split("|")
    line = "|".join(["Acetone", *(f"{number}" for number in range(len(names) - 1))])
    mapping = mapped(header, line, line, line)
    assert of(mapping, "location").heading == heading
    assert list(mapping.positions) == ["item_name", "location"]
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions


@pytest.mark.parametrize(
    ("heading", "value"),
    [
        ("Supplier Location", "Boston"), ("SDS Location", "Binder 4"), ("Previous Location", "B-12"),
        ("Max Quantity", "40"), ("Requested Delivery Date", "2024-05-06"), ("Amount Used", "4"),
    ],
)  # fmt: skip
def test_a_word_before_or_behind_may_make_it_something_else(heading: str, value: str) -> None:
    mapping = mapped(f"Chemical Name|{heading}", *[f"Acetone|{value}"] * 3)
    assert list(mapping.positions) == ["item_name"]


LANGUAGES = {
    "ja": ("試薬名", "保管場所", "在庫量", "単位", "製造業者", "カタログ番号", "ロット番号", "使用期限"),
    "ko": ("시약이름", "저장장소", "수량", "단위", "제조사명", "카탈로그 번호", "로트번호", "유통기한"),
    "zh": ("试剂名称", "存放地点", "数量", "单位", "供应商名称", "货号", "批号", "有效期至"),
    "tw": ("藥品名稱", "存放地點", "數量", "單位", "廠牌", "型錄編號", "批號", "保存期限"),
    "ar": ("اسم الصنف", "موقع التخزين", "الكمية", "وحدة القياس", "الشركة المصنعة", "رقم الكتالوج", "رقم الدفعة",
           "تاريخ الصلاحية"),
    "tr": ("Kimyasal Adı", "Bulunduğu Yer", "Miktarı", "Birimi", "Tedarikçi", "Katalog No", "Lot Numarası",
           "Son Kullanma Tarihi"),
    "pl": ("Nazwa odczynnika", "Miejsce przechowywania", "Ilość", "J.m.", "Producent", "Numer katalogowy", "Nr serii",
           "Data ważności"),
    "cs": ("Název látky", "Umístění", "Množství", "Měrná jednotka", "Výrobce", "Katalogové číslo", "Šarže", "Expirace"),
    "sv": ("Kemikaliens namn", "Förvaringsplats", "Mängd", "Enhet", "Leverantör", "Artikelnummer", "Batchnummer",
           "Utgångsdatum"),
    "vi": ("Tên hóa chất", "Vị trí", "Số lượng", "Đơn vị", "Nhà cung cấp", "Mã sản phẩm", "Số lô", "Hạn sử dụng"),
    "id": ("Nama Bahan", "Lokasi Penyimpanan", "Jumlah", "Satuan", "Pemasok", "Nomor Katalog", "Nomor Batch",
           "Tanggal Kedaluwarsa"),
    "hi": ("रसायन का नाम", "भंडारण स्थान", "मात्रा", "इकाई", "आपूर्तिकर्ता", "कैटलॉग संख्या", "बैच संख्या", "समाप्ति तिथि"),
    "th": ("ชื่อสารเคมี", "สถานที่เก็บ", "ปริมาณ", "หน่วย", "บริษัท", "รหัสสินค้า", "หมายเลขล็อต", "วันหมดอายุ"),
    "he": ("שם החומר", "מיקום", "כמות", "יחידה", "ספק", "מספר קטלוגי", "מספר אצווה", "תאריך תפוגה"),
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_in_a_language_of_its_own_is_read_without_a_question(language: str) -> None:
    mapping = mapped(
        "|".join(LANGUAGES[language]),
        "Acetone|B-2|4|L|Merck|A-17|L2001|2027-01-31",
        "Urea|B-2|1|kg|VWR|U-9|L77|2027-06-30",
    )
    assert list(mapping.positions) == [
        "item_name", "location", "quantity_on_hand", "unit", "supplier", "item_code", "lot_number", "expires_on"
    ]  # fmt: skip
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions


# ---- values


def test_a_column_of_cas_numbers_is_one_whatever_its_name() -> None:
    lines = [f"{name}|{cas}" for name, cas in zip(CHEMICALS[::2], CHEMICALS[1::2], strict=True)]
    mapping = mapped("Reagent name|Registry", *lines)
    found = of(mapping, "cas_number")
    assert (found.heading, found.how) == ("Registry", "content")
    assert found.evidence == ("4 of 4 values are CAS numbers with right check digit",)
    assert mapping.header[1] == "cas_number"


def test_a_cas_column_that_holds_catalogue_numbers_is_kept_unknown_and_told() -> None:
    mapping = mapped("name|cas_number|location", *LIES)
    assert "cas_number" not in mapping.positions
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions
    (note,) = mapping.notes
    assert note.startswith('"cas_number" was not taken as cas_number')
    assert "none of 3 values is a CAS number" in note


def test_hazards_in_words_are_no_hazard_codes() -> None:
    lines = ("Acetone|Flammable|Shelf 1", "Phenol|Toxic|Shelf 2", "Urea|None known|Shelf 2")
    assert "hazard_codes" not in mapped("Chemical Name|Hazards|Location", *lines).positions


def test_a_table_without_headings_is_told_by_its_values() -> None:
    mapping = mapped(
        "||||", "Acetone|67-64-1|Sigma-Aldrich|4 L|Cabinet 1", "Urea|57-13-6|VWR|1 kg|Shelf 2",
        "Phenol|108-95-2|Sigma-Aldrich|500 g|Cabinet 1", "Toluene|108-88-3|VWR|2.5 L|Cabinet 1",
    )  # fmt: skip
    assert mapping.header == ("item_name", "cas_number", "supplier", "quantity_on_hand", "location")


@pytest.mark.parametrize("amounts", [("2", "5", "8", "11"), ("2 racks", "5 racks", "8 racks", "11 racks")])
def test_without_headings_numbers_that_may_be_the_amounts_are_asked_about(amounts: tuple[str, ...]) -> None:
    names = ("Gloves nitrile", "Pipette tips", "Falcon tubes", "Parafilm")
    lines = [f"{name}|{amount}|Room {n}" for n, (name, amount) in enumerate(zip(names, amounts, strict=True))]
    questions = {one.column: one.position for one in asked("||", *lines)}
    assert questions["quantity_on_hand"] == 1


def test_without_headings_numbers_of_rows_and_long_ones_are_not_asked_about() -> None:
    names = ("Gloves nitrile", "Pipette tips", "Falcon tubes", "Parafilm")
    lines = [f"{n + 1}|{name}|Room {n}|4400{n}12{n}" for n, name in enumerate(names)]
    assert [one.column for one in asked("|||", *lines)] == ["item_name"]


def test_a_table_without_headings_whose_values_tell_nothing_is_refused() -> None:
    with pytest.raises(Unreadable, match="no row of headings"):
        mapped("||", "1|2|3", "4|5|6", "7|8|9")


def test_a_list_of_people_is_not_taken_for_a_stock_list() -> None:
    with pytest.raises(Unreadable, match="too general"):
        mapped("Nom|Bureau|Courriel", "Marie Curie||m@uni.fr", "Louis Pasteur||l@uni.fr", "Henri Becquerel||h@uni.fr")


# ---- record types


def test_a_list_with_tags_is_of_assets_and_one_without_is_stock() -> None:
    assert mapped("Property Tag|Description|Room", "T-1|Laptop|101").record_type == "inventory.asset"
    assert mapped("Chemical|CAS|Room", "Acetone|67-64-1|101").record_type == "inventory.stock"
    assert (
        mapped("Equip. ID|Cal. Date|Pass/Fail|Next due", "E-1|2025-01-02|pass|").record_type == "inventory.calibration"
    )


def test_a_record_type_that_people_have_told_is_kept() -> None:
    confirmed = Confirmed(record_type="inventory.calibration")
    mapping = mapped("Property Tag|Instrument|Room", "T-1|Balance|101", confirmed=confirmed)
    assert mapping.record_type == "inventory.calibration"


def test_purchase_order_lines_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(Unreadable, match="purchase orders"):
        mapped("Purchasing Org|Approved Date|Number|Line|Buyer|Cancelled|Description", "x|2020-01-01|1|1|y||z")


# ---- bounds and documents


def test_a_decision_is_json_without_floats_and_reads_back() -> None:
    mapping = mapped("Chemical Name|Qty (mL)|cas_number", "Acetone|4|1", "Urea|1|2", "Agar|3|3")
    assert Mapping.from_document(json.loads(canonical_text(mapping.document()))) == mapping
    (question,) = asked("Chemical Name|Quantity left|Quantity available", "Acetone|4|5", "Urea|1|2", "Agar|3|3")
    assert Question.from_document(json.loads(canonical_text(question.document()))) == question
    confirmed = NOBODY.answered(question, "quantity left")
    assert Confirmed.from_document(json.loads(canonical_text(confirmed.document()))) == confirmed


@pytest.mark.parametrize(("count", "width", "limit"), [(5_000, 30, 5.0), (10, 16_384, 30.0)])
def test_large_samples_and_wide_headers_are_decided_in_bounded_time(count: int, width: int, limit: float) -> None:
    header = ["Chemical Name", "CAS #", *(f"Heading number {at} of it" for at in range(2, width))]
    row: list[Cell] = ["Acetone", "67-64-1", *(f"value {at}" for at in range(2, width))]
    before = time.thread_time()
    mapping = decide(header, [row] * count, INVENTORY, NOBODY)
    # of processor time, on a busy machine; alone it takes a tenth of that (bench/mapping.py)
    assert time.thread_time() - before < limit
    assert mapping.positions == {"item_name": 0, "cas_number": 1}


TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(sorted(known_headings(INVENTORY))),
    st.sampled_from(["", "Name", "CAS", "Qty (mL)", "Category", "Category", "ID", "Room", "№", "chemName"]),
)
CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.none(), st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes(),
    st.sampled_from(["67-64-1", "25 g", "H225", "a@b.edu", "B2", "Sigma", "1/2/2024", "$5", "EUR", "n/a", "="]),
)  # fmt: skip


def decided(header: list[str], sample: list[list[Cell]], feed: Feed) -> Mapping | None:
    """What is certain, asked or not; None for a refusal."""
    try:
        return decide(header, sample, feed, NOBODY)
    except Unreadable:
        return None
    except Asked as told:
        return told.mapping


@settings(max_examples=150, deadline=None)
@given(
    header=st.lists(TEXTS, min_size=1, max_size=8),
    sample=st.lists(st.lists(CELLS, max_size=9), max_size=6),
    feed=st.sampled_from(sorted(FEEDS)),
)
def test_whatever_is_sent_each_column_is_mapped_once(header: list[str], sample: list[list[Cell]], feed: str) -> None:
    mapping = decided(header, sample, FEEDS[feed])
    if mapping is None:
        return
    assert len(mapping.header) == len(header)
    assert len(set(mapping.positions.values())) == len(mapping.positions) == len(mapping.assigned)
    assert canonical_text(mapping.document())


@pytest.mark.parametrize(
    "header",
    [
        [""],
        [" "],
        ["\x00"],
        ["*"],
        ["((((("],
        ["(mL)"],
        ["#"],
        ["a" * 40_000],
        ["=1+1", "'", '"'],
        ["\ud800"],
        ["CAS", "CAS"],
    ],
)
def test_odd_headers_end_in_a_decision_a_question_or_a_refusal(header: list[str]) -> None:
    sample: list[list[Cell]] = [
        ["x" * 40_000],
        [None],
        [],
        [float("nan")],
        [10**30],
        [10**5_000],
        [-1000],
        [float("-inf")],
        [True],
        ["\ud800", "1" * 5_000],
    ]
    for feed in FEEDS.values():
        try:
            decide(header, sample, feed, NOBODY)
        except (Asked, Unreadable):
            continue


# ---- numbers that are no quantity as they stand


@pytest.mark.parametrize(
    "heading",
    ["% remaining", "Quantity (x1000)", "Weight (g/mol)", "Amount (mg/mL)", "Quantity (thousands)", "Amount in k"],
)
def test_a_heading_that_tells_of_a_share_a_ratio_or_a_multiple_is_asked_about(heading: str) -> None:
    (question,) = asked(f"Name|Location|{heading}", "Acetone|Lab 1|10", "Toluene|Lab 1|20", "Phenol|Lab 2|30")
    assert (question.column, question.heading) == ("quantity_on_hand", heading)


@pytest.mark.parametrize("heading", ["Cost ($K)", "Cost (k€)", "Unit cost (thousands)"])
def test_a_cost_in_thousands_is_no_unit_cost(heading: str) -> None:
    mapping = mapped(f"Asset Tag|Name|Location|{heading}", "T-1|Balance|Lab 1|1.5", "T-2|Mixer|Lab 1|2.5")
    assert "unit_cost" not in mapping.positions


SIZES = ("Acetone|Lab 1|500|mL|3", "Toluene|Lab 1|1000|mL|2", "Phenol|Lab 2|250|g|1")


def test_a_unit_beside_a_size_without_one_is_not_taken_for_the_quantitys() -> None:
    """Three bottles of 500 mL are not 3 mL. It is kept as it was sent, unless people have said whose it is."""
    header = "Name|Location|Size|Unit|Quantity"
    mapping = mapped(header, *SIZES)
    assert "unit" not in mapping.positions
    assert {"quantity_on_hand", "container_size"} <= mapping.positions.keys()
    assert "unit" in mapped(header, *SIZES, confirmed=Confirmed({"unit": "unit"})).positions


def test_a_unit_of_counted_things_beside_a_size_is_the_quantitys() -> None:
    mapping = mapped("Name|Location|Size|Unit|Quantity", *(line.replace("mL", "bottle") for line in SIZES[:2]))
    assert "unit" in mapping.positions


def test_without_headings_one_of_two_number_columns_is_not_just_taken() -> None:
    lines = ("Acetone|67-64-1|Cabinet 1|500 mL", "Toluene|108-88-3|Shelf 2|1 L", "Phenol|108-95-2|Shelf 2|250 mL")
    assert "quantity_on_hand" in mapped("|||", *lines).positions
    (question,) = asked("||||", *(f"{line}|{number}" for line, number in zip(lines, (4, 2, 1), strict=True)))
    assert question.column == "quantity_on_hand"


@pytest.mark.parametrize("heading", ["# of containers", "Number of bottles"])
def test_a_unit_of_amounts_is_not_that_of_a_count_of_bottles(heading: str) -> None:
    mapping = mapped(f"Name|Location|{heading}|Unit", "Acetone|Lab 1|3|mL", "Toluene|Lab 1|2|mL", "Urea|Lab 2|1|g")
    assert "quantity_on_hand" in mapping.positions
    assert "unit" not in mapping.positions


def test_tags_that_a_spreadsheet_has_damaged_do_not_make_a_list_without_tags() -> None:
    lines = [f"{number}-Jan|Balance|Lab {number}|2024-01-0{number}" for number in range(1, 8)]
    mapping = mapped("Asset Tag|Name|Location|Acquired", *lines)
    assert mapping.record_type == "inventory.asset"
    assert "asset_tag" in mapping.positions


@pytest.mark.parametrize("heading", ["Max Quantity", "Maximum stock"])
def test_the_most_is_not_the_least(heading: str) -> None:
    (likes,) = likeness(taken_apart([heading]), INVENTORY.record_type("inventory.stock"))
    assert "reorder_level" not in likes


AWARDS = FEEDS["grants"]


@pytest.mark.parametrize("heading", ["ARRAAmount", "Stimulus Amount", "Indirect amount"])
def test_what_only_ends_in_a_bare_word_is_asked_about_whatever_its_values(heading: str) -> None:
    header = f"Award Number|Title|PI|Start Date|End Date|{heading}"
    lines = [f"A-{at}|Soil life|Ada Lovelace|2024-01-0{at}|2026-01-01|$0.00" for at in range(1, 6)]
    (question,) = asked(header, *lines, feed=AWARDS)
    assert question.column == "obligated_amount"


def test_what_was_awarded_to_date_is_the_awards_amount_and_a_share_of_the_cost_is_not() -> None:
    header = "Award Number|Title|PI|Start Date|End Date|{}|Cost Share Amount"
    line = "A-{0}|Soil life|Ada Lovelace|2024-01-0{0}|2026-01-01|$81,400.00|$12,000.00"
    for heading in ("Total Awarded to Date", "AwardedAmountToDate"):
        mapping = mapped(header.format(heading), *(line.format(at) for at in range(1, 6)), feed=AWARDS)
        assert of(mapping, "obligated_amount").heading == heading


def test_a_calibration_list_in_another_language_is_one_and_its_due_dates_are_no_expiry() -> None:
    header = "ID|Descripcion|Marca|FechaCalibracion|FechaVencimiento|EstadoCalibracion|Ubicacion"
    lines = [f"BAL-{at}|Balanza|Ohaus|2026-01-0{at}|2027-01-0{at}|CONFORME|Sala 2" for at in range(1, 5)]
    (question,) = asked(header, *lines)
    assert question.column == "asset_tag"
    mapping = mapped(header, *lines, confirmed=Confirmed({"id": "asset_tag"}))
    assert mapping.record_type == "inventory.calibration"
    assert of(mapping, "due_on").heading == "FechaVencimiento"
    assert of(mapping, "result").heading == "EstadoCalibracion"


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("FechaVencimiento", "expires_on"), ("NumeroLote", "lot_number"), ("dataValidade", "expires_on"),
        ("DatePéremption", "expires_on"), ("LuogoConservazione", "location"), ("Fecha Recepcion", "received_on"),
    ],
)  # fmt: skip
def test_small_words_may_be_missing_from_a_romance_heading(heading: str, column: str) -> None:
    assert of(mapped(f"Reactivo|{heading}"), column).heading == heading


@pytest.mark.parametrize("heading", ["Primary PI", "Lead PI", "Contact PI"])
def test_the_first_of_the_investigators_is_the_principal_one(heading: str) -> None:
    header = f"Award Number|Title|{heading}|Investigators|Start Date|End Date|Amount"
    lines = [f"A-{at}|Soil|Lovelace, Ada|Lovelace, Ada; Diaz, Bo|2024-01-02|2026-01-01|500.00" for at in range(1, 5)]
    assert of(mapped(header, *lines, feed=AWARDS), "pi_name").heading == heading


@pytest.mark.parametrize("heading", ["Estado", "State", "Status"])
def test_physical_states_are_no_status(heading: str) -> None:
    header, lines = f"Reactivo|CAS|{heading}", ("Acetone|67-64-1|liquid", "Urea|57-13-6|SOLID", "Phenol|108-95-2|solid")
    assert of(mapped(header, *lines), "physical_state").heading == heading
    in_other_words = mapped(header, *(line.replace("liquid", "LIQUIDO").replace("solid", "Sólido") for line in lines))
    assert not {"status", "physical_state"} & set(in_other_words.positions)
    in_use = mapped("Reactivo|CAS|Estado", *(f"{line.rpartition('|')[0]}|abierto" for line in lines))
    assert of(in_use, "status").heading == "Estado"


@pytest.mark.parametrize(
    ("heading", "codes"), [("Fuse", ("5A", "2A", "10A")), ("tube_number", ("26E", "27E", "28F")), ("Row", ("B1", "C2"))]
)
def test_short_codes_alone_are_not_thought_to_be_places(heading: str, codes: tuple[str, ...]) -> None:
    mapping = mapped(f"Reagent|{heading}", *(f"Acetone|{code}" for code in codes * 2))
    assert list(mapping.positions) == ["item_name"]
    assert not any("where the item is kept" in note for note in mapping.notes)


@pytest.mark.parametrize("heading", ["Nombre", "Name"])
def test_names_that_may_be_of_things_are_asked_about_and_not_refused(heading: str) -> None:
    header, lines = f"|Gen|{heading}|Sentido", ("|DRP1|DRP1-fw|Fw", "|DRP1|DRP1-rv|Rv", "|OPA1|OPA1-fw|Fw")
    (question,) = asked(header, *lines)
    assert (question.column, question.heading) == ("item_name", heading)
    mapping = mapped(header, *lines, confirmed=NOBODY.answered(question, question.choices[0].value))
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions == {"item_name": 2}


# -- what is none of our lists, and columns that only look like ours


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("PO Number|PO Date|Vendor|Item Description|Quantity|Status|Expected Delivery|Actual Delivery|Days Overdue",
         "These are lines of purchase orders"),
        ("Line|Item|Quantity|Unit of Measure|Extended Amount|Deliver-To|Ship-To Address|Supplier",
         "These are lines of purchase orders"),
        ("Время|Пользователь|Действие|Название|Количество", "This is a log of what was taken out"),
        ("Timestamp|User|Action|Item Name|Quantity", "This is a log of what was taken out"),
    ],
)  # fmt: skip
def test_orders_and_logs_are_no_stock_lists_and_what_has_posted_as_one_is_still_read(header: str, told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        mapped(header, "a|b|c|d|1")
    assert caught.value.reason.startswith(told)
    assert map_columns(["Name", "CAS", *header.split("|")], INVENTORY).record.name == "inventory.stock"


def test_a_stock_list_that_tells_who_changed_it_is_one() -> None:
    found = mapped("Item Name|Location|Quantity|User|Timestamp|Action", "Acetone|Room 3|2|kim|2026-01-02 10:00|edit")
    assert {"item_name", "location", "quantity_on_hand"} <= set(found.positions)


@pytest.mark.parametrize(
    ("header", "lines", "columns"),
    [
        ("Antigen|Supplier|Cat. no.|in stock", ["Nanog|R&D|SC009|Yes", "Oct4|R&D|SC010|No", "Sox2|R&D|SC011|Yes"],
         {"item_name": 0, "supplier": 1, "item_code": 2}),
        ("Código|Descrição|Entradas|Saídas|Saldo Atual", ["110|Luva|4|1|3", "111|Pipeta|5|0|5", "112|Tubo|2|2|0"],
         {"item_code": 0, "item_name": 1, "quantity_on_hand": 4}),
        ("Part Number|Item|Qty In|Qty Out|Total Qty", ["A1|Filter|4|1|3", "A2|Valve|5|0|5", "A3|Hose|2|0|2"],
         {"item_code": 0, "item_name": 1, "quantity_on_hand": 4}),
        ("Item Name|Weight Limit|Room", ["Hoist|250|3", "Crane|400|4", "Cart|90|3"], {"item_name": 0, "location": 2}),
        ("Antibody|Fluorophore|Localization|Box Location|Clone",
         ["CD103|BV510|Surface (表面)|Box 3|B1", "STAT3|FITC|Intranuclear (核内)|Box 4|B2", "CD73|PE|Surface|Box 3|B3"],
         {"item_name": 0, "location": 3}),
        ("code|title|quantity|description|Location",
         ["K1|Battery|1||A", "K2|Jumpers|2||A", "K3|Capacitor|3|new|B", "K4|Cable|1||B", "K5|Motor|1|new|C"],
         {"item_code": 0, "item_name": 1, "quantity_on_hand": 2, "location": 4}),
        ("Antigen|Vendor|Clone|Submitted by Name/Lab",
         ["Actin|Abcam|1A4|Roy lab", "Cytokeratin|Abcam|AE1|Godwin Lab", "Sox2|R&D|E4|Roy lab"],
         {"item_name": 0, "supplier": 1}),
        ("Name|Company|Cat#|Section",
         ["Agarose|Sigma|A9539|Right Cabinet", "Adenine|Sigma|A149|Right Cabinet", "Boric Acid|TCI|B42|Left Cabinet"],
         {"item_name": 0, "supplier": 1, "item_code": 2, "location": 3}),
        ("Component|Quantity in Inventory|Price", ["Relay|2|3.5", "Servo|4|9.0", "LED|12|0.1"],
         {"item_name": 0, "quantity_on_hand": 1}),
        ("Storage Room|Commodity|Quantity", ["S1|Tables|30", "S2|Chairs|100", "S3|Podiums|4"],
         {"location": 0, "item_name": 1, "quantity_on_hand": 2}),
    ],
    ids=["a yes or no is no amount", "saldo atual", "what came in is not what is there", "a limit is no amount",
         "a place in a cell is no place", "the fuller of two names", "who sent it is no place",
         "titles that are places", "a component", "a commodity"],
)  # fmt: skip
def test_columns_are_taken_for_what_they_hold(header: str, lines: list[str], columns: dict[str, int]) -> None:
    found = mapped(header, *lines, *lines)
    assert dict(found.positions) == columns


def test_values_of_the_procurement_list_make_their_column_the_tags_whatever_its_heading() -> None:
    header = ["Zeichen", "Désignation", "Local", "Quantité"]
    lines = rows("nc-101|Centrifugeuse|B-210|1", "NC-102|Étuve|B-210|1", "NC-103|Agitateur|B-211|1", "?|Bain|B-211|2")
    assert tags_perhaps(lines) >= {"NC-101", "NC-102", "NC-103"}
    found = decide(header, lines, INVENTORY, NOBODY, tags={"NC-101", "NC-102", "NC-103"})
    assert (found.record_type, of(found, "asset_tag").position) == ("inventory.asset", 0)
    assert of(found, "asset_tag").evidence == ("3 of 3 values are tags of the procurement list",)
    assert decide(header, lines, INVENTORY, NOBODY).record_type == "inventory.stock"


def test_a_heading_that_may_be_the_tags_is_sure_when_its_values_are_registered() -> None:
    header = ["Shop tag", "Equipment", "Mfr / Model", "Room", "Qty"]
    lines = rows("NC-101|Scale|Kern 440|B1|1", "NC-102|Oven|Memmert IN110|B1|1", "NC-1O3|Bath|Grant JB|B2|1")
    assert decide(header, lines, INVENTORY, NOBODY).record_type == "inventory.stock"
    found = decide(header, lines, INVENTORY, NOBODY, tags={"NC-101", "NC-102"})
    assert of(found, "asset_tag").position == 0


def test_a_column_with_another_name_stays_what_its_heading_says_though_tags_stand_in_it() -> None:
    header = ["Asset Tag", "Serial number", "Item", "Room", "Qty"]
    lines = rows("NC-101|NC-101|Scale|B1|1", "NC-102|NC-102|Oven|B1|1", "NC-103|NC-103|Bath|B2|1")
    found = decide(header, lines, INVENTORY, NOBODY, tags={"NC-101", "NC-102", "NC-103"})
    assert {one.column: one.position for one in found.assigned}["asset_tag"] == 0
    assert of(found, "serial_number").position == 1


# -- what is on hand of things with tags

TAGGED = ("T-0001|Centrifuge|Room 101|2", "T-0002|Vortexer|Room 102|7", "T-0003|Pipette|Room 103|1")


@pytest.mark.parametrize(
    "heading",
    [
        "Quantity on hand",
        "On hand",
        "Qty on hand",
        "QOH",
        "In stock",
        "Auf Lager",
        "En stock",
        "Op voorraad",
        "Skladem",
    ],
)
def test_what_is_on_hand_is_the_quantity_of_a_thing_with_a_tag(heading: str) -> None:
    mapping = mapped(f"Asset tag|Item name|Location|{heading}", *TAGGED)
    assert (mapping.record_type, of(mapping, "quantity").heading) == ("inventory.asset", heading)


def test_of_two_amounts_of_a_thing_with_a_tag_its_sender_is_asked_which_is_there() -> None:
    (question,) = asked("Asset tag|Item name|Location|Quantity|On hand", *(f"{line}|9" for line in TAGGED))
    assert "how much there is" in question.text


def test_whether_a_thing_with_a_tag_is_in_stock_is_no_quantity() -> None:
    mapping = mapped("Asset tag|Item name|Location|In stock", *(f"{line[:-1]}yes" for line in TAGGED))
    assert "quantity" not in mapping.positions
