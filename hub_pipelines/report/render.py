"""Words and pages for receipts and the lists of them.

Belongs here: the sentences a lab manager reads, and the pages and the machine-readable file that carry
them. Not here: deciding what happened to a row (the receipt already says so), nor writing files to disk.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo

from hub_pipelines.report.model import (
    Correction,
    Count,
    Counts,
    FeedIndex,
    GoesOn,
    Index,
    IndexLine,
    Line,
    Outcome,
    PreviewLine,
    Receipt,
)

if TYPE_CHECKING:
    from jinja2 import Template

Tone = Literal["good", "attention", "bad", "neutral"]

GLYPHS: dict[Tone, str] = {"good": "✓", "attention": "!", "bad": "✕", "neutral": "i"}
_ATTENTION_SHOWN = 100
OTHER_TABLE = (
    "Your file holds another table, with other columns, which was not read (see “Worth a look”). If its rows are to be "
    "in the ledger, put it in a file of its own and drop that file too. If not, nothing need be done about it."
)
_REQUEUE = "hub requeue --rule tag_not_in_registry"
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


class Told(Protocol):
    """What a headline is made of; a receipt and a line of a list have it."""

    @property
    def outcome(self) -> Outcome: ...

    @property
    def counts(self) -> Counts: ...

    @property
    def headline_reason(self) -> str | None: ...

    @property
    def still_missing(self) -> int: ...

    @property
    def places_counted(self) -> int | None: ...

    @property
    def places_left(self) -> int: ...

    @property
    def cause(self) -> str | None: ...


def to_html(receipt: Receipt) -> str:
    """The receipt as one self-contained page."""
    tone = _receipt_tone(receipt)
    return template("receipt.html").render(
        r=receipt,
        tone=tone,
        glyph=GLYPHS[tone],
        headline=receipt_headline(receipt),
        lead=_lead(receipt),
        counts=counts_strip(receipt),
        problems=by_row(receipt.problems),
        warnings=by_row(receipt.warnings),
        steps=_steps(receipt),
        workbook=_workbook_told(receipt),
        workbook_title=_workbook_title(receipt),
        problems_left=_correction_told(receipt.correction),
        newer=_newer_came(receipt.newer) if receipt.newer else None,
        about=_about(receipt),
        proof=_proof(receipt),
        shown_time=lambda at: shown_time(at, receipt.time_zone),
    )


def to_json(receipt: Receipt) -> str:
    """The receipt for programs: the same facts and headline, always in the same order, times in UTC."""
    content = {"headline": receipt_headline(receipt), **asdict(receipt)}
    return json.dumps(content, indent=2, ensure_ascii=False, default=utc_text) + "\n"


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
        "when": _short_time(line.at, line.time_zone),
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
    tone = _tone(line)
    return {
        "line": line,
        "tone": tone,
        "glyph": GLYPHS[tone],
        "headline": _in_a_list(line),
        "todo": _todo(line),
        "when": _short_time(line.at, line.time_zone),
        "taken": _taken(line.counts),
        "not_taken": f"{line.counts.rejected + line.counts.held:,}" if line.counts.received else "",
    }


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
            return _because("Not taken so far", _without_full_stop(line.headline_reason))
        case "waiting" if not line.headline_reason:
            return "Not finished yet"
        case "nothing_posted" if line.only_registry:
            return f"Not taken yet: the procurement list {_LIST[line.list_has_come]}"
    return headline(line)


_LIST = {True: "has come since", False: "must come first"}
_IN_REVIEW = {
    "unreadable": "Correct the file and send it again",
    "drift": "Name the columns as before and send it again, or wait for a person at the hub",
}
_WAIT = "Nothing for now: the receipt will change"


def _todo(line: IndexLine) -> str:
    """What its sender has to do about it, in short; the receipt says how."""
    if line.replaced:
        return "Nothing: a newer one came"
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
            return _without_full_stop(line.fix) or "See its receipt"
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
    parts = ["ask for the procurement list"] if line.no_list and not line.list_has_come else []
    if wrong := line.counts.rejected - line.no_list:
        parts.append(f"correct {_rows(wrong)} and send {'it' if wrong == 1 else 'them'} again")
    if line.counts.elsewhere:
        parts.append("put the other table in a file of its own")
    if _is_half_a_count(line):
        parts.append("see its receipt: not all was counted" if line.places_counted else "add where the items are")
    if line.still_missing:
        parts.append(f"look for {_some(line.still_missing, 'item', 'items')}")
    if line.counts.worth_a_look:
        parts.append("see what is worth a look")
    told = "; ".join(parts)
    return f"{told[:1].upper()}{told[1:]}" if told else "Nothing"


def receipt_headline(receipt: Receipt) -> str:
    """The same of one receipt, which knows more than a list does."""
    if receipt.newer is not None and receipt.outcome in ("dismissed", "in_review", "question"):
        return f"{_newer_came(receipt.newer)}; go on there"
    if receipt.first_copy is not None and receipt.first_copy.still_open:
        return f"{headline(receipt)}, and {' and '.join(receipt.first_copy.still_open)}"
    if receipt.at_work is not None:
        return f"We are at it: {receipt.at_work} so far"
    if receipt.only_registry:
        told = f"Nothing was taken yet: the procurement list {_LIST[receipt.registry_has_come]}"
        return f"{told}. You need not correct anything in the rows"
    return headline(receipt)


def _is_update_of_count(receipt: Receipt) -> bool:
    """The workbook of a complete count came back into the feed's own folder (decisions/0055)."""
    of_count = receipt.correction is not None and receipt.correction.of_count
    return of_count and not receipt.complete_count and receipt.outcome in ("posted", "nothing_posted")


def _newer_came(newer: GoesOn) -> str:
    return "You sent a newer copy" if newer.by_sender else "The hub sent a corrected copy"


def headline(receipt: Told) -> str:
    """The one sentence that says what happened."""
    reason = _without_full_stop(receipt.headline_reason)
    match receipt.outcome:
        case "received":
            return _because("Received, and not worked on yet", reason)
        case "posted":
            told = _rows_sentence(receipt.counts, None) + _missing(receipt)
            return f"{told}, worth a look" if receipt.counts.worth_a_look else told
        case "nothing_posted":
            return _rows_sentence(receipt.counts, reason) + _missing(receipt)
        case "in_review" if receipt.cause == "unreadable":
            return _because("This file could not be taken", reason)
        case "in_review":
            return _because("A person at the hub will look at this file", reason)
        case "question":
            return "This file can be taken when you have answered what we ask below"
        case "duplicate":
            return "We already have this file"
        case "refused":
            return _because("Nothing was taken", reason or "the file could not be accepted")
        case "waiting":
            return "Not finished yet: this file will be tried again"
        case "dismissed":
            return _because("This file was set aside and nothing was taken", reason)
        case "conflict":
            return _because("This file does not agree with what we already have", reason)


def _missing(receipt: Told) -> str:
    """What a complete count has not found, and where it has not looked."""
    number, left = receipt.still_missing, receipt.places_left
    told = [f"{number:,} {'item was' if number == 1 else 'items were'} not found"] if number else []
    if receipt.places_counted == 0:
        told.append("nothing was counted, since no row names a location")
    elif left:
        were = "location of your earlier list was" if left == 1 else "locations of your earlier list were"
        told.append(f"{left:,} {were} not counted")
    return "".join(f"; {one}" for one in told)


def _is_half_a_count(receipt: Told) -> bool:
    return receipt.places_counted == 0 or receipt.places_left > 0


def _rows_sentence(counts: Counts, reason: str | None) -> str:
    return _taken_sentence(counts, reason) + not_read_clause(counts.elsewhere)


def not_read_clause(rows: int, *, would: bool = False) -> str:
    """Ends a headline."""
    if not rows:
        return ""
    number = "1 row" if rows == 1 else f"{rows:,} rows"
    verb = "would not be" if would else "was not" if rows == 1 else "were not"
    return f"; {number} of another table {verb} read"


def _taken_sentence(counts: Counts, reason: str | None) -> str:
    if counts.received == 0:
        return _because("Nothing was taken", reason or "the file is empty")
    if counts.posted == counts.received:
        return f"{_all_rows(counts.received, 'was', 'were')} taken"
    if counts.unchanged == counts.received:
        return f"Nothing new: {_lower_first(_all_rows(counts.received, 'was', 'were'))} already up to date"
    if counts.posted == 0:
        return _because("Nothing was taken", reason or _nothing_taken_because(counts))
    return ", ".join(
        [
            f"{counts.posted:,} of {_rows(counts.received)} {'was' if counts.posted == 1 else 'were'} taken",
            *_other_rows(counts),
        ]
    )


def _nothing_taken_because(counts: Counts) -> str:
    if counts.rejected == counts.received:
        return _lower_first(_all_rows(counts.received, "needs", "need")) + " your attention"
    if counts.held == counts.received:
        return _lower_first(_all_rows(counts.received, "is", "are")) + " held for a person"
    return f"of {_rows(counts.received)}, " + ", ".join(_other_rows(counts))


def _other_rows(counts: Counts) -> list[str]:
    parts = []
    if counts.unchanged:
        parts.append(f"{_some(counts.unchanged, 'was', 'were')} already up to date")
    if counts.rejected:
        parts.append(f"{_some(counts.rejected, 'needs', 'need')} your attention")
    if counts.held:
        parts.append(f"{_some(counts.held, 'is', 'are')} held for a person")
    return parts


def _receipt_tone(receipt: Receipt) -> Tone:
    still_open = receipt.first_copy is not None and receipt.first_copy.still_open
    return "attention" if still_open else _tone(receipt)


def _tone(receipt: Told) -> Tone:
    counts = receipt.counts
    if counts.elsewhere and counts.rejected < counts.received:
        return "attention"
    match receipt.outcome:
        case "posted":
            is_open = counts.rejected or counts.held or receipt.still_missing or counts.worth_a_look
            return "attention" if is_open or _is_half_a_count(receipt) else "good"
        case "nothing_posted":
            if 0 < counts.received == counts.unchanged and _is_half_a_count(receipt):
                return "attention"
            return "neutral" if 0 < counts.received == counts.unchanged else "bad"
        case "refused":
            return "bad"
        case "in_review" | "question" | "conflict":
            return "attention"
        case "received" | "duplicate" | "waiting" | "dismissed":
            return "neutral"


def _lead(receipt: Receipt) -> str | None:
    if _is_update_of_count(receipt):
        return "Its rows were taken as an update. Nothing was counted by this file."
    match receipt.outcome:
        case "duplicate":
            return "No row was changed by this copy."
        case "in_review" | "question" if receipt.counts.posted == 0:
            return "Nothing has been taken from it so far."
        case "posted" | "waiting":
            return receipt.headline_reason
    return None


def counts_strip(receipt: Receipt) -> list[tuple[str, str]]:
    counts = receipt.counts
    if counts.received == 0 and receipt.outcome not in ("posted", "nothing_posted"):
        return []  # the rows were never counted, and "0 rows" would read as "your file is empty"
    always = [("Rows in your file", counts.received), ("Taken", counts.posted)]
    if counts.new is not None and counts.posted:
        always += [("New", counts.new), ("Changed", counts.posted - counts.new)]
    others = [
        ("Already up to date", counts.unchanged),
        ("Not taken", counts.rejected),
        ("Held for a person", counts.held),
        ("In another table, not read", counts.elsewhere),
    ]
    if receipt.count is not None:
        others += [("Not found", receipt.count.not_found), ("Found since", _found_since(receipt.count))]
        others.append(("Used up since" if receipt.count.by_place else "Gone since", receipt.count.used_up))
    return [(label, f"{number:,}") for label, number in always + [pair for pair in others if pair[1]]]


def _found_since(count: Count) -> int:
    return count.not_found - count.still_missing - count.used_up


def _steps(receipt: Receipt) -> list[str]:
    if receipt.newer is not None and (receipt.newer.complete_count or not receipt.still_missing):
        return [f"Nothing here. {_newer_came(receipt.newer)}: go on with its receipt (the link is at the top)."]
    if receipt.first_copy is not None and receipt.first_copy.still_open and not receipt.next_step:
        told = " and ".join(receipt.first_copy.still_open)
        return [
            f"{told[:1].upper()}{told[1:]}. Go on with the receipt of the first copy (the link is above): it says what "
            "to do. Dropping the same file again changes nothing."
        ]
    if receipt.only_registry:
        return registry_steps(receipt)
    steps = [receipt.next_step] if receipt.next_step and receipt.outcome != "question" else []
    if _is_update_of_count(receipt):
        steps.append(
            f"The file that this workbook was given back for was a complete count; this one came into the folder "
            f"{receipt.feed} itself. If it is to be counted again, drop the same workbook into the folder "
            f"{receipt.feed}/complete-count. If not, nothing need be done: items of that count that are named in here "
            "are found by now, and its receipt says so."
        )
    if any(one.answer is None for one in receipt.questions):
        steps += _answering(receipt)
    steps += registry_steps(receipt)
    made = receipt.workbook is not None and receipt.workbook.state == "made"
    if receipt.counts.rejected:
        steps += _MARKED_STEPS if made else _OWN_STEPS
        if made and receipt.complete_count and receipt.workbook is not None and receipt.workbook.note:
            steps.append(
                "This workbook holds only some rows, so it is no complete count: drop it into the feed's folder itself."
            )
    if receipt.counts.elsewhere:
        steps.append(OTHER_TABLE)
    if receipt.still_missing:
        by_place = receipt.count is not None and receipt.count.by_place
        where = " at this location" if by_place else ", here or at another location"
        steps.append(
            "Look for the items that were not found. Nothing was deleted or changed for them. As soon as a later file "
            f"names one of them{where}, it counts as found, and this receipt says so."
        )
        if receipt.count is not None and any(one.moved for one in receipt.count.missed):
            steps.append(
                "Where it says “probably moved”, the same thing was listed anew at another place. If it is the one "
                "that is missing here, list it at its old place once more with the quantity 0; until then the ledger "
                "has it at both."
            )
    steps += _steps_of_half_a_count(receipt)
    if receipt.counts.held and receipt.outcome not in ("in_review", "question"):
        steps.append("You need not do anything about rows held for a person: someone at the hub will look at them.")
    return steps or [_usual_step(receipt)]


def _steps_of_half_a_count(receipt: Receipt) -> list[str]:
    if receipt.places_counted == 0:
        return [
            "Nothing was counted, since no row of your file names a location. Write into each row where the item is (a "
            "column such as Location), save the file and drop it into the folder complete-count again."
        ]
    if receipt.places_left:
        them = "it has" if receipt.places_left == 1 else "they have"
        return [
            f"See below which locations of your earlier list are missing in this count. If {them} nothing any more, "
            "list what was there with the quantity 0, or where it is now. If you only did not count there, nothing is "
            "to do."
        ]
    return []


def _answering(receipt: Receipt) -> list[str]:
    number = sum(one.answer is None for one in receipt.questions)
    made = receipt.workbook is not None and receipt.workbook.state == "made"
    due = receipt.workbook is not None and receipt.workbook.state == "due"
    where = "the link is at the top of this page" if made else "it is being made: reload this page in a minute"
    sheet = (
        f"open the workbook ({where}), choose an answer on its sheet “Questions”, save it, "
        "and drop it into the folder where you dropped your file. Or "
        if made or due
        else ""
    )
    them = "the question" if number == 1 else "each question"
    return [
        f"Answer {them} above: {sheet}tell the hub's operator your answer and show this page.",
        "Your answers are remembered: the next files of this name are not asked about again.",
    ]


def registry_steps(receipt: Receipt) -> list[str]:
    """What must be done by somebody else first, for the workbook too."""
    if not receipt.needs_registry:
        return []
    if receipt.registry_has_come:
        return [
            "The procurement list has come since. "
            + (
                "Ask the hub's operator to take this file again. Dropping the same file again would only be a copy."
                if receipt.only_registry
                else "The rows that only waited for it need no correction."
            )
        ]
    return [
        f"The hub has no procurement list for campus {receipt.campus} yet, so asset tags cannot be checked. "
        "Ask the person who keeps that list to drop it into the campus's procurement folder.",
        "When it is there, ask the hub's operator to take this file again. Dropping the same file again would only be "
        "a copy of this one."
        if receipt.only_registry
        else "When it is there, go on with the next step. The rows that only wait for the list need no correction.",
    ]


_NOT_TWICE = "Rows that were taken already are not taken twice."
_OWN_STEPS = (
    "Fix the rows listed above in your own spreadsheet. The row numbers are the ones that Excel shows.",
    "Save it.",
    f"Drop the whole file into the same folder again, under its old name or a new one. {_NOT_TWICE}",
)
_MARKED_STEPS = (
    "Open the marked workbook (the link is at the top of this page). The cells to fix are red, and each has a note "
    "that says what is wrong and what to do.",
    "Type the right values over the wrong ones and save the workbook.",
    f"Drop the workbook into the folder that you sent your file to. {_NOT_TWICE} "
    "You may fix your own spreadsheet instead and drop that again; the row numbers above are those that Excel shows.",
)


def _workbook_title(receipt: Receipt) -> str:
    if receipt.outcome == "question":
        return "Your file, with a sheet for your answers"
    if receipt.counts.rejected or receipt.outcome not in ("posted", "nothing_posted"):
        return "Your file with the problems marked"
    return "Your file, with what is worth a look marked"


def _workbook_told(receipt: Receipt) -> dict[str, str] | None:
    """The workbook's link, or why there is none (yet)."""
    workbook = receipt.workbook
    if workbook is None:
        return None
    if workbook.state == "made" and workbook.file_name:
        usual = "Open it in Excel, fix the red cells, save it and drop it into the same folder."
        note = workbook.note or (usual if receipt.counts.rejected and not receipt.only_registry else "")
        return {"href": quote(workbook.file_name), "name": workbook.file_name, "text": note}
    if workbook.state == "failed":
        return {
            "href": "",
            "name": "",
            "text": f"There is no copy of your file with the problems marked: {workbook.note}. This page tells them.",
        }
    return {
        "href": "",
        "name": "",
        "text": "A copy of your file with the problems marked is being made. Reload this page in a minute.",
    }


def _correction_told(correction: Correction | None) -> str | None:
    """How many of the earlier file's problems are left."""
    if correction is None or correction.problems_before is None or correction.problems_left is None:
        return None
    before, left = correction.problems_before, correction.problems_left
    if before == 0 and left == 0:
        return None
    was = "1 problem" if before == 1 else f"{before:,} problems"
    if left == 0:
        return f"The earlier file had {was}; none is left."
    return f"The earlier file had {was}; this one has {left:,}."


def _usual_step(receipt: Receipt) -> str:
    match receipt.outcome:
        case "posted" | "nothing_posted" if receipt.counts.received:
            if receipt.counts.worth_a_look:
                return "Look at what stands under “Worth a look” below. What the ledger says now may not be meant."
            if any(line.suggestion for line in receipt.warnings):
                return "Look at what stands under “Worth a look” below. Nothing else is to do."
            return "Nothing. You are done."
        case "nothing_posted" | "refused":
            return "Correct your file, save it, and drop it into the same folder again."
        case "in_review" | "question":
            return "Nothing for now. A person at the hub will look at the file, and this receipt will be updated."
        case "received":
            return "Nothing. The file is safe, and this receipt will be updated when the hub has worked on it."
        case "waiting":
            return "Nothing for now. The file is safe, and the hub will try again by itself."
        case "duplicate":
            if receipt.complete_count:
                return (
                    "Nothing. If you have counted again and found exactly the same, ask the hub's operator to apply "
                    "this count again."
                )
            return "Nothing. If you meant to send changes, save them in your spreadsheet and drop it again."
        case _:
            return "If this is not what you expected, show this page to the hub's operator."


def _about(receipt: Receipt) -> list[tuple[str, str]]:
    rows = [
        ("Received", _maybe_time(receipt.received_at, receipt.time_zone)),
        ("Settled", _maybe_time(receipt.settled_at, receipt.time_zone)),
        ("Version of this file", f"{receipt.source_version:,}" if receipt.source_version else None),
        ("Procurement list used", _registry(receipt)),
    ]
    return [(label, value) for label, value in rows if value]


def _proof(receipt: Receipt) -> list[tuple[str, str]]:
    """What a sender need not read, to be read letter by letter: numbers by which others find it, and commands."""
    rows = [
        ("Submission number", receipt.request_id),
        ("Replaces submission", receipt.revises),
        ("Copy of submission", receipt.first_request_id),
        ("Fingerprint (SHA-256)", receipt.content_digest),
        ("Archived copy", receipt.archived_copy),
        ("Take the answers", receipt.answer_command),
        ("Take it again when the list is there", _REQUEUE if receipt.only_registry else None),
        ("Correct how a column was read", "hub mapping set" if receipt.columns_read.understood else None),
    ]
    return [(label, value) for label, value in rows if value]


def _registry(receipt: Receipt) -> str | None:
    parts = []
    if receipt.registry_version == 0:
        return "none: there was no list yet"
    if receipt.registry_version is not None:
        parts.append(f"version {receipt.registry_version}")
    if receipt.registry_date is not None:
        parts.append(f"of {shown_time(receipt.registry_date, receipt.time_zone)}")
    return " ".join(parts) or None


def by_row(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    """Lines under the row that they belong to, as a page numbers it."""
    place = attrgetter("part", "row")
    grouped = [list(group) for _, group in groupby(sorted(lines, key=place), key=place)]
    return [(_row_label(group[0]), group) for group in grouped]


def _row_label(line: Line) -> str:
    if line.row <= 0:
        return "Whole file"
    told = [str(line.row)]
    told += [f"sheet {line.sheet}"] if line.sheet is not None else []
    told += [f"table from column {line.table}"] if line.table is not None else []
    return ", ".join(told)


def shown_time(at: datetime, zone: str) -> str:
    """A time as a receipt shows it, in a time zone (IANA)."""
    local = _aware(at).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"


def _short_time(at: datetime, zone: str) -> str:
    local = _aware(at).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M %Z}"


def _maybe_time(at: datetime | None, zone: str) -> str | None:
    return None if at is None else shown_time(at, zone)


def utc_text(value: object) -> str:
    """A time in JSON. Raises TypeError for anything else."""
    if not isinstance(value, datetime):
        raise TypeError(f"a receipt cannot hold a {type(value).__name__}")
    return _aware(value).astimezone(UTC).isoformat()


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"a receipt's times need a time zone, and {at} has none")
    return at


def _all_rows(number: int, one: str, many: str) -> str:
    return f"The only row {one}" if number == 1 else f"All {number:,} rows {many}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _some(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _because(what: str, reason: str | None) -> str:
    return f"{what}: {reason}" if reason else what


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _without_full_stop(text: str | None) -> str | None:
    return text.rstrip(" .") if text else None


@cache
def template(name: str) -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader(Path(__file__).parent),
    )
    return environment.get_template(name)
