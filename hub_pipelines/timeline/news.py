"""What the changes of a posting mean to people, as they were told in it (validate/feeds, RecordType.news)."""

import json
from typing import Any

from hub_pipelines.common.store import Database
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems

_MOST = 1_000


def news_of(db: Database, posting: Posting) -> list[dict[str, Any]]:
    """Each with the row, the award or opportunity, the event's name, what happened and what to do."""
    with db.read() as tx:
        told = ledger_problems.of_posting(
            tx, posting.request_id, posting.revision, severity="warn", limit=_MOST, of_rows=True
        )
        numbers = list({one["row_no"] for one in told})
        entries = ledger_entries.of_rows(tx, posting.request_id, posting.revision, numbers)
        found = []
        for one in told:
            if not entries[one["row_no"]]:
                continue  # a row that gave way to a newer one
            entry = entries[one["row_no"]][0]
            values = json.loads(entry["values"])
            item = values.get("award_id") or values.get("opportunity_number") or entry["key"]
            found.append(
                {
                    "row": one["row_no"],
                    "item": item,
                    "event": one["rule"],
                    "what": one["reason"],
                    "what_to_do": one["suggestion"],
                }
            )
    return found
