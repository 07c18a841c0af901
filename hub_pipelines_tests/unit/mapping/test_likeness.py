"""What a heading is recognised by, and the known spellings themselves."""

import random
from collections import Counter

import pytest

from hub_pipelines.mapping.headings import NOT_OURS, SPELLINGS, YOUNGER
from hub_pipelines.mapping.likeness import likeness, taken_apart
from hub_pipelines.mapping.spellings import known_headings, known_of, texts
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Feed, RecordType

RECORDS = [record for feed in FEEDS.values() for record in feed.record_types]
STOCK = FEEDS["inventory"].record_type("inventory.stock")


def best(heading: str, record: RecordType = STOCK) -> tuple[str, float] | None:
    (likes,) = likeness(taken_apart([heading]), record)
    found = max(likes.values(), key=lambda like: like.score, default=None)
    return (found.column, found.score) if found else None


def test_spellings_are_of_columns_that_some_contract_has() -> None:
    assert {*SPELLINGS, *YOUNGER} <= {column for record in RECORDS for column in record.columns}


def test_each_language_gives_each_heading_once() -> None:
    for name, block in {**SPELLINGS, "": NOT_OURS}.items():
        for line in block.replace(",\n", ",").strip().splitlines():
            counts = Counter(texts(line))
            assert max(counts.values()) == 1, (name, counts.most_common(1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_known_heading_is_taken_for_its_column(record: RecordType) -> None:
    known = known_of(record)
    for form, column in (*known.other.items(), *known.own.items()):
        found = best(form, record)
        assert found is not None, form
        assert found[0] == column, form
        assert found[1] >= 0.8, form


def test_the_finder_of_headings_can_ask_for_all_of_them() -> None:
    known = known_headings(FEEDS["inventory"])
    assert {"asset tag", "lagerort", "место хранения", "cas号", "catalog number"} <= known.keys()
    assert (known["lagerort"], known["cas号"]) == ("location", "cas_number")
    assert all(form == normalise_header(form) for form in known)


def test_words_that_stand_in_cells_too_do_not_tell_of_a_row_of_headings() -> None:
    known = known_headings(FEEDS["inventory"])
    assert not known.keys() & {"freezer", "kühlschrank", "cupboard", "stück", "шкаф"}
    assert known["room"] == "location"


def test_a_prefix_is_cut_off_only_where_it_is_one() -> None:
    chemical, *_ = taken_apart(["Chemical Name", "chemAmount", "chemUnit", "chemLocation"])
    assert "ical name" not in chemical.forms


def test_a_slip_of_the_pen_in_a_long_word_is_forgiven_and_in_a_short_one_not() -> None:
    assert best("Quantiy") == ("quantity_on_hand", 0.88)
    assert best("Chemcial Nmae") in (("item_name", 0.88), ("item_name", 0.6))
    assert best("Lab nr") is None
    pi_or_po = best("po_email", FEEDS["grants"].record_type("grants.award"))
    assert pi_or_po is None or pi_or_po[1] < 0.8


@pytest.mark.parametrize("heading", ["chemName", "chem_name", "CHEM NAME", "chemname"])
def test_a_prefix_that_all_headings_share_is_set_aside(heading: str) -> None:
    prefix = heading[:-4]
    header = [heading, f"{prefix}Amount", f"{prefix}Unit", f"{prefix}Location"]
    found = [next(iter(likes), None) for likes in likeness(taken_apart(header), STOCK)]
    assert found == ["item_name", "quantity_on_hand", "unit", "location"]


def test_made_up_words_are_not_recognised() -> None:
    rng = random.Random(5)
    words = ["".join(rng.choices("bcdfghjklmnpqrstvwxz", k=rng.randint(4, 9))) for _ in range(300)]
    sure = [likes for likes in likeness(taken_apart(words), STOCK) if any(one.score >= 0.8 for one in likes.values())]
    assert not sure


@pytest.mark.parametrize(
    "heading",
    [
        "Total formal admissions excluding place of safety detentions",
        "If yes (Loan/Loan Guarantee), End of Audit Period Outstanding Loan Balance",
    ],
)
def test_a_heading_that_is_a_sentence_is_not_known_by_its_last_word(heading: str) -> None:
    assert best(heading) is None


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_a_heading_that_is_younger_than_some_decisions_does_not_help_to_find_their_tables_again(feed: Feed) -> None:
    younger = {normalise_header(one) for block in YOUNGER.values() for one in texts(block)}
    own = {form for record in feed.lists for form in record.aliases}
    assert younger & known_headings(feed).keys() <= own
