"""What tests of messages share: deliveries as a receiver makes them, and a source with its keys."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Answered, Delivery, Incoming
from hub_pipelines.intake.model import request_id_for
from hub_pipelines.intake.sources.service import Issued
from hub_pipelines.messaging import Fate, MessageOutcome, outcome_of
from hub_pipelines_tests.support import NORTH_INVENTORY, process_all

STOCK = "inventory.stock"
STOCK_LEDGER = "inventory.stock@north"


def add_source(hub: Hub, name: str = "erp", *scopes: Scope) -> Issued:
    return hub.sources.add(name, scopes or (NORTH_INVENTORY,), actor="person/tester")


def stock(item: str, quantity: object, **others: Any) -> dict[str, Any]:
    return {"item_name": item, "location": "Chem 214", "quantity_on_hand": quantity, "unit": "L", **others}


def body_of(data: object, *, kind: str | None = f"{STOCK}.set", at: str | None = None) -> bytes:
    whole: dict[str, Any] = {"type": kind, "timestamp": at, "data": data}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def message(webhook_id: str, body: bytes, *, source: str = "erp", scope: Scope = NORTH_INVENTORY) -> Delivery:
    incoming = (Incoming(body, STOCK),)
    return Delivery(source, webhook_id, scope, body, incoming, {"webhook-id": webhook_id})


def lines(webhook_id: str, items: Mapping[int, str]) -> Delivery:
    """A delivery of several messages, each about the item at its line, whose quantity is the line's number."""
    each = tuple(Incoming(body_of(stock(item, line)), STOCK, line) for line, item in items.items())
    body = b"\n".join(one.body for one in each)
    return Delivery("erp", webhook_id, NORTH_INVENTORY, body, each, {"webhook-id": webhook_id})


def take(hub: Hub, *deliveries: Delivery) -> list[Answered]:
    return hub.inbox.accept(hub.inbox.prepare(deliveries))


def settle(hub: Hub, campus: str = "north") -> None:
    """Work and seal what waits until nothing is left."""
    process_all(hub)
    while hub.sealing.seal_due(campus, at_once=True):
        process_all(hub)


def outcome(hub: Hub, request_id: str) -> MessageOutcome:
    found = hub.inbox.find(request_id)
    assert found is not None
    return outcome_of(hub, found)


def outcome_by_id(hub: Hub, one: Delivery) -> MessageOutcome:
    """Of a delivery of one message, by the webhook-id that it came with."""
    return outcome(hub, request_id_for(one.scope, "", one.sender_key_of(one.messages[0])))


def fates(hub: Hub, answers: Sequence[Answered]) -> list[Fate]:
    return [outcome(hub, request_id).fate for one in answers for request_id in one.request_ids]


def moved(item: str, quantity: object, **others: Any) -> dict[str, Any]:
    """The data of a message that adjusts."""
    return {"item_name": item, "location": "Chem 214", "quantity": quantity, "unit": "L", **others}


def as_version_4(tx: Transaction) -> None:
    """Make of an inbox one of the release that kept each message's place in a batch."""
    for name in ("batch_id VARCHAR", "row_no INTEGER"):
        tx.execute(text(f"ALTER TABLE inbox_message ADD COLUMN {name}"))
    its = "b.campus = m.campus AND b.feed = m.feed AND b.record_type = m.record_type"
    placed = (
        "SELECT m.seq, b.batch_id, row_number() OVER (PARTITION BY b.batch_id ORDER BY m.seq) AS place "
        f"FROM inbox_message m JOIN inbox_batch b ON {its} AND m.seq BETWEEN b.first_seq AND b.last_seq"
    )
    tx.execute(
        text(
            "UPDATE inbox_message SET batch_id = its.batch_id, row_no = its.place "
            f"FROM ({placed}) AS its WHERE its.seq = inbox_message.seq"
        )
    )
    for name in ("inbox_message_stream", "inbox_batch_stretch"):
        tx.execute(text(f"DROP INDEX {name}"))
    for name in ("first_seq", "last_seq"):
        tx.execute(text(f"ALTER TABLE inbox_batch DROP COLUMN {name}"))
    tx.execute(text("CREATE INDEX inbox_message_by_batch ON inbox_message (batch_id, row_no)"))
    waiting = "campus, feed, record_type, seq) WHERE batch_id IS NULL"
    tx.execute(text(f"CREATE INDEX inbox_message_waiting ON inbox_message ({waiting}"))
    tx.execute(text("CREATE TABLE inbox_load (campus VARCHAR PRIMARY KEY, messages INTEGER, size_bytes BIGINT)"))
    summed = "SELECT campus, sum(messages), sum(size_bytes) FROM inbox_stream GROUP BY campus"
    tx.execute(text(f"INSERT INTO inbox_load {summed}"))
    tx.execute(text("DROP TABLE inbox_stream"))
    tx.execute(text("UPDATE inbox_schema_version SET version = 4"))


def as_version_3(tx: Transaction) -> None:
    """Make of an inbox one of the release that kept a table of deliveries."""
    as_version_4(tx)
    for name in ("delivery", "lines"):
        tx.execute(text(f"DROP INDEX inbox_message_{name}"))
    tx.execute(
        text(
            "CREATE TABLE inbox_delivery (source VARCHAR NOT NULL, webhook_id VARCHAR NOT NULL, "
            "campus VARCHAR NOT NULL, feed VARCHAR NOT NULL, body_digest VARCHAR(64) NOT NULL, "
            "messages INTEGER NOT NULL, received_at TIMESTAMP, PRIMARY KEY (source, webhook_id))"
        )
    )
    tx.execute(
        text(
            "INSERT INTO inbox_delivery SELECT source, webhook_id, campus, feed, max(delivery_digest), count(*), "
            "max(received_at) FROM inbox_message GROUP BY source, webhook_id, campus, feed"
        )
    )
    tx.execute(text("ALTER TABLE inbox_message DROP COLUMN delivery_digest"))
    tx.execute(text("CREATE UNIQUE INDEX inbox_message_sender_key ON inbox_message (source, webhook_id, line)"))
    tx.execute(text("UPDATE inbox_schema_version SET version = 3"))
