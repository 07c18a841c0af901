"""What the digest of a journal entry covers, by the plain way of making it."""

import hashlib
import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.ledger.digests import (
    Change,
    ChangeColumns,
    around,
    digester,
    entry_digests,
    entry_leaf,
    leaves_of_columns,
    rows_digest,
)
from hub_pipelines.ledger.model import CHAIN, LEAVES, TREE

ENTRY = {
    "ledger": 'inventory."asset"@north',
    "version": 7,
    "row_no": 10_000_003,
    "key": "NC-0001|é",
    "operation": "set",
    "values": '{"item_name":"Beaker \\"tall\\"\\n\u2028"}',
    "digest": "",
    "previous_version": None,
    "previous_row_no": None,
    "request_id": "north-inventory-x",
    "revision": 2,
    "campus": "north",
    "contract_version": 3,
    "ledger_date": date(2026, 3, 2),
    "posted_at": "no part of it",
}
ENTRY["digest"] = hashlib.sha256(str(ENTRY["values"]).encode()).hexdigest()
IN_ORDER = [name for name in ENTRY if name not in ("ledger_date", "posted_at")]


def by_the_plain_way(entry: dict[str, object]) -> bytes:
    parts = [entry[name] for name in IN_ORDER] + [str(entry["ledger_date"])]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).digest()


def leaf_by_the_plain_way(entry: dict[str, object]) -> bytes:
    """As RFC 6962 makes a leaf of an entry, which has its values by their digest."""
    parts = [entry[name] for name in IN_ORDER if name != "values"] + [str(entry["ledger_date"])]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"\x00" + text.encode("utf-8")).digest()


def test_a_digest_is_over_the_canonical_json_of_the_parts_in_their_order() -> None:
    assert list(entry_digests([ENTRY])) == [by_the_plain_way(ENTRY)]
    assert entry_leaf(ENTRY, TREE) == hashlib.sha256(b"\x00" + by_the_plain_way(ENTRY)).digest()


def test_a_leaf_is_over_the_canonical_json_of_the_parts_but_for_values_of_which_it_has_the_digest() -> None:
    assert entry_leaf(ENTRY, LEAVES) == leaf_by_the_plain_way(ENTRY)


def test_values_that_have_not_their_digest_give_another_leaf() -> None:
    assert entry_leaf({**ENTRY, "values": "{}"}, LEAVES) != leaf_by_the_plain_way(ENTRY)


@pytest.mark.parametrize("name", ["row_no", "previous_version", "previous_row_no"])
@pytest.mark.parametrize("made", [TREE, LEAVES])
def test_a_text_in_place_of_a_number_or_of_none_gives_another_digest(name: str, made: int) -> None:
    """SQLite keeps a text in a column of numbers too."""
    told = ENTRY[name]
    text = "null" if told is None else str(told)
    assert entry_leaf({**ENTRY, name: text}, made) != entry_leaf(ENTRY, made)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(_TEXT, _TEXT, st.none() | st.integers(1, 9), st.integers(-9, 2**31 - 1), _TEXT)
def test_the_quick_way_gives_the_same_for_any_text(
    key: str, values: str, previous: int | None, row_no: int, campus: str
) -> None:
    digest = hashlib.sha256(values.encode()).hexdigest()
    entry = {**ENTRY, "key": key, "values": values, "digest": digest, "previous_version": previous}
    entry |= {"row_no": row_no, "campus": campus}
    digests_of = digester(str(entry["ledger"]), 7, entry, TREE)
    leaves_of = digester(str(entry["ledger"]), 7, entry, LEAVES)
    leaves_at_once = leaves_of_columns(*around(str(entry["ledger"]), 7, entry))
    other = {**entry, "row_no": row_no + 1}
    changes = [[one[name] for name in Change._fields] for one in (entry, other)]
    assert digests_of(changes) == [by_the_plain_way(entry), by_the_plain_way(other)]
    leaves = [leaf_by_the_plain_way(entry), leaf_by_the_plain_way(other)]
    assert leaves_of(changes) == leaves_at_once(ChangeColumns.of(changes)) == leaves


@pytest.mark.parametrize("name", [*IN_ORDER, "ledger_date"])
def test_any_other_part_gives_another_digest(name: str) -> None:
    other = {**ENTRY, name: date(2026, 3, 3) if name == "ledger_date" else 99 if isinstance(ENTRY[name], int) else "x"}
    for made in (TREE, LEAVES):
        assert entry_leaf(other, made) != entry_leaf(ENTRY, made)


def test_a_postings_digest_is_a_chain_or_a_tree_by_its_version() -> None:
    digests = [hashlib.sha256(bytes([one])).digest() for one in range(3)]
    assert rows_digest(iter(digests), CHAIN) == hashlib.sha256(b"".join(digests)).hexdigest()
    leaves = [hashlib.sha256(b"\x00" + one).digest() for one in digests]
    assert rows_digest(iter(leaves), LEAVES) == rows_digest(iter(digests), TREE)
    left = hashlib.sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    assert rows_digest(iter(digests), TREE) == hashlib.sha256(b"\x01" + left + leaves[2]).hexdigest()
