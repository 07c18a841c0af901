"""The suites with the real Great Expectations on small frames; it is imported once per test process."""

import datetime
import gc
import logging
import socket
import subprocess
import sys
import warnings
import weakref
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pandas
import pyarrow
import pytest
from pydantic import BaseModel, Field

from hub_pipelines import samples
from hub_pipelines.validate.columns import record_type_of
from hub_pipelines.validate.expectations import pieces
from hub_pipelines.validate.expectations.answers import Expected
from hub_pipelines.validate.expectations.entries import Entries, NotJudgeable, Surroundings, frame_column
from hub_pipelines.validate.expectations.promises import promises_of
from hub_pipelines.validate.expectations.suites import run_suites
from hub_pipelines.validate.expectations.usual import LEAST_HISTORY_DAYS, History, usual_entries
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import AcceptedRow, Cell, RecordType, Reference, Shape, Unreadable
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.service import validate

from .builders import GOOD_ROW, INVENTORY, PROCUREMENT, AllTags, verdicts

PARSED: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "decimal": Decimal,
    "date": datetime.date.fromisoformat,
}
SAMPLES = sorted(path for path in Path(samples.__file__).parent.glob("*/*/*") if path.suffix in {".csv", ".xlsx"})


class BoxRow(BaseModel):
    """A contract with every shape that there is, and a column that the journal has too."""

    rack: Annotated[str, Shape(longest=6, pattern=r"^(R)\d+$")] = Field(description="Number of the rack, such as R12")
    shelf: Annotated[str, Shape("integer", minimum="1", maximum="9")] = Field(description="Shelf, counted from below")
    state: Annotated[str | None, Shape(choices=("full", "empty"))] = None
    litres: Annotated[str | None, Shape("decimal", scale=2, minimum="0.01")] = None
    checked_on: Annotated[str | None, Shape("date", minimum="2000-01-01", maximum="2100-12-31")] = None
    campus: str = Field(description="Where the box belongs")
    tag: str | None = None
    lid: str | None = None


BOX = RecordType(
    name="lab.box",
    title="box list",
    row_model=BoxRow,
    key_columns=("rack", "shelf"),
    aliases={},
    tag_column="tag",
    references=(Reference("lid", "lab.lid"),),
)
GOOD_BOX: dict[str, str | None] = {
    "rack": "R1",
    "state": "full",
    "litres": "1.50",
    "checked_on": "2024-05-01",
    "campus": "South",
    "tag": "T1",
    "lid": "L1",
}


def frame_of(record: RecordType, rows: Sequence[Mapping[str, Any]], **journal: Any) -> pandas.DataFrame:
    """Entries as a snapshot holds them; `journal` changes columns of the journal."""
    count = len(rows)
    own = {
        "key": pandas.Series([record.key_of(one) for one in rows], dtype="str"),
        "version": [1] * count,
        "row_no": list(range(2, count + 2)),
        "operation": ["set"] * count,
        "request_id": ["north-lab-1"] * count,
        "revision": [1] * count,
        "campus": ["north"] * count,
        "contract_version": [record.contract_version] * count,
        **journal,
    }
    typed = {
        frame_column(name): _column([one.get(name) for one in rows], shape.kind)
        for name, shape in record.shapes.items()
    }
    return pandas.DataFrame({**own, **typed})


def _column(texts: list[Any], kind: str) -> pandas.Series:
    values = [None if text is None else PARSED[kind](text) for text in texts]
    return pandas.Series(values, dtype={"text": "str", "integer": "Int64"}.get(kind, "object"))


def boxes(**changes: Any) -> list[dict[str, Any]]:
    """Three good boxes, the second one changed."""
    rows: list[dict[str, Any]] = [{**GOOD_BOX, "shelf": str(shelf)} for shelf in (1, 2, 3)]
    rows[1] |= changes
    return rows


def around(
    *, campus: str = "north", history: tuple[int, ...] = (3, 4, 3, 2, 3), **known: Sequence[str]
) -> Surroundings:
    return Surroundings(campus, History(history), keys(**{"tag": ["T1"], "lid": ["L1"], **known}))


def keys(**known: Collection[str]) -> dict[str, pyarrow.Array]:
    return {column: pyarrow.array(list(values), pyarrow.string()) for column, values in known.items()}


def entries_of(frame: pandas.DataFrame) -> Entries:
    return Entries(len(frame), list(frame.columns), lambda names, rows: frame[list(names)][rows])


def judge(frame: pandas.DataFrame, surroundings: Surroundings | None = None) -> tuple[Expected, ...]:
    return run_suites(BOX, entries_of(frame), surroundings or around())


def failed(results: Sequence[Expected]) -> list[Expected]:
    return [one for one in results if not one.success]


# ---- good entries


def test_good_entries_meet_every_expectation() -> None:
    results = judge(frame_of(BOX, boxes()))
    assert failed(results) == []
    assert {one.suite for one in results} == {"contract", "volume", "references"}
    assert all(one.judged for one in results)
    assert {one.severity for one in results if one.suite == "contract"} == {"block"}
    assert {one.severity for one in results if one.suite != "contract"} == {"warn"}
    sentences = [one.sentence for one in results]
    assert "The key is never empty: true of all 3 entries." in sentences
    assert 'The key is made of "rack" and "shelf": true of all 3 entries.' in sentences
    assert '"litres" is at least 0.01: true of all 3 entries.' in sentences
    assert (
        "A usual day has 1 to 9 entries (the middle one of the last 5 days with entries had 3): this day has 3 entries."
        in sentences
    )


def test_optional_cells_may_be_empty_and_the_sentence_counts_the_others() -> None:
    nothing = dict.fromkeys(("state", "litres", "checked_on", "tag", "lid"))
    some = judge(frame_of(BOX, boxes(**nothing)))
    none = judge(frame_of(BOX, [{**one, **nothing} for one in boxes()]))
    assert failed(some) == failed(none) == []
    assert '"checked on" lies between 2000-01-01 and 2100-12-31: true of all 2 entries that have one.' in [
        one.sentence for one in some
    ]
    assert '"tag" is in procurement\'s registry: no entry has one.' in [one.sentence for one in none]


# ---- planted defects


DEFECTS: dict[str, tuple[pandas.DataFrame, Surroundings, tuple[str, str, str | None, str]]] = {
    "required cell is empty": (
        frame_of(BOX, boxes(campus=None)),
        around(),
        (
            "contract",
            "not_be_null",
            "row_campus",
            '"campus" is never empty: not true of 1 of 3 entries (33.3 %), such as item R1|2',
        ),
    ),
    "key is another than its columns": (
        frame_of(BOX, boxes(), key=["R1|1", "R1|7", "R1|3"]),
        around(),
        (
            "contract",
            "pair_values_to_be_equal",
            "key",
            'The key is made of "rack" and "shelf": not true of 1 of 3 entries (33.3 %), such as R1|7 instead of R1|2.',
        ),
    ),
    "two entries at one place": (
        frame_of(BOX, boxes(), row_no=[2, 2, 3]),
        around(),
        (
            "contract",
            "compound_columns_to_be_unique",
            None,
            "not true of 2 of 3 entries (66.7 %), such as version 1, row no 2.",
        ),
    ),
    "item twice in one posting": (
        frame_of(BOX, boxes(shelf="1")),
        around(),
        (
            "contract",
            "compound_columns_to_be_unique",
            None,
            "(version and key): not true of 2 of 3 entries (66.7 %), such as version 1, key R1|1.",
        ),
    ),
    "another campus": (
        frame_of(BOX, boxes(), campus=["north", "south", "north"]),
        around(),
        (
            "contract",
            "be_in_set",
            "campus",
            "The campus is north: not true of 1 of 3 entries (33.3 %), such as south (item R1|2).",
        ),
    ),
    "form": (
        frame_of(BOX, boxes(rack="12")),
        around(),
        (
            "contract",
            "match_regex",
            "rack",
            '"rack" has the form of its contract (Number of the rack, such as R12): not true of 1 of 3 entries',
        ),
    ),
    "too long": (
        frame_of(BOX, boxes(rack="R123456")),
        around(),
        ("contract", "value_lengths_to_be_between", "rack", '"rack" has at most 6 characters: not true of 1'),
    ),
    "not in the list": (
        frame_of(BOX, boxes(state="half")),
        around(),
        (
            "contract",
            "be_in_set",
            "state",
            '"state" is one of full, empty: not true of 1 of 3 entries (33.3 %), such as half (item R1|2).',
        ),
    ),
    "integer out of range": (
        frame_of(BOX, boxes(shelf="10")),
        around(),
        (
            "contract",
            "values_to_be_between",
            "shelf",
            '"shelf" lies between 1 and 9: not true of 1 of 3 entries (33.3 %), such as 10 (item R1|10).',
        ),
    ),
    "decimal out of range": (
        frame_of(BOX, boxes(litres="0.00")),
        around(),
        ("contract", "values_to_be_between", "litres", "such as 0.00 (item R1|2)."),
    ),
    "date out of range": (
        frame_of(BOX, boxes(checked_on="1999-12-31")),
        around(),
        ("contract", "values_to_be_between", "checked_on", "such as 1999-12-31 (item R1|2)."),
    ),
    "too few entries": (
        frame_of(BOX, boxes()),
        around(history=(3000, 2500, 2800, 3100, 2900)),
        (
            "volume",
            "row_count_to_be_between",
            None,
            "A usual day has 966 to 8,700 entries (the middle one of the last 5 days with entries had 2,900): ",
        ),
    ),
    "unknown reference": (
        frame_of(BOX, boxes(lid="L9")),
        around(),
        (
            "references",
            "pair_values_to_be_equal",
            "lid",
            '"lid" is an item of lab.lid: not true of 1 of 3 entries (33.3 %), such as L9 (item R1|2).',
        ),
    ),
    "unknown tag": (
        frame_of(BOX, boxes(tag=None)),
        around(tag=[]),
        (
            "references",
            "pair_values_to_be_equal",
            "tag",
            "registry: not true of 2 of 2 entries that have one (100 %), such as T1 (item R1|1).",
        ),
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_fails_its_own_expectation_and_is_told_in_words(defect: str) -> None:
    frame, surroundings, (suite, expectation, column, sentence) = DEFECTS[defect]
    (found,) = failed(judge(frame, surroundings))
    assert found.suite == suite
    assert expectation in found.expectation
    assert found.column == column
    assert found.severity == ("block" if suite == "contract" else "warn")
    assert sentence in found.sentence
    assert found.judged
    assert found.observed
    assert suite == "volume" or (found.unexpected_count > 0 and found.unexpected_percent and found.examples)


def test_an_entry_without_a_key_is_not_the_one_of_its_columns_either() -> None:
    frame = frame_of(BOX, boxes(), key=pandas.Series(["R1|1", None, "R1|3"], dtype="str"))
    empty, other = failed(judge(frame))
    assert empty.sentence == "The key is never empty: not true of 1 of 3 entries (33.3 %), such as item empty."
    assert other.examples == ("empty instead of R1|2",)


@pytest.mark.parametrize(("litres", "accepted"), [("0.01", True), ("0.009", False), ("-0.01", False)])
def test_a_decimal_on_the_bound_is_within_it(litres: str, accepted: bool) -> None:
    found = failed(judge(frame_of(BOX, boxes(litres=litres))))
    assert [one.column for one in found] == ([] if accepted else ["litres"])


def test_few_of_many_broken_values_are_shown_and_all_are_counted() -> None:
    rows = [{**GOOD_BOX, "rack": f"R{number}", "shelf": "1", "state": f"odd {number}"} for number in range(60)]
    (found,) = failed(judge(frame_of(BOX, rows), around(history=())))
    assert (found.unexpected_count, found.unexpected_percent) == (60, 100.0)
    assert found.examples[0] == "odd 0 (item R0|1)"
    assert len(found.examples) == 5


@pytest.mark.parametrize("unit", ["ns", "us"])
def test_dates_and_decimals_may_also_come_as_numpys_types(unit: str) -> None:
    frame = frame_of(BOX, boxes(litres="0", checked_on="1999-12-31"))
    frame["litres"] = frame["litres"].astype(float)
    frame["checked_on"] = pandas.to_datetime(frame["checked_on"]).astype(f"datetime64[{unit}]")
    frame["shelf"] = frame["shelf"].astype(float)
    assert [one.column for one in failed(judge(frame))] == ["litres", "checked_on"]


def test_columns_and_rows_that_are_judged_apart_for_want_of_memory_give_the_same_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [*boxes(state="half", litres="0.00", lid="L9"), {**GOOD_BOX, "shelf": "3", "rack": None, "tag": None}]
    rows = [{**one, "checked_on": None} for one in [*rows, rows[0]]]
    frame = frame_of(BOX, rows, campus=["north", "south", "north", "north", "west"])
    together = judge(frame)
    assert len(failed(together)) == 6
    judged: list[int] = []
    judge_frame = pieces.judge_frame

    def watched(frame: pandas.DataFrame, numbered: Any) -> Any:
        judged.append(len(frame))
        return judge_frame(frame, numbered)

    monkeypatch.setattr(pieces, "judge_frame", watched)
    monkeypatch.setattr(pieces, "_ROWS_AT_ONCE", 3)
    assert judge(frame) == together
    few = len(judged)
    monkeypatch.setattr(pieces, "_CELLS_AT_ONCE", 3 * 4)
    assert judge(frame) == together
    assert len(judged) - few > few


def test_nobody_has_a_part_any_more_when_its_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[weakref.ref[pandas.DataFrame]] = []
    left: list[int] = []

    def judge_nothing(frame: pandas.DataFrame, numbered: Any) -> Any:
        parts.append(weakref.ref(frame))
        return {number: {"success": True} for number, _ in numbered}

    monkeypatch.setattr(pieces, "judge_frame", judge_nothing)
    monkeypatch.setattr(pieces, "_give_memory_back", lambda: left.append(sum(one() is not None for one in parts)))
    monkeypatch.setattr(pieces, "_ROWS_AT_ONCE", 3)
    monkeypatch.setattr(pieces, "_CELLS_WORTH_A_SEARCH", 0)
    frame = frame_of(BOX, boxes() * 3)
    promises = list(promises_of(BOX, entries_of(frame), around()))
    pieces.judge_in_pieces(BOX, entries_of(frame), promises, around())
    assert len(parts) > 6
    assert left == [0] * len(parts)


# ---- what can't be judged


def test_a_short_history_is_told_and_fails_nothing() -> None:
    (volume,) = [one for one in judge(frame_of(BOX, boxes()), around(history=(900, 900))) if one.suite == "volume"]
    assert (volume.success, volume.judged, volume.severity) == (True, False, "warn")
    assert volume.sentence == "The number of entries is usual: not judged yet, with 2 days of history and 5 needed."


def test_a_day_without_entries_is_told_per_expectation() -> None:
    results = run_suites(BOX, entries_of(frame_of(BOX, [])), Surroundings("north", History((9,) * 9), {}))
    assert len(results) == len(judge(frame_of(BOX, boxes())))
    assert all(one.success and not one.judged for one in results)
    assert "The campus is north: not judged, because the day has no entries." in [one.sentence for one in results]


def test_a_key_of_decimals_is_told_not_to_be_compared() -> None:
    record = RecordType("lab.box", "box list", BoxRow, ("litres",), {})
    (key,) = [
        one
        for one in run_suites(record, entries_of(frame_of(record, boxes())), around())
        if one.column == "key" and not one.judged
    ]
    assert key.sentence.endswith("not judged, because a number with decimals can be written in several ways.")


def test_a_missing_column_is_a_fault_of_the_hub() -> None:
    with pytest.raises(NotJudgeable, match=r"The entries of lab\.box lack the columns version, row_campus\."):
        judge(frame_of(BOX, boxes()).drop(columns=["row_campus", "version"]))


def test_keys_that_nobody_looked_up_are_a_fault_of_the_hub() -> None:
    with pytest.raises(NotJudgeable, match=r"known keys for lab\.box\.lid were not looked up"):
        judge(frame_of(BOX, boxes()), Surroundings("north", History(()), keys(tag=[])))


def test_when_great_expectations_breaks_nobody_is_told_that_data_is_bad() -> None:
    frame = frame_of(BOX, boxes())
    frame["litres"] = "much"
    with pytest.raises(NotJudgeable, match=r'could not judge: "litres" is at least 0\.01\. .*'):
        judge(frame)


# ---- the usual number of entries


@pytest.mark.parametrize(
    ("history", "usual"),
    [
        ((7,) * (LEAST_HISTORY_DAYS - 1), None),
        ((12,) * 5, (4, 36)),
        ((1, 1, 1, 1, 1), (1, 3)),
        ((10, 11, 12, 9, 10, 5000), (3, 32)),
        ((3000, 5, 8, 3, 2500, 6, 4), (1, 50)),
        ((8, 16, 32, 16, 16, 8), (2, 97)),
    ],
)
def test_usual_is_what_the_source_itself_has_shown(history: tuple[int, ...], usual: tuple[int, int] | None) -> None:
    assert usual_entries(History(history)) == usual


# ---- what the hub's own contracts accept


def accepted_samples(feed_name: str) -> list[AcceptedRow]:
    feed = FEEDS[feed_name]
    found: dict[str, AcceptedRow] = {}
    for path in SAMPLES:
        if path.parent.name != feed_name:
            continue
        with suppress(Unreadable), open_table(path, path.name, known=feed.aliases.get) as table:
            if record_type_of(table.header, feed).name != f"{feed_name}.asset":
                continue
            campuses = ["north", "south", "west"]
            for verdict in validate(table, feed, campus="north", campuses=campuses, registry=AllTags()):
                if isinstance(verdict, AcceptedRow):
                    found[verdict.key] = verdict
    return list(found.values())


EXTREMES: list[dict[str, Cell]] = [
    {"asset_tag": "x" * 64, "item_name": "é" * 500, "location": "z" * 200, "po_number": "9" * 40},
    {"asset_tag": "\u00a0ｔａｇ-9\u200b", "quantity": "99999999999.999999", "unit_cost": "9999999999.99"},
    {"asset_tag": "Ä/7|8", "quantity": 0, "unit_cost": "0", "acquired_on": "1900-01-01", "cas_number": "n/a"},
    {"asset_tag": 1719, "quantity": ".5", "acquired_on": "2100-12-31", "hazard_codes": "h360Fd euh066 + h301"},
    {"asset_tag": "T2", "responsible_email": "A.B+c@Sub.Uni.EDU", "hazard_codes": None, "category": "Reagents"},
    {"asset_tag": "T3", "item_name": "2\u202fpropanol\n99 %", "cas_number": "CAS 0067641", "unit": "Litres"},
]


def extreme_inventory() -> list[AcceptedRow]:
    found = verdicts([{**GOOD_ROW, **changes} for changes in EXTREMES])
    assert all(isinstance(one, AcceptedRow) for one in found), found
    return [one for one in found if isinstance(one, AcceptedRow)]


def extreme_procurement() -> list[AcceptedRow]:
    row: dict[str, Cell] = {"asset_tag": "P1", "po_number": "4", "campus": "SOUTH", "amount": "-9999999999.99"}
    found = verdicts([row, {**row, "asset_tag": "P2", "amount": None}], feed=PROCUREMENT)
    return [one for one in found if isinstance(one, AcceptedRow)]


@pytest.mark.parametrize(
    ("feed", "extremes"),
    [(INVENTORY, extreme_inventory), (PROCUREMENT, extreme_procurement)],
    ids=["inventory", "procurement"],
)
def test_rows_that_the_contract_accepted_pass_the_contract_suite(feed: Any, extremes: Any) -> None:
    record = feed.record_type(f"{feed.name}.asset")
    rows = [*accepted_samples(feed.name), *extremes()]
    assert len(rows) > 20
    frame = frame_of(record, [one.values for one in rows], key=[one.key for one in rows])
    tags = set(frame["asset_tag"])
    results = run_suites(record, entries_of(frame), Surroundings("north", History(()), keys(asset_tag=tags)))
    assert [one.sentence for one in failed(results)] == []
    assert len(results) > 10


# ---- manners


def test_a_run_is_silent_stays_off_the_network_and_lets_go_of_the_entries(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    caplog.set_level(logging.INFO)
    warnings.simplefilter("error")
    frame = frame_of(BOX, boxes(state="half"))
    gone = weakref.ref(frame)
    before = list(frame.columns)
    assert failed(judge(frame))
    assert list(frame.columns) == before
    del frame
    gc.collect()
    assert gone() is None
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_importing_the_module_imports_neither_pandas_nor_great_expectations() -> None:
    code = (
        "import sys, hub_pipelines.validate.expectations.suites;"
        "found = {'pandas', 'great_expectations', 'sqlalchemy', 'dagster', 'pyarrow'} & set(sys.modules);"
        "sys.exit(', '.join(found) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
