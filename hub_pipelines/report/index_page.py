"""The page that lists receipts.

Not here: what is on the list (index.py), the receipts themselves (render.py).
"""

from collections import Counter

from hub_pipelines.report.model import Counts, FeedIndex, Index, IndexLine, PreviewLine
from hub_pipelines.report.render import short_time, shown_time, template
from hub_pipelines.report.words import (
    GLYPHS,
    LIST_COMES,
    Told,
    Tone,
    because,
    counted,
    headline,
    is_half_a_count,
    left_clause,
    things_told,
    tone_of,
    without_full_stop,
)

_ATTENTION_SHOWN = 100
_ENDED: dict[str, str] = {
    "received": "Received",
    "posted": "Taken",
    "worth_a_look": "Taken, worth a look",
    "partly": "Taken in part",
    "nothing_posted": "Not taken",
    "refused": "Not taken",
    "in_review": "With a person",
    "question": "Waits for your answer",
    "conflict": "Do not agree",
    "waiting": "Not finished",
    "duplicate": "Copies",
    "dismissed": "Set aside",
    "replaced": "Replaced by a newer one",
}
_IN_REVIEW = {
    "unreadable": "Correct the file and send it again",
    "drift": "Name the columns as before and send it again, or wait for a person at the hub",
}
_WAIT = "Nothing for now: the receipt will change"


def to_index_html(index: Index) -> str:
    """The list of receipts as one self-contained page."""
    number = len(index.attention)
    tone: Tone = "attention" if number else "good"
    return template("index.html").render(
        index=index,
        tone=tone,
        glyph=GLYPHS[tone],
        headline=_attention_headline(number) if index.feeds else "Nothing has come yet",
        counts=_outcome_strip(index),
        attention=[_index_row(line) for line in index.attention[:_ATTENTION_SHOWN]],
        attention_left=max(0, number - _ATTENTION_SHOWN),
        feeds=[_feed_section(feed, index.shown_per_feed) for feed in index.feeds],
        previews=[_preview_row(line) for line in index.previews],
        shown_time=lambda at: shown_time(at, index.time_zone),
    )


def _preview_row(line: PreviewLine) -> dict[str, object]:
    from hub_pipelines.report.previews.page import sentence

    told = line.told
    return {
        "line": line,
        "when": short_time(line.at, line.time_zone),
        "headline": sentence(told) if told else "Not made yet",
    }


def _feed_section(feed: FeedIndex, shown: int) -> dict[str, object]:
    left = feed.older + max(0, len(feed.lines) - shown)
    return {
        "feed": feed,
        "rows": [_index_row(line) for line in feed.lines[:shown]],
        "older": f"{'more than ' if feed.many_older else ''}{left:,}" if left else None,
    }


def _attention_headline(number: int) -> str:
    if number == 0:
        return "Nothing needs attention"
    return "1 file needs attention" if number == 1 else f"{number:,} files need attention"


def _outcome_strip(index: Index) -> list[tuple[str, str]]:
    """How the newest files ended, in the order of the words above."""
    found = Counter(_counted_as(line) for feed in index.feeds for line in feed.lines)
    return [(label, f"{found[label]:,}") for label in dict.fromkeys(_ENDED.values()) if found[label]]


def _ended(line: Told) -> str:
    if line.outcome == "posted" and (line.counts.rejected or line.counts.held):
        return _ENDED["partly"]
    if line.outcome == "posted" and line.counts.worth_a_look:
        return _ENDED["worth_a_look"]
    return _ENDED[line.outcome]


def _counted_as(line: IndexLine) -> str:
    """What was not or not all taken of a file in whose place a newer one came is no news any more."""
    ended = _ended(line)
    return _ENDED["replaced"] if line.replaced and ended != _ENDED["posted"] else ended


def _index_row(line: IndexLine) -> dict[str, object]:
    tone = tone_of(line)
    return {
        "line": line,
        "tone": tone,
        "glyph": GLYPHS[tone],
        "headline": _in_a_list(line),
        "todo": _todo(line),
        "when": short_time(line.at, line.time_zone),
        "taken": _taken(line.counts),
        "not_taken": f"{_not_taken(line):,}" if line.counts.received else "",
    }


def _not_taken(line: IndexLine) -> int:
    rejected = line.counts.rejected if line.rows_left is None else line.rows_left
    return rejected + line.counts.held


def _taken(counts: Counts) -> str:
    if not counts.received:
        return ""
    if counts.new is None or not counts.posted:
        return f"{counts.posted:,}"
    told = [f"{number:,} {what}" for number, what in ((counts.new, "new"), (counts.changed, "changed")) if number]
    return ", ".join(told)


def _in_a_list(line: IndexLine) -> str:
    """What happened, where the receipt's own headline needs the rest of the receipt, or does not say what was taken."""
    match line.outcome:
        case "question":
            return "Not taken yet: the hub has a question"
        case "in_review":
            return because("Not taken so far", without_full_stop(line.headline_reason))
        case "waiting" if not line.headline_reason:
            return "Not finished yet"
        case "nothing_posted" if line.only_registry:
            return f"Not taken yet: the procurement list {LIST_COMES[line.list_has_come]}"
    return headline(line) + left_clause(line)


def _todo(line: IndexLine) -> str:
    """What its sender has to do about it, in short; the receipt says how."""
    if line.replaced:
        waited = line.counts.rejected + line.counts.held if line.outcome in ("posted", "nothing_posted") else 0
        are = "is" if waited == 1 else "are"
        told = f"; {things_told(waited)} not taken here {are} superseded by it" if waited else ""
        return f"Nothing: a newer one came{told}"
    match line.outcome:
        case "posted" | "nothing_posted":
            return _todo_of_rows(line)
        case "question":
            return "Answer what the receipt asks"
        case "in_review":
            return _IN_REVIEW.get(line.cause or "", "Nothing for now: a person at the hub looks at it")
        case "duplicate" if line.still_open:
            return f"See its receipt: {' and '.join(line.still_open)}"
        case "refused" | "conflict":
            return without_full_stop(line.fix) or "See its receipt"
        case "received" | "waiting":
            return _WAIT
        case "duplicate" | "dismissed":
            return "Nothing"


def _todo_of_rows(line: IndexLine) -> str:
    if line.only_registry:
        asked = "Ask the hub's operator to take it again" if line.list_has_come else "Ask for the procurement list"
        return f"{asked}; the rows need no correction"
    if line.counts.received == 0:
        return "Correct the file and send it again"
    parts = []
    if wrong := line.to_correct:
        parts.append(f"correct {things_told(wrong)} and send {'it' if wrong == 1 else 'them'} again")
    if line.no_list and not line.list_has_come:
        parts.append("ask for the procurement list")
    if line.counts.elsewhere:
        parts.append("put the other table in a file of its own")
    if is_half_a_count(line):
        parts.append("see its receipt: not all was counted" if line.places_counted else "add where the items are")
    if line.still_missing:
        parts.append(f"look for {counted(line.still_missing, 'item', 'items')}")
    if line.counts.worth_a_look:
        parts.append("see what is worth a look")
    if parts and line.shorter_came:
        parts.append("a newer file of this name has fewer rows; where it has these, nothing is to do")
    told = "; ".join(parts)
    return f"{told[:1].upper()}{told[1:]}" if told else "Nothing"
