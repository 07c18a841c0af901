"""A returned workbook whose rows others have set since, on both databases: what its sender left alone stays."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from hub_pipelines.common.store import Transaction
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.comparing.model import Seen
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.report.render import counts_strip
from hub_pipelines.report.words import receipt_headline
from hub_pipelines.returning import Returns
from hub_pipelines.submission.model import Submission
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.messages import body_of, message, settle, take
from hub_pipelines_tests.messages import moved as moved_by
from hub_pipelines_tests.stores.test_corrected_lines import (
    ACETONE,
    ETHANOL,
    HEADER,
    LEDGER,
    STOCK,
    TOLUENE,
    amount,
    moved,
    posted,
    sent,
    workbook,
)
from hub_pipelines_tests.stores.test_previews import previewed
from hub_pipelines_tests.support import (
    assert_invariants,
    lease_and_validate,
    ledger_values,
    process,
    send,
    submission,
)


def quantities(hub: Hub) -> dict[str, object]:
    return {key.partition("|")[0]: one["quantity_on_hand"] for key, one in ledger_values(hub, LEDGER).items()}


def stays(hub: Hub, request_id: str) -> list[str]:
    with hub.db.read() as tx:
        found = ledger_problems.of_posting(tx, request_id, 1, severity="warn", limit=100)
    return [one["reason"].partition(",")[0] for one in found if one["rule"] == "set_since"]


def assert_reproduced(hub: Hub, request_id: str) -> None:
    settled_at = submission(hub, request_id).settled_at
    assert settled_at is not None
    found = reproduce(hub, STOCK, "north", hub.campuses["north"].day_of(settled_at))
    assert found.is_equal, found.differences
    assert verify_all(hub).ok
    assert_invariants(hub)


def test_rows_that_the_sender_left_as_they_were_stay_as_others_have_set_them_and_a_backfill_comes_to_the_same(
    hub: Hub,
) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE)
    posted(hub, first)
    posted(hub, sent(hub, "more.xlsx", None, amount(ACETONE, "6"), amount(ETHANOL, "7")))
    second = sent(hub, "stock.xlsx--abcdefgh.xlsx", first, ACETONE, amount(ETHANOL, "3"), amount(TOLUENE, "4"))

    posting = posted(hub, second)

    assert (posting.posted, posting.unchanged, posting.seen) == (2, 1, Seen(1))
    assert quantities(hub) == {"name acetone": "6", "name ethanol": "3", "name toluene": "4"}
    assert [one[:38] for one in stays(hub, second)] == ["Row 2 stays as more.xlsx has set it on"]
    with hub.db.read() as tx:
        told = hub.receipts.facts.of_submission(tx, submission(hub, second))
    assert receipt_headline(told).startswith("All 3 rows are in: 2 were taken now, 1 was left as others have set it")
    assert ("Left as others have set them", "1") in counts_strip(told)
    assert_reproduced(hub, second)


def test_what_other_workbooks_of_the_same_file_have_set_is_its_senders_own(hub: Hub) -> None:
    """Whoever begins once more with the first workbook takes back what the second had changed, as he sees in it."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    second = sent(hub, "one.xlsx", first, amount(ACETONE, "6"), amount(ETHANOL, "7"))
    posted(hub, second)
    posted(hub, sent(hub, "more.xlsx", None, amount(ETHANOL, "9")))
    third = sent(hub, "two.xlsx", first, ACETONE, amount(ETHANOL, "7"))

    posting = posted(hub, third)

    assert (posting.posted, posting.unchanged, posting.seen) == (1, 1, Seen(2, before=Seen(1, own=(2,))))
    assert quantities(hub) == {"name acetone": "5", "name ethanol": "9"}
    assert_reproduced(hub, third)


@on_sqlite
@pytest.mark.parametrize("of_first", [True, False], ids=["in-one-workbook", "in-the-next-one"])
def test_who_goes_on_does_not_set_back_in_a_second_workbook_what_the_first_has_left_alone(
    hub: Hub, of_first: bool
) -> None:
    """The older value is in both, and the newer one was never seen by their sender."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE)
    posted(hub, first)
    posted(hub, sent(hub, "more.xlsx", None, amount(ETHANOL, "7")))
    second = sent(hub, "one.xlsx", first, amount(ACETONE, "6"), ETHANOL, amount(TOLUENE, "8"))
    posted(hub, second)
    original = first if of_first else second

    third = sent(hub, "two.xlsx", original, amount(ACETONE, "9"), ETHANOL, TOLUENE)
    posted(hub, third)

    assert quantities(hub) == {"name acetone": "9", "name ethanol": "7", "name toluene": "1"}
    fourth = sent(hub, "three.xlsx", third, amount(ACETONE, "9"), ETHANOL, amount(TOLUENE, "2"))
    posted(hub, fourth)
    assert quantities(hub) == {"name acetone": "9", "name ethanol": "7", "name toluene": "2"}
    assert_reproduced(hub, fourth)
    typed = sent(hub, "four.xlsx", fourth, amount(ACETONE, "9"), amount(ETHANOL, "3"), amount(TOLUENE, "2"))
    posted(hub, typed)
    assert quantities(hub)["name ethanol"] == "3", "what he changes is applied"


@on_sqlite
def test_a_list_with_a_mark_that_is_not_taken_is_not_its_senders_own(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    posted(hub, sent(hub, "stock.xlsx", "north-inventory-gone", ACETONE, amount(ETHANOL, "9")))
    posted(hub, sent(hub, "back.xlsx", first, amount(ACETONE, "6"), ETHANOL))
    assert quantities(hub) == {"name acetone": "6", "name ethanol": "9"}


def test_a_line_that_a_newer_copy_of_the_list_has_set_is_not_closed_by_the_older_ones_workbook(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    posted(hub, sent(hub, "stock.xlsx", None, ACETONE, amount(ETHANOL, "9")))
    back = sent(hub, "back.xlsx", first, ACETONE, moved(ETHANOL, "201"))
    assert posted(hub, back).replaced == 0
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|101", "name ethanol|201"]
    with hub.db.read() as tx:
        told = ledger_problems.of_posting(tx, back, 1, severity="warn", limit=10)
    assert "earlier_line_kept" in [one["rule"] for one in told]
    assert_reproduced(hub, back)


def test_a_quantity_that_others_have_set_to_the_same_again_is_not_counted_anew(hub: Hub) -> None:
    """A message that occurred before the workbook came, and comes after it, still counts."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    take(hub, message("out", body_of(moved_by("Ethanol", "0.5", location="101"), kind="inventory.stock.consumed")))
    settle(hub)
    posted(hub, sent(hub, "more.xlsx", None, ETHANOL))
    late = datetime.now(UTC).isoformat()
    posted(hub, sent(hub, "back.xlsx", first, amount(ACETONE, "4"), ETHANOL))
    body = body_of(moved_by("Ethanol", "0.5", location="101"), kind="inventory.stock.consumed", at=late)
    take(hub, message("late", body))
    settle(hub)
    assert quantities(hub) == {"name acetone": "4", "name ethanol": "1.5"}
    assert_invariants(hub)


def test_what_messages_have_taken_since_is_not_put_back_and_later_ones_go_on_from_there(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    taken = body_of(moved_by("Ethanol", "0.5", location="101"), kind="inventory.stock.consumed", at=None)
    take(hub, message("out", taken))
    settle(hub)
    assert quantities(hub)["name ethanol"] == "1.5"
    second = sent(hub, "stock.xlsx--abcdefgh.xlsx", first, amount(ACETONE, "4"), ETHANOL)

    posted(hub, second)

    assert quantities(hub) == {"name acetone": "4", "name ethanol": "1.5"}
    take(hub, message("out once more", taken))
    settle(hub)
    assert quantities(hub)["name ethanol"] == "1"
    assert_reproduced(hub, second)


def test_a_line_that_a_newer_list_has_closed_is_not_opened_again(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    newer = sent(hub, "stock.xlsx", None, ACETONE, amount(ETHANOL, "3"))
    posted(hub, newer)
    posted(hub, sent(hub, "newer back.xlsx", newer, ACETONE, moved(amount(ETHANOL, "3"), "201")))
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|201"]

    older = sent(hub, "older back.xlsx", first, amount(ACETONE, "4"), ETHANOL)
    preview = previewed(hub, "older.xlsx", workbook(hub, first, amount(ACETONE, "4"), ETHANOL))
    posted(hub, older)

    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|201"]
    assert [one[:60] for one in stays(hub, older)] == ["Row 3 stays out of the ledger"]
    assert_reproduced(hub, older)
    assert preview.found is not None
    assert (preview.found.new, preview.found.changed, preview.found.unchanged) == (0, 1, 1)


@on_sqlite
def test_a_preview_tells_what_would_stay_as_others_have_set_it(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    posted(hub, sent(hub, "more.xlsx", None, amount(ETHANOL, "7")))

    found = previewed(hub, "back.xlsx", workbook(hub, first, amount(ACETONE, "4"), ETHANOL)).found

    assert found is not None
    assert (found.changed, found.unchanged) == (1, 1)
    assert [one.reason[:44] for one in found.warnings] == ["Row 3 would stay as more.xlsx has set it on "]


@on_sqlite
def test_a_column_that_the_file_does_not_have_makes_no_row_a_changed_one(hub: Hub) -> None:
    """The other list has set a column too of which this one says nothing."""
    first = sent(hub, "stock.xlsx", None, ACETONE)
    posted(hub, first)
    lines = [",".join((*HEADER, "Expiration Date")), ",".join((*amount(ACETONE, "5"), "2031-01-01"))]
    posted(hub, str(send(hub, "days.csv", "\n".join(lines).encode()).request_id))
    second = sent(hub, "back.xlsx", first, ACETONE, ETHANOL)

    posting = posted(hub, second)

    assert (posting.posted, posting.unchanged) == (1, 1)
    assert stays(hub, second) == [], "the row says what the ledger says"
    assert_reproduced(hub, second)


@dataclass(frozen=True, slots=True)
class Overtaken(Returns):
    """Looked what its sender had seen before another workbook posted; asked once more, it looks again."""

    stale: list[Seen | None] = field(default_factory=list)

    def seen(self, tx: Transaction, current: Submission, ledger: str) -> Seen | None:
        return self.stale.pop() if self.stale else Returns.seen(self, tx, current, ledger)


def test_of_two_files_made_of_one_that_post_at_once_the_later_one_knows_the_other_as_its_own(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    one = sent(hub, "one.xlsx", first, amount(ACETONE, "6"), ETHANOL)
    two = sent(hub, "two.xlsx", first, ACETONE, amount(ETHANOL, "3"))
    lease_and_validate(hub, two)
    real = hub.processing.returns
    with hub.db.read() as tx:
        before = real.seen(tx, submission(hub, two), LEDGER)
    assert before == Seen(1)
    posted(hub, one)

    racing = Overtaken(real.db, real.keys, real.archive, real.answers, stale=[before])
    process(replace(hub, processing=replace(hub.processing, returns=racing)), two)

    assert quantities(hub) == {"name acetone": "5", "name ethanol": "3"}
    assert_invariants(hub)


def test_entries_are_found_at_their_places_be_they_side_by_side_or_far_from_each_other(hub: Hub) -> None:
    rows = [(f"Item {number}", "101", str(number), "L", "Merck") for number in range(2, 22)]
    posted(hub, sent(hub, "stock.xlsx", None, *rows))
    with hub.db.read() as tx:
        for wanted in ({2, 3, 5}, {2, 21}, {4, 99}):
            found = ledger_entries.at_places(tx, LEDGER, 1, wanted)
            amounts = {row_no: json.loads(values)["quantity_on_hand"] for row_no, _, values in found}
            assert amounts == {row_no: str(row_no) for row_no in wanted if row_no < 22}
