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
from hub_pipelines_tests.support import NORTH_INVENTORY, ledger_values, process_all

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


def quantities(hub: Hub) -> dict[object, object]:
    """By item what the ledger of stock of north has."""
    return {values["item_name"]: values["quantity_on_hand"] for values in ledger_values(hub, STOCK_LEDGER).values()}


def as_version_4(tx: Transaction) -> None:
    """Make of an inbox one of the release that kept each message's place in a batch."""
    is_postgres = tx.dialect.name == "postgresql"
    tx.execute(text("ALTER TABLE inbox_message RENAME TO inbox_message_now"))
    for name in ("delivery", "lines"):
        tx.execute(text(f"DROP INDEX inbox_message_{name}"))
    if is_postgres:
        for name in ("pkey", "request_id"):
            tx.execute(text(f"ALTER INDEX inbox_message_{name} RENAME TO inbox_message_now_{name}"))
    names = "request_id, source, webhook_id, line, campus, feed, record_type, received_at, size_bytes, delivery_digest"
    tx.execute(
        text(
            f"CREATE TABLE inbox_message (seq {'BIGSERIAL' if is_postgres else 'INTEGER'} NOT NULL, "
            "request_id VARCHAR NOT NULL, source VARCHAR NOT NULL, webhook_id VARCHAR NOT NULL, line INTEGER NOT NULL, "
            "campus VARCHAR NOT NULL, feed VARCHAR NOT NULL, record_type VARCHAR NOT NULL, "
            f"received_at {'TIMESTAMPTZ' if is_postgres else 'VARCHAR(27)'} NOT NULL, size_bytes INTEGER NOT NULL, "
            "delivery_digest VARCHAR(64) NOT NULL, envelope VARCHAR NOT NULL, "
            f"body {'BYTEA' if is_postgres else 'BLOB'} NOT NULL, batch_id VARCHAR, row_no INTEGER, "
            "PRIMARY KEY (seq), CONSTRAINT inbox_message_request_id UNIQUE (request_id))"
        )
    )
    its = "b.campus = m.campus AND b.feed = m.feed AND b.record_type = m.record_type"
    tx.execute(
        text(
            f"INSERT INTO inbox_message (seq, {names}, envelope, body, batch_id, row_no) SELECT row_number() OVER "
            "(ORDER BY m.received_at, m.campus, m.feed, m.record_type, m.number), "
            f"{', '.join(f'm.{name}' for name in names.split(', '))}, m.envelope, m.body, b.batch_id, "
            f"m.number - b.first_message + 1 FROM inbox_message_now m LEFT JOIN inbox_batch b ON {its} "
            "AND m.number BETWEEN b.first_message AND b.last_message"
        )
    )
    if is_postgres:
        tx.execute(text("SELECT setval('inbox_message_seq_seq', max(seq)) FROM inbox_message"))
    delivery = "inbox_message (source, webhook_id) WHERE delivery_digest <> ''"
    tx.execute(text(f"CREATE UNIQUE INDEX inbox_message_delivery ON {delivery}"))
    tx.execute(text("CREATE INDEX inbox_message_lines ON inbox_message (source, webhook_id, line) WHERE line > 0"))
    tx.execute(text("CREATE INDEX inbox_message_by_batch ON inbox_message (batch_id, row_no)"))
    waiting = "campus, feed, record_type, seq) WHERE batch_id IS NULL"
    tx.execute(text(f"CREATE INDEX inbox_message_waiting ON inbox_message ({waiting}"))
    tx.execute(text("DROP INDEX inbox_batch_stretch"))
    for name in ("first_message", "last_message"):
        tx.execute(text(f"ALTER TABLE inbox_batch DROP COLUMN {name}"))
    tx.execute(text("CREATE TABLE inbox_load (campus VARCHAR PRIMARY KEY, messages INTEGER, size_bytes BIGINT)"))
    summed = "SELECT campus, sum(taken - sealed), sum(size_bytes) FROM inbox_stream GROUP BY campus"
    tx.execute(text(f"INSERT INTO inbox_load {summed}"))
    for name in ("inbox_stream", "inbox_message_now"):
        tx.execute(text(f"DROP TABLE {name}"))
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
