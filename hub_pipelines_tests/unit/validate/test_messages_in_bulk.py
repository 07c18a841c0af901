"""A batch of messages judged many at once gets the verdicts that each message gets alone, to the byte.

How much is tried can be raised by hand: `HUB_EXAMPLES=5000 pytest …/test_messages_in_bulk.py`.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.judging import Judge
from hub_pipelines.validate import batches, messages
from hub_pipelines.validate.bulk import messages as bulk
from hub_pipelines.validate.bulk import tags as bulk_tags
from hub_pipelines.validate.bulk.messages import messages_in_bulk, without_late
from hub_pipelines.validate.messages import Messages, read_batch, types_of
from hub_pipelines.validate.model import Feed, RecordType, Verdict
from hub_pipelines.validate.service import Circumstances
from hub_pipelines.validate.staging import (
    StagedRows,
    accepted_keys,
    problems_json,
    problems_of,
    row_of,
)
from hub_pipelines_tests.unit.validate.builders import GOOD_ROWS
from hub_pipelines_tests.unit.validate.test_bulk import NASTY, RECORDS, Register, WholeRegister

EXAMPLES = int(os.environ.get("HUB_EXAMPLES", "40"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = [one for one in NASTY if isinstance(one, str)]
VALUES = st.one_of(
    st.sampled_from(TEXTS), st.sampled_from([True, None, 5, -0.5, ["a"], {"b": 1}, {}, ""]), st.text(max_size=6)
)
MOMENTS = st.sampled_from([None, "2026-03-01T09:00:00Z", "2026-03-01T10:00:00+01:00", "2026-03-01T11:00:00Z", "noon"])
BROKEN = [b"{", b"[]", b'{"type": "no.such.set"}', b'{"type": 5, "data": {}}', b'{"data": {"a": 1}}', b'{"a":1,"a":2}']


def good_values(record: RecordType, data: RecordType) -> dict[str, Any]:
    """What is right in each column of a record type, or of what adjusts one."""
    usual = {"quantity": "2", "unit": "mL", "to_location": "Shelf 9"}
    known = {**usual, **GOOD_ROWS[record.name]} if data is record else {**GOOD_ROWS[record.name], **usual}
    return {name: known[name] for name in data.columns if known.get(name) is not None}


@st.composite
def bodies(draw: st.DrawFn, record: RecordType) -> bytes:
    if draw(st.integers(0, 11)) == 0:
        return draw(st.sampled_from(BROKEN))
    name, kind = draw(st.sampled_from(list(types_of(record).items())))
    contract = kind.data if kind is not None else record
    data = good_values(record, contract)
    for column in draw(st.lists(st.sampled_from(contract.columns), max_size=3)):
        data[column] = draw(VALUES)
    for column in draw(st.lists(st.sampled_from(["note_of_ours", "Item Name", 'say "x"', "other", "zz"]), max_size=2)):
        data[column] = draw(VALUES)
    for column in draw(st.lists(st.sampled_from(sorted(data)), max_size=2)):
        data.pop(column, None)
    whole = {"type": name, "timestamp": draw(MOMENTS), "data": data}
    return json.dumps(whole, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")


def batch_of(path: Path, sent: list[bytes], feed: Feed, record: RecordType) -> Messages:
    lines = []
    for number, body in enumerate(sent):
        received_at = (NOON + timedelta(seconds=number)).isoformat()
        envelope = {"request_id": f"r-{number}", "received_at": received_at}
        lines.append(canonical_text({"envelope": envelope, "body": body.decode("utf-8")}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return read_batch(path, feed, record)


def staged(verdicts: list[Verdict]) -> list[tuple[Any, ...]]:
    return [
        (row.row_no, row.verdict, row.key, row.values, problems_json(problems_of(one)))
        for one in verdicts
        for row in [row_of(one)]
    ]


def rows_of(rows: StagedRows) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows.table.to_pylist()]


@pytest.fixture(autouse=True)
def many_at_once_from_few_rows_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(bulk, "_ROWS", 3)
    monkeypatch.setattr(bulk_tags, "FEW_TAGS", 0)


@pytest.mark.parametrize(("feed", "record"), RECORDS, ids=lambda one: f"{one.name}")
def test_messages_judged_many_at_once_get_the_verdicts_that_each_gets_alone(
    feed: Feed, record: RecordType, tmp_path: Path
) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(sent=st.lists(bodies(record), min_size=1, max_size=12), whole=st.booleans())
    def check(sent: list[bytes], whole: bool) -> None:
        batch = batch_of(tmp_path / "batch", sent, feed, record)
        only = Feed(feed.name, feed.title, (record,), feed.priority)
        circumstances: Circumstances = {
            "campus": "north",
            "campuses": ("north", "south"),
            "registry": WholeRegister() if whole else Register(),
            "time_zone": "America/New_York",
        }
        alone = list(Judge.verdicts_on(batch, only, circumstances))
        assert [one.row_no for one in alone] == list(range(1, len(sent) + 1))
        at_once = messages_in_bulk(batch, only, circumstances)
        assert rows_of(at_once) == staged(alone)
        told = [found.rule for one in alone for found in problems_of(one)]
        assert sorted(at_once.rules.elements()) == sorted(told)

    check()


def test_a_set_is_void_where_a_newer_one_of_its_item_has_posted(tmp_path: Path) -> None:
    feed, record = next(one for one in RECORDS if one[1].name == "inventory.stock")
    whole = {"type": "inventory.stock.set", "timestamp": "2026-03-01T10:00:00Z"}
    sent = [json.dumps({**whole, "data": {"item_name": item, "location": "A"}}).encode() for item in "EA"]
    batch = batch_of(tmp_path / "batch", sent, feed, record)
    only = Feed(feed.name, feed.title, (record,), feed.priority)
    rows = messages_in_bulk(batch, only, {"campus": "north", "campuses": (), "registry": Register(), "time_zone": None})
    keys = accepted_keys(rows.table)
    assert list(keys) == [1, 2]
    same = without_late(rows, keys, batch.occurred_at, {keys[1]: NOON - timedelta(hours=2)})
    assert same is rows
    (first, second) = rows_of(without_late(rows, keys, batch.occurred_at, {keys[1]: NOON}))
    assert first[1:4] == ("superseded", keys[1], None)
    assert "2026-03-01T12:00:00Z" in first[4]
    assert second == rows_of(rows)[1]


def test_who_reads_and_judges_a_batch_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_BETWEEN_SIGNS", 2)
    feed, record = next(one for one in RECORDS if one[1].name == "inventory.stock")
    whole = {"type": "inventory.stock.set", "timestamp": "2026-03-01T10:00:00Z"}
    sent = [json.dumps({**whole, "data": {"item_name": item, "location": "A"}}).encode() for item in "ABCDEFG"]
    batch_of(tmp_path / "batch", sent, feed, record)
    signs: list[int] = []
    batch = read_batch(tmp_path / "batch", feed, record, signs.append)
    assert signs == [2, 4, 6]
    only = Feed(feed.name, feed.title, (record,), feed.priority)
    circumstances: Circumstances = {"campus": "north", "campuses": (), "registry": Register(), "time_zone": None}
    messages_in_bulk(batch, only, circumstances, signs.append)
    assert signs[3:] == [0, 3, 6]
