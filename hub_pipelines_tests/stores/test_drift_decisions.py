"""What people decide about changed columns, on both databases: accepted, migrated, replayed, and reproduced later."""

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.decisions import NotAllowed
from hub_pipelines.drift.model import BadMigration, Kind
from hub_pipelines.evidence import headers_of, verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.rehearsing import rehearse
from hub_pipelines.submission.model import State
from hub_pipelines.validate.staging import read_staged, staged_path
from hub_pipelines_tests.stores.test_drift import (
    HEADER,
    LEDGER,
    NAME,
    PACKED,
    SPLIT,
    STOCK,
    UNIT,
    WHAT,
    detail_of,
    held,
    in_force,
    item_of,
    migration,
    posted,
    receipt,
)
from hub_pipelines_tests.stores.test_rebuilding import MONDAY, TUESDAY
from hub_pipelines_tests.support import (
    assert_invariants,
    events,
    journal_size,
    ledger_values,
    on_day,
    process_all,
    submission,
)


@pytest.fixture
def lab(hub: Hub) -> str:
    """A stock list that has posted; its request_id."""
    return posted(on_day(hub, MONDAY), HEADER, "A-1,Buffer,B1,3,bottle", "A-2,Agar,B1,5,bottle")


# ---- accepting


def test_an_accepted_shape_posts_from_now_on_and_its_held_files_are_replayed(hub: Hub) -> None:
    posted(hub, HEADER + ",Lot", "A-1,Buffer,B1,3,bottle,L1")
    item = held(hub, HEADER + ",Door", "A-1,Buffer,B1,4,bottle,left")
    other = held(hub, HEADER + ",Door", "A-2,Agar,B1,4,bottle,left")
    done = hub.columns.accept(item.item_id, actor="person/kim")
    assert (done.first, set(done.replayed)) == (True, {item.item_id, other.item_id})
    process_all(hub)
    assert headers_of(hub, item.request_id).as_before
    assert detail_of(hub, item.request_id, "shape:accepted")["shape"]
    assert posted(hub, HEADER + ",Door", "A-3,Salt,B1,4,bottle,right")
    again = hub.columns.accept(item.item_id, actor="person/lee")
    assert (again.first, again.replayed) == (False, ())
    assert events(hub, item.request_id).count("shape:accepted") == 1
    assert submission(hub, item.request_id).revision == 2
    assert_invariants(hub)


@pytest.mark.usefixtures("lab")
def test_columns_that_the_contract_refuses_can_not_be_accepted(hub: Hub) -> None:
    item = held(hub, WHAT, "A-1,Buffer,B1,9 x 1 L")
    with pytest.raises(NotAllowed, match="lacks a required column"):
        hub.columns.accept(item.item_id, actor="person/kim")
    assert item_of(hub, item.request_id).state == "open"


# ---- migrating


@pytest.mark.usefixtures("lab")
def test_a_migration_is_tried_without_effect_approved_by_another_and_applied(hub: Hub) -> None:
    item = held(hub, PACKED, "A-1,Buffer,B1,9 x 500 ml", "A-2,Agar,B1,some")
    reference = migration(hub, item, SPLIT, UNIT)
    before = journal_size(hub)
    (found,) = rehearse(hub, hub.columns.migration(reference))
    assert (found.received, found.accepted, found.rejected, found.rules) == (2, 1, 1, {"bad_quantity": 1})
    assert found.first_rows[0]["quantity_on_hand"] == "9"
    assert found.first_problems[0]["reason"].endswith('(In your file this is "Packed".)')
    assert (journal_size(hub), submission(hub, item.request_id).state) == (before, State.IN_REVIEW)
    with pytest.raises(NotAllowed, match="not approved yet"):
        hub.columns.apply(reference, actor="person/lee")
    with pytest.raises(NotAllowed, match="another person"):
        hub.columns.approve(reference, actor="person/kim")
    assert hub.columns.approve(reference, actor="person/lee")[1]
    assert not hub.columns.approve(reference, actor="person/max")[1]
    assert hub.columns.migration(reference).approved_by == "person/lee"
    done = hub.columns.apply(reference, actor="person/lee")
    assert (done.first, done.replayed) == (True, (item.item_id,))
    process_all(hub)
    current = submission(hub, item.request_id)
    assert (current.state, current.revision, current.counts.posted, current.counts.rejected) == (State.POSTED, 2, 1, 1)
    assert ledger_values(hub, LEDGER)["A-1|B1"] | {"other": {"Pack": "500 ml"}} == ledger_values(hub, LEDGER)["A-1|B1"]
    posting = detail_of(hub, item.request_id, "submission:posted")
    assert posting["migration"] == reference
    page = receipt(hub, item.request_id)
    assert [(one["column"], one["value"]) for one in page["warnings"]] == [
        ("quantity_on_hand", "Packed"),
        ("Pack", "Packed"),
    ]
    assert (page["problems"][0]["row"], "Packed" in page["problems"][0]["reason"]) == (3, True)
    assert hub.columns.apply(reference, actor="person/max").replayed == ()
    assert_invariants(hub)
    assert verify_all(hub).ok


@pytest.mark.usefixtures("lab")
def test_later_files_of_the_shape_post_under_it_and_so_do_those_with_more(hub: Hub) -> None:
    reference = in_force(hub, held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L"), SPLIT, UNIT)
    process_all(hub)
    later = posted(hub, "PACKED,Room,Name,SKU", "8 x 1 L,B1,Buffer,A-1")
    more = posted(hub, PACKED + ",Lot", "A-1,Buffer,B1,7 x 1 L,L7")
    once_more = posted(hub, PACKED + ",Lot", "A-1,Buffer,B1,6 x 1 L,L7")
    migrated = [detail_of(hub, one, "submission:posted")["migration"] for one in (later, more, once_more)]
    assert migrated == [reference] * 3
    assert detail_of(hub, more, "shape:extended")["gained"] == [{"column": "lot_number", "heading": "Lot"}]
    assert "shape:extended" not in events(hub, once_more)
    # the columns as they once were need no migration
    assert detail_of(hub, posted(hub, HEADER, "A-1,Buffer,B1,5,bottle"), "submission:posted")["migration"] is None
    assert ledger_values(hub, LEDGER)["A-1|B1"]["quantity_on_hand"] == "5"
    assert_invariants(hub)


@pytest.mark.usefixtures("lab")
def test_a_column_that_goes_away_under_a_migration_is_held(hub: Hub) -> None:
    in_force(hub, held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L"), SPLIT, UNIT)
    process_all(hub)
    item = held(hub, "Item Code,Name,Room,Door", "A-1,Buffer,B1,left")
    assert '(so far "Packed") is missing' in item.reason
    # what the migration still reads is not told as missing, nor are the columns that it makes
    other = held(hub, "Item Code,Name,Packed,Lot", "A-1,Buffer,9 x 1 L,L1")
    assert other.reason == (
        'The columns are not those of this list\'s earlier files: location (so far "Room") is missing. Also new: "Lot".'
    )
    (shown,) = hub.columns.show(other.item_id)
    assert [pair for pair in shown.pairs if "Pack" in (pair.before, pair.now)] == []


def test_a_migration_for_every_source_helps_files_without_a_history(hub: Hub) -> None:
    item = held(hub, WHAT, "A-1,Buffer,B1,9 x 1 L", name="january.csv")
    reference = in_force(hub, item, NAME, SPLIT, UNIT, source="*")
    process_all(hub)
    later = posted(hub, WHAT, "A-2,Agar,B1,8 x 1 L", name="february.csv")
    assert detail_of(hub, later, "submission:posted")["migration"] == reference
    # and of one for the source alone and one for all, the particular one counts
    other = held(hub, "Item Code,What,Room,Left", "A-3,Salt,B1,7 x 1 L", name="march.csv")
    in_force(hub, other, NAME, SPLIT.replace("Packed", "Left"), UNIT.replace("bottle", "bag"), source="*")
    own = hub.columns.add(
        hub.columns.draft(other.item_id).partition("\n#")[0]
        + NAME
        + SPLIT.replace("Packed", "Left")
        + UNIT.replace("bottle", "jar"),
        author="person/kim",
    )[0].reference
    hub.columns.approve(own, actor="person/lee")
    hub.columns.apply(own, actor="person/lee")
    process_all(hub)
    assert ledger_values(hub, LEDGER)["A-3|B1"]["unit"] == "jar"


@pytest.mark.usefixtures("lab")
def test_a_changed_migration_is_a_new_version_and_the_old_one_stays(hub: Hub) -> None:
    item = held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L")
    first = migration(hub, item, SPLIT, UNIT)
    assert migration(hub, item, SPLIT, UNIT) == first
    second = migration(hub, item, SPLIT, UNIT.replace("bottle", "jar"))
    assert second == first.replace("@1", "@2")
    assert "bottle" in hub.columns.migration(first).text
    for reference in (second, first):
        hub.columns.approve(reference, actor="person/lee")
    hub.columns.apply(second, actor="person/lee")
    with pytest.raises(NotAllowed, match="is newer than"):
        hub.columns.apply(first, actor="person/lee")
    process_all(hub)
    assert ledger_values(hub, LEDGER)["A-1|B1"]["unit"] == "jar"


@pytest.mark.usefixtures("lab")
def test_a_migration_that_does_not_fit_the_held_columns_is_not_kept(hub: Hub) -> None:
    item = held(hub, WHAT, "A-1,Buffer,B1,9 x 1 L")
    with pytest.raises(BadMigration, match="still don't do"):
        migration(hub, item, UNIT)
    with pytest.raises(BadMigration, match="has come with columns"):
        hub.columns.add(
            hub.columns.draft(item.item_id).replace('stock.csv"', 'other.csv"') + SPLIT, author="person/kim"
        )
    text = hub.columns.draft(item.item_id).replace('feed = "inventory"', 'feed = "payroll"')
    with pytest.raises(BadMigration, match="takes no feed"):
        hub.columns.add(text + SPLIT, author="person/kim")
    assert hub.columns.migrations() == []


@pytest.mark.usefixtures("lab")
def test_each_decision_is_audited_once_with_its_actor(hub: Hub) -> None:
    reference = in_force(hub, held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L"), SPLIT, UNIT)
    hub.columns.apply(reference, actor="person/max")
    with hub.db.read() as tx:
        found = [
            (one.event.event, one.event.actor, one.event.subject)
            for event in ("migration:added", "migration:approved", "migration:applied")
            for one in audit.entries_named(tx, event)
        ]
    assert found == [
        ("migration:added", "person/kim", reference),
        ("migration:approved", "person/lee", reference),
        ("migration:applied", "person/lee", reference),
    ]


# ---- history


def test_a_day_is_reproduced_under_the_version_of_the_migration_that_it_was_posted_under(hub: Hub, lab: str) -> None:
    monday, tuesday = on_day(hub, MONDAY), on_day(hub, TUESDAY)
    item = held(monday, PACKED, "A-1,Buffer,B1,9 x 1 L")
    in_force(hub, item, SPLIT, UNIT)
    process_all(monday)
    second = migration(hub, item, SPLIT, UNIT.replace("bottle", "jar"))
    hub.columns.approve(second, actor="person/lee")
    hub.columns.apply(second, actor="person/lee")
    posted(tuesday, PACKED, "A-1,Buffer,B1,9 x 1 L", "A-2,Agar,B1,4 x 1 L")
    assert ledger_values(hub, LEDGER)["A-1|B1"]["unit"] == "jar"
    for day, postings in ((MONDAY, 2), (TUESDAY, 1)):
        found = reproduce(hub, STOCK, "north", day)
        assert (found.postings, found.differences) == (postings, ())
    assert lab


@pytest.mark.usefixtures("lab")
def test_migrations_and_decisions_about_them_can_not_be_changed(hub: Hub) -> None:
    from sqlalchemy import delete, update
    from sqlalchemy.exc import DBAPIError

    in_force(hub, held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L"), SPLIT, UNIT)
    for change in (
        update(shapes.migration).values(author="person/max"),
        delete(shapes.migration),
        update(shapes.migration_decision).values(decided_by="person/max"),
        delete(shapes.migration_decision),
    ):
        with pytest.raises(DBAPIError, match="append-only"), hub.db.write() as tx:
            tx.execute(change)


@pytest.mark.usefixtures("lab")
def test_what_a_staged_file_records_tells_the_kind_of_its_header(hub: Hub) -> None:
    more = posted(hub, HEADER + ",Lot", "A-1,Buffer,B1,9,bottle,L1")
    staged = submission(hub, more).staged
    assert staged is not None
    summary, _ = read_staged(staged_path(hub.settings.staged, staged))
    assert (summary["headers"], summary["migration"]) == (Kind.EXTENDED, None)
    assert summary["header"] == [*HEADER.split(","), "Lot"]
