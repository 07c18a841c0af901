"""A sender's own columns, on both databases: asked about, answered once, remembered, reused, and done again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import Scope
from hub_pipelines.drift.model import Source
from hub_pipelines.evidence import headers_of, verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.answering import Answered, NotAnswered
from hub_pipelines.mapping.remembered import Kept
from hub_pipelines.processing import failure_of
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.returning import WaitsForOriginal
from hub_pipelines.review.model import ItemState
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Busy, Cause, State
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.stores.test_drift import detail_of, in_force, item_of, receipt, sent
from hub_pipelines_tests.stores.test_rebuilding import MONDAY, TUESDAY
from hub_pipelines_tests.support import (
    assert_invariants,
    due_now,
    events,
    journal_size,
    lease,
    ledger_values,
    make_registry,
    on_day,
    process,
    process_all,
    submission,
)

STOCK = FEEDS["inventory"].record_type("inventory.stock")
LEDGER = "inventory.stock@north"
SOURCE = Source("north", "inventory", "stock.csv")
# no heading of the first says for sure how much there is; in the second, what the item is is in question too
ONE_OPEN = "Item Code,Name,Room,Bestand 7,Unit,Farbe"
TWO_OPEN = "Item Code,Dinge,Room,Bestand 7,Unit"
ROW = "A-1,Buffer,B1,3,bottle,red"


def asked(hub: Hub, header: str = ONE_OPEN, *rows: str, name: str = "stock.csv") -> str:
    """A file that is held for its questions; its request_id."""
    request_id = sent(hub, header, *(rows or (ROW,)), name=name)
    assert process(hub, request_id) is State.IN_REVIEW
    assert submission(hub, request_id).cause is Cause.QUESTION
    return request_id


def questions(hub: Hub, request_id: str) -> dict[str, Kept]:
    return {str(one.column): one for one in hub.answers.of_submission(request_id).questions}


def answer(hub: Hub, request_id: str, column: str, choice: str, *, by: str = "person/kim") -> Answered:
    return hub.answers.answer(request_id, [(questions(hub, request_id)[column].question_id, choice)], actor=by)


def answered(hub: Hub) -> str:
    """A source that was asked about once and has posted; its request_id."""
    request_id = asked(hub)
    assert answer(hub, request_id, "quantity_on_hand", "bestand 7").replayed == (request_id,)
    assert isinstance(process(hub, request_id), Posting)
    return request_id


def line(hub: Hub, item_code: str) -> dict[str, object]:
    """The line of the ledger with this number."""
    (found,) = [row for row in ledger_values(hub, LEDGER).values() if row["item_code"] == item_code]
    return found


# ---- asked


def test_a_column_that_nobody_can_tell_is_asked_about_and_the_file_is_held(hub: Hub) -> None:
    request_id = asked(hub)
    (one,) = hub.answers.of_submission(request_id).questions
    assert (one.question_id, one.kind, one.column, one.answer) == ("q1", "column", "quantity_on_hand", None)
    assert [choice.value for choice in one.choices][-1] == "none"
    item = item_of(hub, request_id)
    assert (item.cause, item.revision) == (Cause.QUESTION, 1)
    assert "Which column tells how much there is?" in item.reason
    asked_about = detail_of(hub, request_id, "mapping:asked")
    assert asked_about["questions"] == [{"kind": "column", "column": "quantity_on_hand", "heading": one.heading}]
    assert journal_size(hub) == 0
    assert_invariants(hub)


@on_sqlite
def test_the_receipt_asks_in_plain_words_and_tells_how_to_answer(hub: Hub) -> None:
    request_id = asked(hub)
    page = receipt(hub, request_id)
    assert (page["outcome"], page["headline"]) == (
        "question",
        "This file can be taken when you have answered what we ask below",
    )
    (one,) = page["questions"]
    assert one["text"].startswith("Which column tells how much there is?")
    assert one["choices"][-1].startswith("none of them")
    assert page["answer_command"] == f"hub mapping answer {request_id} q1 N"
    html = hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")
    assert "What we need to know" in html
    assert "Questions" in html


def test_the_answer_lets_the_file_post_by_itself_and_is_told_in_the_receipt(hub: Hub) -> None:
    request_id = asked(hub)
    done = answer(hub, request_id, "quantity_on_hand", "1")
    assert (done.open, done.replayed, done.version) == ((), (request_id,), 1)
    assert item_state(hub, request_id) is ItemState.REPLAYED
    assert isinstance(process(hub, request_id), Posting)
    assert line(hub, "A-1")["quantity_on_hand"] == "3"
    assert line(hub, "A-1")["other"] == {"Farbe": "red"}
    page = receipt(hub, request_id)
    told = {one["heading"]: (one["column"], one["how"]) for one in page["columns_read"]["understood"]}
    assert told["Bestand 7"] == ("quantity_on_hand", "your answer")
    assert page["columns_read"]["unread"] == ["Farbe"]
    wanted = ["mapping:asked", "mapping:answered", "mapping:remembered", "review:replayed"]
    assert [one for one in events(hub, request_id) if one in wanted] == [
        "mapping:asked",
        "review:replayed",
        "mapping:answered",
        "mapping:remembered",
    ]
    assert verify_all(hub).ok
    assert_invariants(hub)


@on_sqlite
def test_a_row_of_headings_in_another_language_is_found_below_lines_about_the_lab(hub: Hub) -> None:
    about = ("Labor,AG Meyer,Stand,Januar", "Ansprechpartner,Frau Kurz,Tel,4711")
    lines = (
        "Chemikalie,Lagerort,Menge,Einheit",
        "Aceton,Schrank 2,3,L",
        "Harnstoff,Schrank 2,1,kg",
        "Agar,Regal 4,2,kg",
    )
    assert isinstance(process(hub, sent(hub, *about, *lines)), Posting)
    found = {str(row["item_name"]): row["location"] for row in ledger_values(hub, LEDGER).values()}
    assert found == {"Aceton": "Schrank 2", "Harnstoff": "Schrank 2", "Agar": "Regal 4"}


@on_sqlite
def test_a_number_that_is_not_sure_holds_no_file_and_its_columns_stay_with_the_row(hub: Hub) -> None:
    header = "Chemical Name,Room,Left Cabinet Cat#,Right Cabinet Cat#"
    request_id = sent(hub, header, "Acetone,B1,A-17,B-18", "Urea,B1,A-18,B-19", "Agar,B1,A-19,B-20")
    assert isinstance(process(hub, request_id), Posting)
    (acetone,) = [row for row in ledger_values(hub, LEDGER).values() if row["item_name"] == "Acetone"]
    assert acetone["other"] == {"Left Cabinet Cat#": "A-17", "Right Cabinet Cat#": "B-18"}
    decision = hub.answers.of_submission(request_id).decision
    assert decision is not None
    (note,) = decision.notes
    assert note.startswith("It is not certain which column tells under which number the item is ordered or kept")


def item_state(hub: Hub, request_id: str) -> ItemState:
    return next(one.state for one in hub.review.listing(everything=True) if one.request_id == request_id)


def test_the_next_file_of_the_source_posts_without_a_question(hub: Hub) -> None:
    answered(hub)
    second = sent(hub, ONE_OPEN, ROW, "A-2,Agar,B1,5,bottle,blue")
    assert isinstance(process(hub, second), Posting)
    assert line(hub, "A-2")["quantity_on_hand"] == "5"
    assert headers_of(hub, second).as_before
    # another source is asked: an answer is about one list
    asked(hub, ONE_OPEN, "A-9,Agar,B1,5,bottle,blue", name="other.csv")


@on_sqlite
def test_a_problem_names_the_senders_heading(hub: Hub) -> None:
    answered(hub)
    second = sent(hub, ONE_OPEN, "A-2,Agar,B1,some,bottle,blue")
    process(hub, second)
    (problem,) = receipt(hub, second)["problems"]
    assert problem["column"] == "quantity_on_hand"
    assert problem["heading"] == "Bestand 7"


def test_several_questions_are_answered_one_by_one_or_together(hub: Hub) -> None:
    request_id = asked(hub, TWO_OPEN, "A-1,Buffer,B1,3,bottle")
    known = questions(hub, request_id)
    assert set(known) == {"item_name", "quantity_on_hand"}
    first = answer(hub, request_id, "item_name", "1")
    assert ([one.column for one in first.open], first.replayed) == (["quantity_on_hand"], ())
    assert submission(hub, request_id).state is State.IN_REVIEW
    assert answer(hub, request_id, "quantity_on_hand", "bestand 7").replayed == (request_id,)
    for number, written in enumerate(("{}", "column {}", "“Column {}”")):
        other = asked(hub, TWO_OPEN, f"A-9{number},Buffer,B1,3,bottle", name=f"{number}.csv")
        one = questions(hub, other)["quantity_on_hand"]
        letter = one.choices[0].label.split(",")[0].removeprefix("column ")
        (kept,) = answer(hub, other, "quantity_on_hand", written.format(letter.lower())).taken
        assert questions(hub, other)["quantity_on_hand"].answer == one.choices[0].value
        assert kept.column == "quantity_on_hand"
    together = asked(hub, TWO_OPEN, "A-2,Agar,B1,5,bottle", name="b.csv")
    pairs = [(one.question_id, "1") for one in questions(hub, together).values()]
    assert hub.answers.answer(together, pairs, actor="person/kim").replayed == (together,)
    process_all(hub)
    assert submission(hub, together).state is State.POSTED


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([("q9", "1")], "There is no question q9"),
        ([("q1", "purple")], "is not one of the answers"),
        ([("q1", "1"), ("q1", "2")], "answered twice"),
    ],
)
def test_what_is_no_answer_is_refused_and_changes_nothing(hub: Hub, answers: list[tuple[str, str]], why: str) -> None:
    request_id = asked(hub)
    with pytest.raises(NotAnswered, match=why):
        hub.answers.answer(request_id, answers, actor="person/kim")
    assert hub.answers.listing() == []
    assert submission(hub, request_id).state is State.IN_REVIEW


def test_an_answer_given_twice_has_one_effect_and_another_one_is_refused(hub: Hub) -> None:
    request_id = asked(hub, TWO_OPEN, "A-1,Buffer,B1,3,bottle")
    answer(hub, request_id, "item_name", "1")
    again = answer(hub, request_id, "item_name", "1", by="person/lee")
    assert (again.taken, [one.column for one in again.repeated], again.version) == ((), ["item_name"], 1)
    with pytest.raises(NotAnswered, match="answered before by person/kim"):
        answer(hub, request_id, "item_name", "none", by="person/lee")
    answer(hub, request_id, "quantity_on_hand", "1")
    with pytest.raises(NotAnswered, match="no question about it is open"):
        hub.answers.answer(request_id, [("q1", "1")], actor="person/lee")
    assert events(hub, request_id).count("mapping:answered") == 2


def test_other_files_of_the_source_that_wait_go_on_too(hub: Hub) -> None:
    first = asked(hub)
    second = asked(hub, ONE_OPEN, "A-2,Agar,B1,5,bottle,blue")
    elsewhere = asked(hub, ONE_OPEN, "A-9,Agar,B1,5,bottle,blue", name="other.csv")
    assert answer(hub, first, "quantity_on_hand", "1").replayed == (first, second)
    process_all(hub)
    assert [submission(hub, one).state for one in (first, second)] == [State.POSTED] * 2
    assert submission(hub, elsewhere).state is State.IN_REVIEW


def test_files_of_a_source_that_one_answer_releases_are_worked_on_one_after_the_other(hub: Hub) -> None:
    """Side by side the oldest might post last, and stay."""
    versions = [asked(hub, ONE_OPEN, f"A-1,Buffer,B1,{number},bottle,red") for number in (1, 2, 3)]
    answer(hub, versions[2], "quantity_on_hand", "bestand 7")
    assert [one.request_id for one in due_now(hub)] == versions
    assert isinstance(process(hub, versions[2]), Busy)
    for request_id in versions:
        assert isinstance(process(hub, request_id), Posting)
    assert due_now(hub) == []
    assert line(hub, "A-1")["quantity_on_hand"] == "3"


def test_an_old_file_stays_in_review_when_a_newer_one_of_its_source_has_posted(hub: Hub) -> None:
    old = asked(hub, ONE_OPEN, "A-1,Buffer,B1,1,bottle,red")
    good = sent(hub, "Item Code,Name,Room,Quantity,Unit,Farbe", "A-1,Buffer,B1,9,bottle,red", name="stock.csv")
    assert isinstance(process(hub, good), Posting)
    hub.answers.set(SOURCE, "Bestand 7", "quantity_on_hand", actor="person/kim")
    process_all(hub)
    assert submission(hub, old).state is State.IN_REVIEW
    assert line(hub, "A-1")["quantity_on_hand"] == "9"


def test_an_answer_about_an_overtaken_file_is_remembered_and_the_file_stays_for_a_person(hub: Hub) -> None:
    old = asked(hub, ONE_OPEN, "A-1,Buffer,B1,1,bottle,red")
    good = sent(hub, "Item Code,Name,Room,Quantity,Unit,Farbe", "A-1,Buffer,B1,9,bottle,red", name="stock.csv")
    assert isinstance(process(hub, good), Posting)
    assert receipt(hub, good)["headline"] == "The only row was taken"
    hub.receipts.write_due()  # the old one's is due by the posting of the new one
    page = hub.receipts.places.page_of(submission(hub, old)).read_text(encoding="utf-8")
    assert "<h1>You sent a newer copy; go on there</h1>" in page
    assert hub.receipts.places.page_of(submission(hub, good)).name in page
    assert "What we need to know" not in page

    done = answer(hub, old, "quantity_on_hand", "bestand 7")

    assert done.overtaken_by is not None
    assert (done.overtaken_by.request_id, done.replayed, done.open) == (good, (), ())
    assert done.item_id == item_of(hub, old).item_id
    assert submission(hub, old).state is State.IN_REVIEW
    process_all(hub)
    assert line(hub, "A-1")["quantity_on_hand"] == "9"
    assert hub.answers.of_source(SOURCE).remembered.confirmed.headings == {"bestand 7": "quantity_on_hand"}
    assert_invariants(hub)
    hub.review.replay(str(done.item_id), actor="person/kim")  # said on purpose, it is taken
    assert isinstance(process(hub, old), Posting)
    assert line(hub, "A-1")["quantity_on_hand"] == "1"


def test_what_corrects_another_file_is_not_due_before_that_one_is_settled(hub: Hub) -> None:
    first = sent(hub, "Item Code,Name,Room,Quantity,Unit", "A-1,Buffer,B1,1,bottle", name="stock.csv")
    other = sent(hub, "Item Code,Name,Room,Quantity,Unit", "A-1,Buffer,B1,2,bottle", name="mended.csv")
    process(hub, first)
    hub.review.apply_again(first, actor="person/kim")
    assert {one.request_id for one in due_now(hub)} == {first, other}
    begun = lease(hub, other)
    with hub.db.write() as tx:
        leases.set_revises(tx, begun, first)
        leases.settle_retrying(tx, begun, failure_of(WaitsForOriginal("it waits"), None), timedelta(0))
    assert [one.request_id for one in due_now(hub)] == [first]
    with hub.db.read() as tx:
        assert versions.overtaken(tx, [first]) == {first: other}
    assert isinstance(process(hub, first), Posting)
    assert [one.request_id for one in due_now(hub)] == [other]
    assert isinstance(process(hub, other), Posting)
    assert line(hub, "A-1")["quantity_on_hand"] == "2"


def test_the_answer_that_there_is_no_such_column_leads_to_what_is_missing(hub: Hub) -> None:
    request_id = asked(hub, TWO_OPEN, "A-1,Buffer,B1,3,bottle")
    answer(hub, request_id, "quantity_on_hand", "1")
    answer(hub, request_id, "item_name", "none")
    assert process(hub, request_id) is State.IN_REVIEW
    assert submission(hub, request_id).cause is Cause.UNREADABLE
    assert "item_name" in str(submission(hub, request_id).reason)
    assert hub.answers.of_source(SOURCE).remembered.confirmed.absent == {"item_name"}


def test_a_refused_file_is_told_why_and_not_what_the_contracts_own_headings_would_lack(hub: Hub) -> None:
    request_id = sent(
        hub, "Nom,Bureau,Courriel", "Curie,B1,m@uni.example", "Pasteur,,l@uni.example", "Roux,,r@uni.example"
    )
    assert process(hub, request_id) is State.IN_REVIEW
    assert submission(hub, request_id).cause is Cause.UNREADABLE
    reason = str(submission(hub, request_id).reason)
    assert "too general to tell that this is a stock list: Nom, Courriel" in reason
    assert "lacks" not in reason


# ---- remembered


def test_what_is_remembered_is_listed_changed_and_forgotten_with_its_history(hub: Hub) -> None:
    answered(hub)
    (known,) = hub.answers.listing(campus="north", feed="inventory")
    assert (known.source, known.version, dict(known.confirmed.headings)) == (
        SOURCE,
        1,
        {"bestand 7": "quantity_on_hand"},
    )
    assert hub.answers.listing(campus="south") == []
    changed = hub.answers.set(SOURCE, "Farbe", "supplier", actor="person/lee")
    assert (changed.version, changed.confirmed.headings["farbe"]) == (2, "supplier")
    assert isinstance(process(hub, sent(hub, ONE_OPEN, "A-5,Agar,B1,5,bottle,Sigma")), Posting)
    assert line(hub, "A-5")["supplier"] == "Sigma"
    less = hub.answers.forget(SOURCE, "Farbe", actor="person/lee")
    assert (less.version, dict(less.confirmed.headings)) == (3, {"bestand 7": "quantity_on_hand"})
    assert hub.answers.forget(SOURCE, actor="person/lee").is_empty
    assert hub.answers.listing() == []
    assert [one.version for one in hub.answers.of_source(SOURCE).history] == [4, 3, 2, 1]
    with pytest.raises(NotAnswered, match="Nothing is remembered"):
        hub.answers.forget(SOURCE, actor="person/lee")
    with pytest.raises(NotAnswered, match="has no column"):
        hub.answers.set(SOURCE, "Farbe", "colour", actor="person/lee")
    with hub.db.read() as tx:
        told = [one.event.actor for one in audit.entries_named(tx, "mapping:remembered")]
    assert told == ["person/kim", *["person/lee"] * 3]


def test_setting_a_column_lets_what_waits_for_it_go_on(hub: Hub) -> None:
    request_id = asked(hub)
    hub.answers.set(SOURCE, "Bestand 7", "quantity_on_hand", actor="person/lee")
    assert isinstance(process(hub, request_id), Posting)


def test_decisions_and_versions_can_not_be_changed(hub: Hub) -> None:
    answered(hub)
    for change in (
        update(mappings.decision).values(document={}),
        delete(mappings.decision),
        update(mappings.source_mapping).values(changed_by="person/max"),
        delete(mappings.source_mapping),
    ):
        with pytest.raises(DBAPIError, match="append-only"), hub.db.write() as tx:
            tx.execute(change)


def test_rows_staged_before_an_answer_was_changed_are_judged_again(hub: Hub) -> None:
    from hub_pipelines_tests.support import lease_and_validate

    answered(hub)
    second = sent(hub, ONE_OPEN, "A-7,Agar,B1,5,bottle,Sigma")
    lease = lease_and_validate(hub, second)
    before = submission(hub, second).decision
    hub.answers.set(SOURCE, "Farbe", "supplier", actor="person/lee")
    posting = hub.processing.post(lease)
    assert line(hub, "A-7")["supplier"] == "Sigma"
    assert posting.decision == submission(hub, second).decision != before


# ---- history


def test_a_day_is_done_again_by_the_decisions_of_its_time(hub: Hub) -> None:
    monday, tuesday = on_day(hub, MONDAY), on_day(hub, TUESDAY)
    first = answered(monday)
    detail = detail_of(hub, first, "submission:posted")
    with hub.db.read() as tx:
        kept = mappings.find_decision(tx, detail["decision"])
        posting = ledger_outcomes.find_posting(tx, first, 2)
    assert kept is not None
    assert kept.mapping is not None
    assert kept.mapping.positions["quantity_on_hand"] == 3
    assert posting is not None
    assert posting.decision == detail["decision"] == kept.digest
    hub.answers.set(SOURCE, "Farbe", "quantity_on_hand", actor="person/lee")
    second = sent(hub, ONE_OPEN, "A-1,Buffer,B1,3,bottle,8")
    assert isinstance(process(tuesday, second), Posting)
    assert line(hub, "A-1")["quantity_on_hand"] == "8"
    for day in (MONDAY, TUESDAY):
        found = reproduce(hub, STOCK, "north", day)
        assert (found.postings, found.differences) == (1, ())


def test_a_posting_from_before_decisions_were_kept_is_done_again_as_it_was(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an older release has left it: neither audit entry nor posting names a decision."""
    monday = on_day(hub, MONDAY)
    real = Posting.document

    def without_decision(outcome: Posting) -> dict[str, object]:
        return {name: value for name, value in real(outcome).items() if name != "decision"}

    monkeypatch.setattr(Posting, "document", without_decision)
    assert isinstance(process(monday, sent(hub, "Item Code,Name,Room,Quantity,Unit", "A-1,Buffer,B1,3,L")), Posting)
    found = reproduce(hub, STOCK, "north", MONDAY)
    assert (found.postings, found.entries, found.differences) == (1, 1, ())


def test_a_decision_that_is_gone_is_told_and_never_made_up(hub: Hub) -> None:
    monday = on_day(hub, MONDAY)
    first = answered(monday)
    digest = submission(hub, first).decision
    with hub.db.write() as tx:
        for statement in _without_triggers(hub):
            tx.exec_driver_sql(statement)
        tx.execute(delete(mappings.decision).where(mappings.decision.c.digest == digest))
    found = reproduce(hub, STOCK, "north", MONDAY)
    assert not found.is_equal
    assert "is not there" in found.differences[0]


def _without_triggers(hub: Hub) -> list[str]:
    if hub.db.is_postgres:
        return ["ALTER TABLE decision DISABLE TRIGGER ALL"]
    return ["DROP TRIGGER decision_refuses_update", "DROP TRIGGER decision_refuses_delete"]


# ---- beside migrations and drift


def test_a_migration_for_the_very_headings_wins_over_what_would_be_asked(hub: Hub) -> None:
    request_id = asked(hub, TWO_OPEN, "A-1,Buffer,B1,3,bottle")
    rename = '\n[[step]]\ndo = "rename"\ncolumn = "Dinge"\nto = "item_name"\n'
    reference = in_force(hub, item_of(hub, request_id), rename)
    assert isinstance(process(hub, request_id), Posting)
    assert detail_of(hub, request_id, "submission:posted")["migration"] == reference
    assert line(hub, "A-1")["other"] == {"Bestand 7": "3"}
    assert hub.answers.listing() == []
    with hub.db.read() as tx:
        kept = mappings.find_decision(tx, submission(hub, request_id).decision)
    assert kept is not None
    assert kept.mapping is None
    assert headers_of(hub, request_id).as_before


def test_a_lost_column_that_nobody_is_asked_about_is_set_by_hand_and_its_file_goes_on(hub: Hub) -> None:
    answered(hub)
    second = sent(hub, ONE_OPEN.replace("Bestand 7", "Xyz"), "A-2,Agar,B1,5,bottle,blue")
    assert process(hub, second) is State.IN_REVIEW
    assert submission(hub, second).cause is Cause.DRIFT
    hub.answers.set(SOURCE, "Xyz", "quantity_on_hand", actor="person/lee")
    assert isinstance(process(hub, second), Posting)
    assert line(hub, "A-2")["quantity_on_hand"] == "5"


def test_a_column_that_an_answered_source_loses_is_drift_and_still_answerable(hub: Hub) -> None:
    answered(hub)
    second = sent(hub, ONE_OPEN.replace("Bestand 7", "Bestand 8"), "A-2,Agar,B1,5,bottle,blue")
    assert process(hub, second) is State.IN_REVIEW
    assert submission(hub, second).cause is Cause.DRIFT
    assert 'quantity on hand (so far "Bestand 7") is missing' in item_of(hub, second).reason
    assert answer(hub, second, "quantity_on_hand", "bestand 8").replayed == (second,)
    assert isinstance(process(hub, second), Posting)
    assert line(hub, "A-2")["quantity_on_hand"] == "5"
    assert_invariants(hub)


@on_sqlite
def test_a_column_with_a_sure_other_heading_is_not_lost(hub: Hub) -> None:
    plain = "Item Code,Name,Room,Quantity,Unit"
    assert isinstance(process(hub, sent(hub, plain, "A-1,Buffer,B1,3,bottle")), Posting)
    renamed = "Item Code,Name,Room,Qty on hand (ea),Unit"
    second = sent(hub, renamed, "A-1,Buffer,B1,4,bottle")
    assert isinstance(process(hub, second), Posting)
    assert line(hub, "A-1")["quantity_on_hand"] == "4"
    assert headers_of(hub, second).as_before
    told = {one["heading"]: one["column"] for one in receipt(hub, second)["columns_read"]["understood"]}
    assert told["Qty on hand (ea)"] == "quantity_on_hand"


# ---- how values are written

DATED = "Item Code,Name,Room,Quantity,Unit,Received"


@on_sqlite
def test_a_question_about_values_names_the_senders_own_heading(hub: Hub) -> None:
    request_id = asked(hub, "Item Code,Name,Room,Quantity,Unit,Date rec'd", "A-1,Buffer,B1,3,bottle,03/04/2025")
    (one,) = hub.answers.of_submission(request_id).questions
    assert (one.column, one.heading) == ("received_on", "Date rec'd")
    assert 'Column F, "Date rec\'d"' in one.text


@on_sqlite
def test_a_column_that_tells_how_another_one_is_written_is_told_by_its_heading_too(hub: Hub) -> None:
    header = "Item Code,Name,Room,Quantity,Unit,Date rec'd,Date opened"
    request_id = sent(hub, header, "A-1,Buffer,B1,3,bottle,03/04/2025,23/04/2025")
    assert isinstance(process(hub, request_id), Posting)
    (told,) = [one for one in receipt(hub, request_id)["columns_read"]["values"] if "rec'd" in one]
    assert "so are those of the column “Date opened”" in told


def test_a_date_that_can_be_read_two_ways_is_asked_about_once_for_its_source(hub: Hub) -> None:
    monday, tuesday = on_day(hub, MONDAY), on_day(hub, TUESDAY)
    request_id = asked(monday, DATED, "A-1,Buffer,B1,3,bottle,03/04/2025")
    (one,) = hub.answers.of_submission(request_id).questions
    assert (one.kind, one.key, one.heading) == ("date_order", "date_order:received_on", "Received")
    assert [choice.value for choice in one.choices] == ["DMY", "MDY"]
    answer(monday, request_id, "received_on", "DMY")
    assert isinstance(process(monday, request_id), Posting)
    assert line(hub, "A-1")["received_on"] == "2025-04-03"
    assert any("day/month/year" in told for told in receipt(hub, request_id)["columns_read"]["values"])
    assert dict(hub.answers.of_source(SOURCE).remembered.values) == {"date_order:received_on": "DMY"}
    assert isinstance(process(tuesday, sent(hub, DATED, "A-2,Agar,B1,3,bottle,05/06/2025")), Posting)
    assert line(hub, "A-2")["received_on"] == "2025-06-05"
    # the backfill reads by what was decided then, whatever is remembered now
    hub.answers.forget(SOURCE, "date_order:received_on", actor="person/lee")
    for day in (MONDAY, TUESDAY):
        found = reproduce(hub, STOCK, "north", day)
        assert (found.postings, found.differences) == (1, ())
    assert_invariants(hub)


@on_sqlite
def test_a_required_column_that_the_cells_of_another_fill_is_not_missing(hub: Hub) -> None:
    monday = on_day(hub, MONDAY)
    header = "Container ID,Contents,Quantity,Location"
    request_id = sent(hub, header, "C-1,Acetone,500 mL,B1", "C-2,Ethanol,2 L,B1", scope=Scope("north", "hazmat"))
    assert isinstance(process(monday, request_id), Posting)
    values = ledger_values(hub, "hazmat.container@north")
    assert [(row["quantity"], row["unit"]) for row in values.values()] == [("500", "mL"), ("2", "L")]
    assert headers_of(hub, request_id).as_before
    found = reproduce(hub, FEEDS["hazmat"].record_type("hazmat.container"), "north", MONDAY)
    assert (found.postings, found.differences) == (1, ())
    again = sent(hub, header, "C-3,Acetone,100 mL,B1", scope=Scope("north", "hazmat"))
    assert isinstance(process(monday, again), Posting)


# ---- answers in a returned sheet


def test_answers_of_a_returned_sheet_are_remembered_and_the_old_file_gives_way(hub: Hub) -> None:
    old = asked(hub)
    new = sent(hub, ONE_OPEN, ROW.replace("3", "4"))
    sheet = [("q1", "1"), ("q7", "1"), ("q1", " ")]
    with hub.db.write() as tx:
        troubles = hub.answers.from_sheet(tx, submission(hub, old), sheet, actor="sender/returned", replaced_by=new)
    assert troubles == ["There is no question q7 about this file."]
    assert submission(hub, old).state is State.DISMISSED
    assert item_state(hub, old) is ItemState.RESUBMITTED
    assert hub.answers.of_source(SOURCE).remembered.confirmed.headings == {"bestand 7": "quantity_on_hand"}
    assert isinstance(process(hub, new), Posting)
    assert line(hub, "A-1")["quantity_on_hand"] == "4"
    assert_invariants(hub)


def test_an_answer_that_is_none_of_the_choices_is_told_and_asked_again(hub: Hub) -> None:
    old = asked(hub)
    new = sent(hub, ONE_OPEN, ROW.replace("3", "4"))
    with hub.db.write() as tx:
        (trouble,) = hub.answers.from_sheet(
            tx, submission(hub, old), [("q1", "the green one")], actor="sender/returned", replaced_by=new
        )
    assert "is not one of the answers" in trouble
    assert process(hub, new) is State.IN_REVIEW


# ---- rows of several sheets


@on_sqlite
def test_rows_of_several_sheets_are_told_by_sheet_and_number(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections.abc import Iterator
    from contextlib import contextmanager

    from hub_pipelines import judging
    from hub_pipelines.validate.model import PART_ROWS, Part, Table

    real = judging.open_list

    @contextmanager
    def two_sheets(*args: Any, **named: Any) -> Iterator[Table]:
        """The reader of several sheets, which numbers the second sheet's rows from PART_ROWS on."""
        with real(*args, **named) as table:
            rows = [(at * PART_ROWS + row_no, cells) for at, (row_no, cells) in enumerate(table.rows)]
            yield replace(table, rows=rows, parts=(Part("Lab 1", 1), Part("Lab 2", 1)))

    monkeypatch.setattr(judging, "open_list", two_sheets)
    request_id = sent(hub, "Item Code,Name,Room,Quantity,Unit", "A-1,Buffer,B1,many,L", "A-2,Agar,B1,few,L")
    assert isinstance(process(hub, request_id), Posting)
    page = receipt(hub, request_id)
    assert [(one["row"], one["sheet"]) for one in page["problems"]] == [(2, "Lab 1"), (3, "Lab 2")]
    html = hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")
    assert "3, sheet Lab 2" in html


def test_a_column_of_registered_tags_is_known_by_them(hub: Hub) -> None:
    make_registry(hub, ["NC-0101", "NC-0102", "NC-0103"])
    rows = [f"NC-010{n},Machine {n},B-21{n},1,ea" for n in (1, 2, 3)]
    request_id = sent(hub, "Zeichen,Désignation,Local,Quantité,Unité", *rows, name="materiel.csv")
    assert isinstance(process(hub, request_id), Posting)
    assert ledger_values(hub).keys() == {"NC-0101", "NC-0102", "NC-0103"}
    read = {one["column"]: one for one in receipt(hub, request_id)["columns_read"]["understood"]}
    assert read["asset_tag"]["heading"] == "Zeichen"
    assert_invariants(hub)
