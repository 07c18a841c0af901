"""Decisions of people about shapes of records: what differs is right as it is, and what was held for it goes on."""

import json
from dataclasses import dataclass

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database, database_now
from hub_pipelines.intake.model import SHAPE
from hub_pipelines.portals import store
from hub_pipelines.portals.state import HeldShape
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ReviewItem
from hub_pipelines.review.service import Review


class NotHeld(HubError):
    """The item is no held page of a portal, or its records can't be taken as they are. Nobody retries."""


@dataclass(frozen=True, slots=True)
class PortalShapes:
    db: Database
    review: Review

    def show(self, item_id: str) -> tuple[ReviewItem, HeldShape, list[dict[str, str]]]:
        """The item, the shape that it was held for, and its fields as they were and as they are. Raises NotHeld."""
        item, _ = self.review.show(item_id)
        with self.db.read() as tx:
            shape = store.shape_of(tx, item.request_id)
        if shape is None:
            raise NotHeld(f"{item_id} was not held for the shape of a portal's records.")
        return item, shape, json.loads(item.headers.get(SHAPE, "[]"))

    def accept(self, item_id: str, *, actor: str) -> list[ReviewItem]:
        """Take these records and all that differ in the same way, now and later; the items that go on. Raises NotHeld.

        May be repeated: what was held meanwhile goes on then.
        """
        item, shape, _ = self.show(item_id)
        if not any(one.path for one in shape.deviations):
            raise NotHeld(
                f"{item_id}: of these records the hub can read nothing, so they can't be accepted. {item.fix}"
            )
        with self.db.write() as tx:
            held = store.accept(tx, shape, by=actor, at=database_now(tx))
            open_ = [one for each in held for one in reviews.open_items_of(tx, each) if one.cause == item.cause]
            sent = self.review.replay_all(tx, open_, actor=actor, because=f"shape {shape.fingerprint} accepted")
            detail: dict[str, object] = {"shape": shape.fingerprint, "replayed": len(sent)}
            event = Event(RESERVED_CAMPUS, actor, "portal:shape_accepted", shape.portal, item.request_id, detail)
            audit.append(tx, event)
        return sent
