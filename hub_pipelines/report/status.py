"""Where submissions and rows are, for `hub status`."""

from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from hub_pipelines.common.store import Database
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.drop_folder import DropFolder
from hub_pipelines.pausing.store import standing
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import COUNT_NAMES
from hub_pipelines.submission.progress import ProgressFiles


def at_work(db: Database, progress: ProgressFiles) -> list[dict[str, Any]]:
    """How far runs are with files that take more than seconds."""
    with db.read() as tx:
        current = [submissions.find(tx, request_id) for request_id in progress.request_ids()]
    told = [(one, progress.of(one)) for one in current if one is not None]
    return [
        {"request_id": one.request_id, "source_name": one.envelope.source_name, **asdict(now), "told": str(now)}
        for one, now in told
        if now is not None
    ]


def status_of(db: Database, drop_folder: DropFolder) -> dict[str, Any]:
    """`submissions` by state, `rows` in all, `rows_by` campus and feed, what waits for whom, what is paused."""
    with db.read() as tx:
        states = submissions.count_by_state(tx)
        lines = submissions.rows_by_scope(tx)
        review = reviews.open_by_cause(tx)
        lately = reviews.opened_lately(tx, within=timedelta(hours=1))
        pauses = standing(tx)
        waiting = submissions.unsettled_by_scope(tx) if pauses else {}
        previews, previews_due = arrivals.count_previews(tx)
    total: dict[str, int] = dict.fromkeys(COUNT_NAMES, 0)
    by: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNT_NAMES, 0))
    for campus, feed, _day, counts in lines:
        for name, count in counts.document().items():
            total[name] += count
            by[campus, feed][name] += count
    return {
        "submissions": states,
        "rows": total,
        "rows_by": [{"campus": campus, "feed": feed, **counts} for (campus, feed), counts in by.items()],
        "files_waiting": sum(drop_folder.waiting(campus) for campus in drop_folder.scopes()),
        "review_open": sum(review.values()),
        "review_opened_last_hour": lately,
        "previews": {"made": previews - previews_due, "due": previews_due},
        "paused": [
            {**asdict(one), "waiting": sum(count for scope, count in waiting.items() if one.covers(*scope))}
            for one in pauses
        ],
    }
