"""A migration tried on the submissions that are held for their columns: what would become of each, without effect.

The archived bytes are verified, read under the migration and judged as a run would, under the contract and registry
that hold now. Nothing is staged, recorded or posted.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hub_pipelines.common.errors import HubError
from hub_pipelines.drift.decisions import HeldItem
from hub_pipelines.drift.model import Migration
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.submission import store as submissions
from hub_pipelines.validate.model import AcceptedRow, Problem, row_place

_PROBLEMS_SHOWN = 10
_ROWS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One held submission as it would be judged. `first_rows` are the first accepted ones, as they would post.

    `stopped_by` tells why it would not even get so far; the counts are 0 then.
    """

    item_id: str
    request_id: str
    source_name: str
    received: int
    accepted: int
    rejected: int
    rules: dict[str, int]
    first_rows: tuple[dict[str, Any], ...]
    first_problems: tuple[dict[str, Any], ...]
    stopped_by: str | None = None

    @property
    def does(self) -> bool:
        """At least one row would be taken."""
        return self.stopped_by is None and self.accepted > 0


def rehearse(hub: Hub, migration: Migration) -> list[Rehearsal]:
    """Each held submission that the migration is for, the one that came first in front."""
    return [_one(hub, migration, held) for held in hub.columns.held_for(migration)]


def _one(hub: Hub, migration: Migration, held: HeldItem) -> Rehearsal:
    try:
        return _judged(hub, migration, held)
    except HubError as error:
        item = held.item
        return Rehearsal(item.item_id, item.request_id, item.source_name, 0, 0, 0, {}, (), (), stopped_by=str(error))


def _judged(hub: Hub, migration: Migration, held: HeldItem) -> Rehearsal:
    with hub.db.read() as tx:
        current = submissions.get(tx, held.item.request_id)
    hub.keys.verify(current.envelope)
    hub.archive.verify(current.envelope.content_digest)
    registry = LedgerRegistry(hub.db, hub.campuses[current.envelope.campus].time_zone)
    counts: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    with hub.judge.judged(current.envelope, registry, hub.judge.under(migration)) as judged:
        parts = judged.decision.parts if judged.decision else ()
        for verdict in judged.verdicts:
            accepted = isinstance(verdict, AcceptedRow)
            counts["accepted" if accepted else "rejected"] += 1
            if isinstance(verdict, AcceptedRow):
                if len(rows) < _ROWS_SHOWN:
                    rows.append({"row": row_place(verdict.row_no, parts), **verdict.values})
                continue
            rules.update(found.rule for found in verdict.problems)
            place = row_place(verdict.row_no, parts)
            problems += [_shown(place, found) for found in verdict.problems if len(problems) < _PROBLEMS_SHOWN]
    return Rehearsal(
        item_id=held.item.item_id,
        request_id=current.request_id,
        source_name=current.envelope.source_name,
        received=counts.total(),
        accepted=counts["accepted"],
        rejected=counts["rejected"],
        rules=dict(sorted(rules.items())),
        first_rows=tuple(rows),
        first_problems=tuple(problems[:_PROBLEMS_SHOWN]),
    )


def _shown(place: str, found: Problem) -> dict[str, Any]:
    return {
        "row": place,
        "column": found.column,
        "value": found.value,
        "reason": found.reason,
        "suggestion": found.suggestion,
    }
