"""The page of a weekly review, in the look of the receipts.

Belongs here: its words and numbers as a person reads them. Not here: counting (service).
"""

from datetime import UTC, datetime

from hub_pipelines.report.render import template
from hub_pipelines.report.weekly.model import Line, Systemic, WeeklyReview
from hub_pipelines.report.words import GLYPHS, Tone, moment

_WAITING_SHOWN = 20
_RESOLVED_SHOWN = 200
_WHAT = {"replayed": "sent through again", "resubmitted": "corrected and sent again", "dismissed": "dismissed"}
_PARTS = {"age": "Waiting for", "cause": "Cause", "campus": "Campus", "feed": "Feed"}


def to_html(review: WeeklyReview, table: str) -> str:
    """One self-contained page; `table` is the name of the CSV file beside it."""
    tone: Tone = "attention" if review.open else "good"
    resolved = [one for one in review.resolutions if one.what != "resubmitted"]
    again = review.resubmitted
    return template("weekly/weekly.html").render(
        r=review,
        table=table,
        tone=tone,
        glyph=GLYPHS[tone],
        headline=_headline(review),
        counts=[
            ("Came in this week", f"{review.opened:,}"),
            ("In the week before", f"{review.opened_before:,}"),
            ("Decided this week", f"{review.resolved:,}"),
            ("Open", f"{review.open:,}"),
        ],
        trend=_trend,
        parts=_PARTS,
        waiting=review.waiting[:_WAITING_SHOWN],
        waiting_left=review.open - len(review.waiting[:_WAITING_SHOWN]),
        resolved=resolved[:_RESOLVED_SHOWN],
        resolved_left=review.resolved - len(again) - len(resolved[:_RESOLVED_SHOWN]),
        again=again[:_RESOLVED_SHOWN],
        again_left=len(again) - len(again[:_RESOLVED_SHOWN]),
        what=_WHAT,
        why=_why,
        age=_age,
        day=_day,
        moment=moment,
    )


def _headline(review: WeeklyReview) -> str:
    if not review.open:
        return "Nothing waits for a decision"
    return "1 item waits for a decision" if review.open == 1 else f"{review.open:,} items wait for a decision"


def _trend(one: Systemic) -> str:
    if one.before == 0:
        return "new" if one.count else "none new"
    if one.count == one.before:
        return "as before"
    return f"{one.count - one.before:+,}".replace("-", "−")


def _why(line: Line) -> str:
    return ": ".join(filter(None, (line.reason_code, line.note)))


def _age(line: Line) -> str:
    if line.age_days >= 1:
        days = int(line.age_days)
        return "1 day" if days == 1 else f"{days:,} days"
    hours = int(line.age_days * 24)
    return "less than an hour" if hours == 0 else "1 hour" if hours == 1 else f"{hours} hours"


def _day(at: datetime) -> str:
    local = at.astimezone(UTC)
    return f"{local.day} {local:%B %Y}"
