"""Snapshots: journal entries as Parquet files and back, and the state of a ledger at the end of any day."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.model import Batch, ledger_name
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.ledger.snapshots import files
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.snapshots.model import Day, NotInShape, Snapshot
from hub_pipelines.ledger.snapshots.service import NotPublished
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import RecordType, Shape
from hub_pipelines.validate.staging import StagedRow
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    Listed,
    asset,
    lease,
    make_registry,
    on_day,
    process,
    procurement_csv,
    send,
    send_assets,
)

INVENTORY = FEEDS["inventory"].record_type("inventory.asset")
PROCUREMENT = FEEDS["procurement"].record_type("procurement.asset")
MONDAY = date(2026, 3, 2)
DAYS = [MONDAY + timedelta(days=number) for number in range(4)]
NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)

_fresh = count()


def entry(row_no: int, key: str, row: dict[str, object], **changes: object) -> dict[str, Any]:
    text = canonical_text(row)
    return {
        "ledger": "inventory.asset@north",
        "version": 1,
        "row_no": row_no,
        "key": key,
        "operation": "set",
        "values": text,
        "digest": sha256_hex(text.encode()),
        "previous_version": None,
        "previous_row_no": None,
        "request_id": "north-inventory-x",
        "revision": 1,
        "campus": "north",
        "ledger_date": MONDAY,
        "contract_version": 1,
        "posted_at": NOON,
        **changes,
    }


# ---- files


def test_equal_entries_give_equal_bytes_and_digests_in_this_process_and_in_another(tmp_path: Path) -> None:
    entries = [entry(number, f"NC-{number}", dict(asset(f"NC-{number}"), other={"Ä": "1"})) for number in range(2, 500)]
    first = files.write(iter(entries), INVENTORY, tmp_path / "first.parquet")
    second = files.write(iter(entries), INVENTORY, tmp_path / "second.parquet")
    (tmp_path / "entries").write_bytes(pickle.dumps(entries))
    code = (
        "import pickle, sys; from pathlib import Path\n"
        "from hub_pipelines.ledger.snapshots import files; from hub_pipelines.validate.feeds import FEEDS\n"
        "folder = Path(sys.argv[1]); entries = pickle.loads((folder / 'entries').read_bytes())\n"
        "files.write(entries, FEEDS['inventory'].record_type('inventory.asset'), folder / 'third.parquet')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    written = {name: (tmp_path / f"{name}.parquet").read_bytes() for name in ("first", "second", "third")}
    assert len(set(written.values())) == 1
    assert first.file_digest == second.file_digest == sha256_hex(written["third"])
    assert first.content_digest == second.content_digest
    assert first.entries == 498


@pytest.mark.parametrize("column", ["values", "version", "row_no", "key", "request_id", "campus", "ledger_date"])
def test_other_entries_give_another_content_digest(tmp_path: Path, column: str) -> None:
    before = entry(2, "NC-1", dict(asset("NC-1")))
    other: dict[str, Any] = {"version": 2, "row_no": 3, "ledger_date": DAYS[1], "values": canonical_text(asset("NC-2"))}
    after = {**before, column: other.get(column, "another")}
    digests = [files.write([one], INVENTORY, tmp_path / "one.parquet").content_digest for one in (before, after)]
    assert digests[0] != digests[1]


def test_columns_have_the_types_of_their_contract_and_the_hubs_own_are_never_empty(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    files.write([entry(2, "NC-1", dict(asset("NC-1", unit_cost="84.50")))], INVENTORY, path)
    schema = pyarrow.parquet.read_schema(path)
    expected = {"text": pyarrow.string(), "integer": pyarrow.int64(), "date": pyarrow.date32()}
    for name, shape in INVENTORY.shapes.items():
        assert schema.field(name).type == expected.get(shape.kind, pyarrow.decimal128(18, shape.scale)), name
    own = {name: schema.field(name) for name in schema.names if name.startswith("hub_")}
    assert set(schema.names) == set(own) | set(INVENTORY.columns)
    assert not any(field.nullable for field in own.values())
    assert own["hub_ledger_date"].type == pyarrow.date32()
    assert own["hub_posted_at"].type == pyarrow.timestamp("us", "UTC")
    (row,) = pyarrow.parquet.read_table(path).to_pylist()
    assert (row["quantity"], row["unit_cost"]) == (Decimal("2.5"), Decimal("84.50"))
    assert (row["acquired_on"], row["hub_posted_at"], row["hub_row_no"]) == (date(2025, 8, 29), NOON, 2)


def _cells(shape: Shape) -> st.SearchStrategy[str]:
    if shape.kind == "decimal":
        most = 10 ** (18 - shape.scale) - 1
        return st.decimals(-most, most, places=shape.scale).map(lambda number: f"{number:f}")
    if shape.kind == "integer":
        return st.integers(-(2**63), 2**63 - 1).map(str)
    if shape.kind == "date":
        return st.dates(date(1900, 1, 1), date(2100, 12, 31)).map(date.isoformat)
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def _rows(record: RecordType) -> st.SearchStrategy[dict[str, object]]:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    known = st.fixed_dictionaries({name: st.none() | _cells(shape) for name, shape in record.shapes.items()})
    others = st.dictionaries(text, text | st.none(), max_size=3)
    return st.builds(lambda row, other: {**row, **({"other": other} if other else {})}, known, others)


@pytest.mark.parametrize("record", [INVENTORY, PROCUREMENT], ids=lambda record: record.name)
def test_values_survive_exactly_and_columns_say_the_same(tmp_path: Path, record: RecordType) -> None:
    path = tmp_path / "any.parquet"
    moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(_rows(record), moments), min_size=1, max_size=5))
    def survives(rows: list[tuple[dict[str, object], datetime]]) -> None:
        keys = [f"k{number}" for number in range(len(rows))]
        written = [
            entry(number, key, values, posted_at=at)
            for number, (key, (values, at)) in enumerate(zip(keys, rows, strict=True))
        ]
        files.write(written, record, path)
        assert [(one.key, one.values, one.posted_at) for one in files.state([path])] == [
            (key, values, at) for key, (values, at) in zip(keys, rows, strict=True)
        ]
        for (values, _), row in zip(rows, pyarrow.parquet.read_table(path).to_pylist(), strict=True):
            for name, shape in record.shapes.items():
                assert row[name] == _parsed(values[name], shape), name

    survives()


@pytest.mark.parametrize("record", [INVENTORY, PROCUREMENT], ids=lambda record: record.name)
def test_columns_that_are_read_of_many_entries_at_once_are_those_of_each(record: RecordType) -> None:
    schema = files._schema(record.shapes)

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(st.lists(_rows(record), min_size=1, max_size=5))
    def agree(rows: list[dict[str, object]]) -> None:
        entries = [entry(number, f"k{number}", values) for number, values in enumerate(rows)]
        at_once = files._all_typed([one["values"] for one in entries], record.shapes, schema)
        assert at_once == files._each_typed(entries, record.shapes, schema)

    agree()


@pytest.mark.parametrize(
    "values",
    [['{"asset_tag":"A"}{"asset_tag":"B"}', ""], ['{"asset_tag":"A"}\n{"asset_tag":"B"}', "{}"], ["{}\r{}", " "]],
)
def test_entries_that_are_no_single_rows_never_move_the_columns_of_others(values: list[str]) -> None:
    assert files._all_typed(values, INVENTORY.shapes, files._schema(INVENTORY.shapes)) is None


def _parsed(cell: Any, shape: Shape) -> object:
    if cell is None:
        return None
    return {"decimal": Decimal, "integer": int, "date": date.fromisoformat, "text": str}[shape.kind](cell)  # type: ignore[operator]


def test_a_contracts_column_may_bear_the_name_of_one_of_the_journals(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    row = {"asset_tag": "NC-1", "po_number": "PO-1", "campus": "south"}
    files.write([entry(2, "NC-1", row)], PROCUREMENT, path)
    frame = files.entries_in(path, PROCUREMENT).columns(["row_campus", "campus"], slice(None))
    assert (list(frame["campus"]), list(frame["row_campus"])) == (["north"], ["south"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"quantity": "lots"}, '"quantity" is a number that its column can hold: not true of lots (item NC-3).'),
        ({"quantity": 2.5}, '"quantity" is a number that its column can hold: not true of 2.5 (item NC-3).'),
        ({"unit_cost": "9" * 30}, '"unit cost" is a number'),
        ({"acquired_on": "soon"}, '"acquired on" is a date: not true of soon (item NC-3).'),
        ({"item_name": ["a"]}, "\"item name\" is text: not true of ['a'] (item NC-3)."),
    ],
)
def test_an_entry_that_its_columns_cannot_hold_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    good = entry(2, "NC-2", dict(asset("NC-2")))
    bad = entry(3, "NC-3", {**asset("NC-3"), **changes})
    with pytest.raises(NotInShape) as refused:
        files.write([good, bad], INVENTORY, tmp_path / "one.parquet")
    assert str(refused.value).startswith(told)
    assert refused.value.column == next(iter(changes))


@pytest.mark.parametrize("values", ["forged", "[1]", "null", ""])
def test_an_entry_that_is_no_row_at_all_is_named(tmp_path: Path, values: str) -> None:
    with pytest.raises(NotInShape) as refused:
        files.write([entry(2, "NC-2", {}, values=values)], INVENTORY, tmp_path / "one.parquet")
    assert "(item NC-2)" in str(refused.value)


def test_a_day_of_several_row_groups_is_whole(tmp_path: Path) -> None:
    row = dict(asset("NC"))
    written = (entry(number, f"{number:06}", row) for number in range(21_000))
    draft = files.write(written, INVENTORY, tmp_path / "many.parquet")
    assert draft.entries == files.count_rows(draft.path) == 21_000
    assert [one.key for one in files.state([draft.path])] == [f"{number:06}" for number in range(21_000)]


# ---- the state at the end of a day


def post(hub: Hub, record: RecordType, campus: str, day: date, items: dict[str, str]) -> None:
    """A posting of one row for each item, with the ledger_date that the test wants."""
    data = procurement_csv([f"T{next(_fresh)}"])  # the bytes only have to be new
    request_id = send(hub, f"{next(_fresh)}.csv", data, Scope(campus, "procurement")).request_id
    assert request_id is not None
    taken = lease(hub, request_id)
    rows = [
        StagedRow(number, "accepted", key, canonical_text({"asset_tag": key, "po_number": value}), [])
        for number, (key, value) in enumerate(items.items(), start=2)
    ]
    batch = Batch(
        ledger=ledger_name(record.name, campus, shared=record.shared),
        record_type=record.name,
        feed="procurement",
        campus=campus,
        contract_version=1,
        registry_version=None,
        ledger_date=day,
        rows=Listed(rows),
    )
    with hub.db.write() as tx:
        postings.post(tx, taken, batch)


def publish_unjudged(hub: Hub, record: RecordType, day: Day) -> None:
    """What publishing does, without the expectations."""
    path = files.path_of(hub.settings.ledgers, record.name, day.campus, day.ledger_date)
    path.parent.mkdir(parents=True, exist_ok=True)
    with hub.db.write() as tx:
        snapshots.lock(tx, day)
        entries = snapshots.entries(tx, day.ledger, day.campus, day.ledger_date)
        snapshots.record_published(tx, day, files.write(entries, record, path))


def publish_all(hub: Hub, record: RecordType, *ledger_names: str) -> None:
    with hub.db.read() as tx:
        days = [one for one in snapshots.unjudged(tx) if one.ledger in ledger_names]
    for one in days:
        publish_unjudged(hub, record, one)


def fold(hub: Hub, name: str, upto: date) -> list[tuple[str, dict[str, object], str, datetime]]:
    """The state as a plain fold over the journal's rows."""
    j = ledgers.journal
    found: dict[str, tuple[str, dict[str, object], str, datetime]] = {}
    with hub.db.read() as tx:
        rows = tx.execute(select(j).where(j.c.ledger == name).order_by(j.c.version, j.c.row_no)).mappings().all()
    for row in rows:
        if row["ledger_date"] <= upto:
            found[row["key"]] = (row["key"], json.loads(row["values"]), row["request_id"], row["posted_at"])
    return [found[key] for key in sorted(found)]


def test_the_state_at_any_day_is_the_fold_of_the_journal_up_to_it(hub: Hub) -> None:
    items = st.dictionaries(
        st.sampled_from(["a", "b", "B", "ä", "c|d", "漢", "𝔘"]), st.sampled_from("12"), min_size=1, max_size=4
    )
    postings = st.lists(
        st.tuples(st.sampled_from(["north", "south"]), st.sampled_from(DAYS), items), min_size=2, max_size=6
    )

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(postings, st.booleans())
    def holds(sequence: list[tuple[str, date, dict[str, str]]], shared: bool) -> None:
        record = replace(PROCUREMENT, name=f"procurement.asset{next(_fresh)}", shared=shared)
        names = {campus: ledger_name(record.name, campus, shared=shared) for campus in ("north", "south")}
        for at, (campus, day, rows) in enumerate(sequence):
            post(hub, record, campus, day, rows)
            if at == len(sequence) // 2:
                publish_all(hub, record, *names.values())  # some days are published twice
        publish_all(hub, record, *names.values())
        for campus, name in names.items():
            for day in [MONDAY - timedelta(days=1), *DAYS]:
                state = hub.snapshots.state(record, campus, day)
                assert [(one.key, one.values, one.request_id, one.posted_at) for one in state] == fold(hub, name, day)

    holds()
    assert_counts(hub)


def assert_counts(hub: Hub) -> None:
    with hub.db.read() as tx:
        assert snapshots.first_miscount(tx) is None


def test_a_ledger_that_campuses_share_is_told_for_all_of_them_day_by_day(hub: Hub) -> None:
    make_registry(on_day(hub, DAYS[0]), ["NC-1"])
    make_registry(on_day(hub, DAYS[1]), ["SC-1"], campus="south")
    make_registry(on_day(hub, DAYS[2]), ["NC-2"])
    publish_all(hub, PROCUREMENT, "procurement.asset@all")
    told = [[one.key for one in hub.snapshots.state(PROCUREMENT, "south", day)] for day in DAYS[:3]]
    assert told == [["NC-1"], ["NC-1", "SC-1"], ["NC-1", "NC-2", "SC-1"]]
    assert_invariants(hub)


# ---- what is not published


@pytest.fixture
def three_days(hub: Hub) -> Iterator[Hub]:
    """Two inventory days of north and one of the registry, nothing published."""
    make_registry(on_day(hub, DAYS[0]), ["NC-0001"])
    for number, day in enumerate((DAYS[0], DAYS[2])):
        process(on_day(hub, day), send_assets(hub, f"lab-{number}.csv", asset("NC-0001", quantity=str(number + 1))))
    yield hub
    assert_invariants(hub)


def test_an_unpublished_day_is_named_with_the_command_that_folds_it(three_days: Hub) -> None:
    with pytest.raises(NotPublished) as refused:
        three_days.snapshots.state(INVENTORY, "north", DAYS[1])
    assert str(refused.value) == (
        "The ledger inventory.asset can't be told as of 2026-03-03: what was posted on 2026-03-02 for north is in no "
        "published snapshot yet. Fold it: hub backfill --campus north --feed inventory --from 2026-03-02 "
        "--to 2026-03-02"
    )
    with pytest.raises(NotPublished) as refused:
        three_days.snapshots.state(INVENTORY, "north", date(2099, 1, 1))
    assert "on 2026-03-02 for north and 1 more is in" in str(refused.value)
    assert str(refused.value).endswith("--from 2026-03-02 --to 2026-03-04")  # backfill refuses days to come


def test_a_day_of_another_campus_is_named_when_the_ledger_is_shared(three_days: Hub) -> None:
    publish_all(three_days, PROCUREMENT, "procurement.asset@all")
    make_registry(on_day(three_days, DAYS[3]), ["SC-0001"], campus="south")
    assert len(list(three_days.snapshots.state(PROCUREMENT, "north", DAYS[2]))) == 1
    with pytest.raises(NotPublished) as refused:
        three_days.snapshots.state(PROCUREMENT, "north", DAYS[3])
    assert "hub backfill --campus south --feed procurement --from 2026-03-05 --to 2026-03-05" in str(refused.value)


def test_days_before_the_missing_one_are_told(three_days: Hub) -> None:
    with three_days.db.read() as tx:
        monday = snapshots.find_day(tx, "inventory.asset@north", "north", DAYS[0])
    assert monday is not None
    publish_unjudged(three_days, INVENTORY, monday)
    (row,) = three_days.snapshots.state(INVENTORY, "north", DAYS[1])
    assert row.values["quantity"] == "1"
    with pytest.raises(NotPublished):
        three_days.snapshots.state(INVENTORY, "north", DAYS[2])


def test_a_published_day_with_newer_postings_is_not_published(three_days: Hub) -> None:
    publish_all(three_days, INVENTORY, "inventory.asset@north")
    assert len(list(three_days.snapshots.state(INVENTORY, "north", DAYS[3]))) == 1
    process(on_day(three_days, DAYS[2]), send_assets(three_days, "more.csv", asset("NC-0001", quantity="9")))
    with pytest.raises(NotPublished) as refused:
        three_days.snapshots.state(INVENTORY, "north", DAYS[3])
    assert "posted on 2026-03-04 for north is in" in str(refused.value)


def _other_figure(path: Path) -> None:
    """A snapshot that any tool reads, with another quantity in it."""
    table = pyarrow.parquet.read_table(path)
    for name in ("hub_values", "quantity"):
        at = table.schema.get_field_index(name)
        texts = table.column(at).cast(pyarrow.string()).to_pylist()
        cells = [one.replace('"quantity":"2"', '"quantity":"7"') if name == "hub_values" else "7" for one in texts]
        table = table.set_column(at, table.schema.field(at), pyarrow.array(cells).cast(table.schema.field(at).type))
    pyarrow.parquet.write_table(table, path)


def _garbage(path: Path) -> None:
    path.write_bytes(b"PAR1 no such thing")


@pytest.mark.parametrize("damage", [Path.unlink, _other_figure, _garbage])
def test_a_published_file_that_is_gone_or_changed_is_named_with_the_command_that_makes_it_again(
    three_days: Hub, damage: Callable[[Path], None]
) -> None:
    publish_all(three_days, INVENTORY, "inventory.asset@north")
    path = files.path_of(three_days.settings.ledgers, "inventory.asset", "north", DAYS[2])
    before = path.read_bytes()
    damage(path)
    with pytest.raises(NotPublished, match="is missing or was changed") as refused:
        three_days.snapshots.state(INVENTORY, "north", DAYS[3])
    assert str(path) in str(refused.value)
    assert "hub backfill --campus north --feed inventory --from 2026-03-04 --to 2026-03-04" in str(refused.value)
    assert len(list(three_days.snapshots.state(INVENTORY, "north", DAYS[1]))) == 1, "the day before needs it not"
    path.write_bytes(before)
    (row,) = three_days.snapshots.state(INVENTORY, "north", DAYS[3])
    assert row.values["quantity"] == "2"


def test_a_file_that_a_fold_put_in_place_and_could_not_record_is_read(three_days: Hub) -> None:
    publish_all(three_days, INVENTORY, "inventory.asset@north")
    path = files.path_of(three_days.settings.ledgers, "inventory.asset", "north", DAYS[2])
    with three_days.db.write() as tx:
        recorded = snapshots.find(tx, "inventory.asset@north", "north", DAYS[2])
        assert recorded is not None
        row = snapshots.snapshot.c.ledger_date == DAYS[2]
        died = {"announced": recorded.file_digest, "file_digest": sha256_hex(b"what was published before")}
        tx.execute(update(snapshots.snapshot).where(row).values(died))
    assert len(list(three_days.snapshots.state(INVENTORY, "north", DAYS[3]))) == 1
    _other_figure(path)
    with three_days.db.write() as tx:
        tx.execute(update(snapshots.snapshot).where(row).values(announced=sha256_hex(path.read_bytes())))
    with pytest.raises(NotPublished):
        three_days.snapshots.state(INVENTORY, "north", DAYS[3])
    with three_days.db.write() as tx:
        tx.execute(update(snapshots.snapshot).where(row).values(announced=None, file_digest=recorded.file_digest))
    publish_all(three_days, INVENTORY, "inventory.asset@north")


def test_a_day_that_is_published_anew_while_it_is_asked_for_is_read(
    three_days: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_all(three_days, INVENTORY, "inventory.asset@north")
    asked = snapshots.published

    def then_published_anew(*args: Any) -> list[Snapshot]:
        return [replace(one, file_digest=sha256_hex(b"what was there a moment ago")) for one in asked(*args)]

    monkeypatch.setattr(snapshots, "published", then_published_anew)
    assert len(list(three_days.snapshots.state(INVENTORY, "north", DAYS[3]))) == 1
