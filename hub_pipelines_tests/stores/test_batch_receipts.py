"""What the receipt of a batch of messages tells. Not here: receipts of files (test_receipt_index, unit/report)."""

from hub_pipelines.hub import Hub
from hub_pipelines.messaging import messages_named
from hub_pipelines.report.steps import steps_of
from hub_pipelines.report.words import receipt_headline, receipt_tone
from hub_pipelines_tests.messages import add_source, body_of, lines, message, settle, stock, take
from hub_pipelines_tests.support import all_submissions, asset, make_registry, process_all, send_assets


def test_a_batch_gets_a_receipt_of_its_own_folder_and_no_workbook(hub: Hub) -> None:
    sent = {"m-1": stock("Acetone", "many"), "m-2": stock("Toluene", 1), "m-3": stock("Toluene", 2)}
    take(hub, *(message(name, body_of(data)) for name, data in sent.items()))
    settle(hub)
    (page,) = hub.receipts.write_due("north")
    assert page.parent == hub.settings.receipts / "north" / "inventory" / "messages"
    assert list(page.parent.glob("*.xlsx")) == []
    told = page.read_text("utf-8")
    assert "1 of 3 messages was taken, 1 needs your attention, 1 gave way to a newer one" in told
    assert "Messages in this batch" in told
    assert "1, m-1" in told
    assert "There is no file to correct: let the people" in " ".join(told.split())
    assert "Excel" not in told
    assert "spreadsheet" not in told


def test_a_batchs_receipt_names_each_message_by_what_it_came_under_and_does_without_where_its_bytes_are_lost(
    hub: Hub,
) -> None:
    add_source(hub)
    take(hub, lines("order-4711", {1: "Toluene", 3: ""}), message("order-4712", body_of(stock("Acetone", "many"))))
    settle(hub)
    current = all_submissions(hub)[0]
    with hub.db.read() as tx:
        told = hub.receipts.facts.of_submission(tx, current).problems
    assert [(line.row, line.came_under) for line in told] == [(2, "order-4711/3"), (3, "order-4712")]
    assert messages_named(hub, "order-4711/3")[0].row_no == 2
    archived = hub.archive.object_path(current.envelope.content_digest)
    archived.chmod(0o600)
    for damaged in (b"{}\n{}\n{}\n", b"no\nno\nno\n", None):
        archived.unlink() if damaged is None else archived.write_bytes(damaged)
        with hub.db.read() as tx:
            again = hub.receipts.facts.of_submission(tx, current).problems
        assert [(line.row, line.came_under) for line in again] == [(2, None), (3, None)]


def test_a_batch_of_late_messages_alone_is_told_as_such(hub: Hub) -> None:
    for name, moment in (("m-1", "12"), ("m-2", "11")):
        take(hub, message(name, body_of(stock("Ethanol", 5), at=f"2026-03-01T{moment}:00:00Z")))
        settle(hub)
    with hub.db.read() as tx:
        (current,) = (one for one in all_submissions(hub) if one.counts.superseded)
        late = hub.receipts.facts.of_submission(tx, current)
    assert receipt_headline(late) == "Nothing was taken: the only message gave way to a newer one"
    assert (receipt_tone(late), steps_of(late)) == ("neutral", ["Nothing. All is done."])


def test_batches_do_not_push_files_out_of_the_list_of_receipts(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    send_assets(hub, "lab.csv", asset("NC-0001"))
    process_all(hub)
    take(hub, message("m-1", body_of(stock("Acetone", 1))))
    settle(hub)
    hub.receipts.write_due("north")
    told = (hub.settings.receipts / "north" / "index.html").read_text("utf-8")
    assert "lab.csv" in told
    assert "messages-1" not in told
    assert "because they are older" not in told
    assert 'href="inventory/messages"' in told
