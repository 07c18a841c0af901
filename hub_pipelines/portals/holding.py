"""Records whose shape is not as it was: kept as a batch of their own that waits in review, while all others go on.

One submission for the records of a page that differ in the same way, so that a portal that has changed all of its
records fills the review with pages and not with records. Its bytes are a batch's (intake/sealing), so that a replay
takes the records as they were read.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Any, Protocol

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.scope import Scope
from hub_pipelines.intake.inbox.model import NO_VERSION, Delivery, FoundRecord, Version, delivery_of
from hub_pipelines.intake.inbox.service import envelope_of
from hub_pipelines.intake.model import HELD, SHAPE, Arrival, Payload, held_text
from hub_pipelines.intake.sealing.payload import payload_of
from hub_pipelines.intake.sealing.service import RECORD_TYPE
from hub_pipelines.portals import store
from hub_pipelines.portals.model import source_of
from hub_pipelines.portals.shapes import Deviation, fingerprint_of
from hub_pipelines.portals.state import HeldShape
from hub_pipelines.submission.model import MESSAGES, NUMBER, Envelope, Failure

_RECORDS = "held_records"
"""The header of a held batch's envelope from which the hub learns again what it holds, as JSON."""
_SHOWN_CHARACTERS = 80
_FIELDS_NAMED = 5


class Objects(Protocol):
    def put(self, source: IO[bytes]) -> Any: ...


class Receiver(Protocol):
    def receive(self, payload: Payload, together: Any = None) -> Arrival: ...


class Signer(Protocol):
    def sign(self, envelope: Envelope) -> Envelope: ...


@dataclass(frozen=True, slots=True)
class Strange:
    """A record that is not taken now. `reason` is set where the adapter could make no record of it at all."""

    found: FoundRecord
    raw: Any
    deviations: tuple[Deviation, ...]
    reason: str = ""

    @property
    def digest(self) -> str:
        return sha256_hex(canonical_text(self.raw).encode("utf-8"))

    @property
    def group(self) -> tuple[Scope, str, str]:
        told = self.deviations or (Deviation("", "record", self.reason),)
        return self.found.scope, self.found.record_type, fingerprint_of(told)


@dataclass(frozen=True, slots=True)
class Holding:
    """Raises Transient when database or disk fail; the page is read again then, and held once: what was held is kept
    in the transaction that registers its submission."""

    archive: Objects
    signer: Signer
    intake: Receiver

    def hold(self, portal: str, some: Sequence[Strange], before: dict[str, Version], like: Any) -> Arrival:
        """Keep records of one group. `like` is a record of the page that is as it was, None where there is none."""
        first = some[0]
        scope, record_type, fingerprint = first.group
        deviations = first.deviations or (Deviation("", "record", first.reason),)
        contents = []
        for one in some:
            delivery, _ = delivery_of(one.found, before.get(one.found.record_id, NO_VERSION))
            contents.append((canonical_text(self._envelope(delivery, one.found)), delivery.body))
        stored = self.archive.put(io.BytesIO(payload_of(contents)))
        headers = {
            RECORD_TYPE: record_type,
            NUMBER: str(len(some)),
            "portal": portal,
            SHAPE: canonical_text(side_by_side(deviations, first.raw, like)),
            HELD: held_text(_failure(portal, some, deviations)),
            _RECORDS: canonical_text(
                {
                    "deviations": [asdict(one) for one in deviations],
                    "digests": {one.found.record_id: one.digest for one in some},
                }
            ),
        }
        return self.intake.receive(
            Payload(
                arrival_id=f"held-{portal}-{stored.digest[:32]}",
                scope=scope,
                channel=MESSAGES,
                source_system=source_of(portal),
                source_name=f"{portal}-held-{fingerprint}-{stored.digest[:8]}.ndjson",
                content_digest=stored.digest,
                size_bytes=stored.size_bytes,
                headers=headers,
            ),
            lambda tx, arrival: remember(tx, str(arrival.request_id), headers, arrival.arrived_at),
        )

    def _envelope(self, delivery: Delivery, found: FoundRecord) -> dict[str, Any]:
        return self.signer.sign(envelope_of(delivery, delivery.messages[0], found.read_at)).document()


def remember(tx: Any, request_id: str, headers: Mapping[str, str], at: datetime) -> None:
    """Which records a batch holds, and for which shape, as its envelope says; nothing when it holds none."""
    told = json.loads(headers.get(_RECORDS, "null"))
    if told is None:
        return
    deviations = tuple(Deviation(**one) for one in told["deviations"])
    shape = HeldShape(headers["portal"], fingerprint_of(deviations), deviations, at, request_id, None, None)
    store.add_held(tx, shape, request_id, told["digests"])


def side_by_side(deviations: Sequence[Deviation], now: Any, like: Any) -> list[dict[str, str]]:
    """Each field that differs: its kind before and now, what is in it in a record as before and in the held one."""
    return [
        {**asdict(one), "value_before": _shown(like, one.path), "value_now": _shown(now, one.path)}
        for one in deviations
        if one.path
    ]


def _shown(record: Any, path: str) -> str:
    for name in path.split(".") if path else ():
        step = name.removesuffix("[]")
        record = record.get(step) if isinstance(record, dict) else None
        if name.endswith("[]") and isinstance(record, list):
            record = record[0] if record else None
    if record is None:
        return ""
    return (record if isinstance(record, str) else canonical_text(record))[:_SHOWN_CHARACTERS]


def _failure(portal: str, some: Sequence[Strange], deviations: Sequence[Deviation]) -> Failure:
    how_many = "1 record" if len(some) == 1 else f"{len(some):,} records"
    reason = some[0].reason
    if reason:
        told = f"{how_many} of the portal {portal} can't be read: {reason}"
        fix = f"Correct [portals.{portal}] in hub.toml, dismiss this item and run `hub poll {portal} --since …`."
        return Failure("UnreadRecord", told, fix, _ids(some), None)
    named = "; ".join(f"{one.path} was {one.before} and is {one.now}" for one in deviations[:_FIELDS_NAMED])
    more = f"; and {len(deviations) - _FIELDS_NAMED} more" if len(deviations) > _FIELDS_NAMED else ""
    told = f"{how_many} of the portal {portal} differ from those before: {named}{more}."
    fix = (
        "`hub portals shape` shows old and new side by side. Is it right as it is now, `hub portals accept` takes "
        "these and all like them; else ask who runs the portal, and dismiss this item."
    )
    return Failure("PortalDrift", told, fix, _ids(some), None)


def _ids(some: Sequence[Strange]) -> str:
    return "\n".join(one.found.record_id for one in some)
