"""What a receipt says happened, in one sentence, and how it looks at first sight.

Belongs here: headlines, for receipts and lists of them, and the words that they are made of. Not here: what a sender
has to do (steps.py), pages (render.py, index_page.py), deciding what happened to a row (the receipt already says so).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol

from hub_pipelines.report.model import Counts, GoesOn, IndexLine, Line, Outcome, Receipt, Waiting

Tone = Literal["good", "attention", "bad", "neutral"]
GLYPHS: dict[Tone, str] = {"good": "✓", "attention": "!", "bad": "✕", "neutral": "i"}
LIST_COMES = {True: "has come since", False: "must come first"}


def moment(at: datetime) -> str:
    """In UTC, as pages for the office tell it: `9 Mar 2026, 08:05`."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M}"


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

    @property
    def only_registry(self) -> bool: ...


def receipt_headline(receipt: Receipt) -> str:
    """The same of one receipt, which knows more than a list does."""
    if receipt.newer is not None and receipt.outcome in ("dismissed", "in_review", "question"):
        return f"{newer_came(receipt.newer)}; go on there"
    if receipt.newer is not None and receipt.is_superseded:
        return f"{headline(receipt)}. {newer_came(receipt.newer)} since"
    if receipt.first_copy is not None and receipt.first_copy.still_open:
        return f"{headline(receipt)}, and {' and '.join(receipt.first_copy.still_open)}"
    if receipt.at_work is not None:
        again = "This file was interrupted and is being done again" if receipt.headline_reason else "We are at it"
        return f"{again}: {receipt.at_work} so far"
    if receipt.only_registry:
        told = f"Nothing was taken yet: the procurement list {LIST_COMES[receipt.registry_has_come]}"
        return f"{told}. You need not correct anything in the rows"
    return headline(receipt) + left_clause(receipt)


def left_clause(told: Receipt | IndexLine) -> str:
    """Ends a headline: what of a file of which rows to fix came back by themselves is not in."""
    if told.rows_left is not None:
        return f"; {still_not_taken(told.rows_left)}"
    correction = told.correction if isinstance(told, Receipt) else None
    if correction is None or not correction.rows_left:
        return ""
    return f"; {still_not_taken(correction.rows_left, correction.rows_left_of)}"


def still_not_taken(rows: int, name: str = "") -> str:
    """A clause; of the file of this name."""
    of = f" of {name}" if name else ""
    return f"1 row{of} is still not taken" if rows == 1 else f"{rows:,} rows{of} are still not taken"


def waiting_told(receipt: Receipt) -> str | None:
    """Once for all rows that lacked the procurement list, with their numbers."""
    if receipt.waiting is None:
        return None
    rows, column = _numbered(receipt.waiting), receipt.waiting.column
    if receipt.registry_has_come:
        return f"{rows}: there was no procurement list yet when {column} was checked. It has come since."
    wait = "waits" if receipt.waiting.total == 1 else "wait"
    return (
        f"{rows} {wait} for the procurement list: without it {column} cannot be checked. That is not yours to correct."
    )


def _numbered(waiting: Waiting) -> str:
    told = [
        ", ".join(_ranges(numbers)) + (f' of sheet "{sheet}"' if sheet is not None else "")
        for sheet, numbers in waiting.rows
    ]
    more = waiting.total - sum(len(numbers) for _, numbers in waiting.rows)
    listed = "; ".join(told) + (f" and {more:,} more" if more else "")
    word = "row" if waiting.total == 1 else "rows"
    return f"{waiting.total:,} {word} ({word} {listed})"


def _ranges(numbers: Sequence[int]) -> list[str]:
    """`2–6` for numbers that follow each other."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]


def is_update_of_count(receipt: Receipt) -> bool:
    """The workbook of a complete count came back into the feed's own folder (decisions/0055)."""
    of_count = receipt.correction is not None and receipt.correction.of_count
    return of_count and not receipt.complete_count and receipt.outcome in ("posted", "nothing_posted")


def newer_came(newer: GoesOn) -> str:
    return "You sent a newer copy" if newer.by_sender else "The hub sent a corrected copy"


def headline(receipt: Told) -> str:
    """The one sentence that says what happened."""
    reason = without_full_stop(receipt.headline_reason)
    match receipt.outcome:
        case "received":
            return because("Received, and not worked on yet", reason)
        case "posted":
            told = _rows_sentence(receipt.counts, None) + _missing(receipt)
            return f"{told}, worth a look" if receipt.counts.worth_a_look else told
        case "nothing_posted":
            return _rows_sentence(receipt.counts, reason) + _missing(receipt)
        case "in_review" if receipt.cause == "unreadable":
            return because("This file could not be taken", reason)
        case "in_review":
            return because("A person at the hub will look at this file", reason)
        case "question":
            return "This file can be taken when you have answered what we ask below"
        case "duplicate":
            return "We already have this file"
        case "refused":
            return because("Nothing was taken", reason or "the file could not be accepted")
        case "waiting":
            return "Not finished yet: this file will be tried again"
        case "dismissed":
            return because("This file was set aside and nothing was taken", reason)
        case "conflict":
            return because("This file does not agree with what we already have", reason)


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


def is_half_a_count(receipt: Told) -> bool:
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
        return because("Nothing was taken", reason or "the file is empty")
    if counts.posted == counts.received:
        return f"{_all_of(counts, 'was', 'were')} taken"
    if counts.up_to_date == counts.received:
        return f"Nothing new: {_lower_first(_all_of(counts, 'was', 'were'))} already up to date"
    if counts.unchanged == counts.received:
        return f"Nothing new: of {things_told(counts.received, counts.thing)}, " + ", ".join(_other_rows(counts))
    if counts.posted and counts.posted + counts.unchanged == counts.received:
        now = f"{counted(counts.posted, 'was', 'were')} taken now"
        return f"All {counts.received:,} {counts.thing}s are in: " + ", ".join([now, *_other_rows(counts)])
    if counts.posted == 0:
        return because("Nothing was taken", reason or _nothing_taken_because(counts))
    taken = f"{counts.posted:,} of {things_told(counts.received, counts.thing)}"
    return ", ".join([f"{taken} {'was' if counts.posted == 1 else 'were'} taken", *_other_rows(counts)])


def _nothing_taken_because(counts: Counts) -> str:
    if counts.rejected == counts.received:
        return _lower_first(_all_of(counts, "needs", "need")) + " your attention"
    if counts.held == counts.received:
        return _lower_first(_all_of(counts, "is", "are")) + " held for a person"
    if counts.superseded == counts.received:
        return f"{_lower_first(_all_of(counts, 'gave', 'gave'))} way to a newer one"
    return f"of {things_told(counts.received, counts.thing)}, " + ", ".join(_other_rows(counts))


def _other_rows(counts: Counts) -> list[str]:
    parts = []
    if counts.up_to_date:
        parts.append(f"{counted(counts.up_to_date, 'was', 'were')} already up to date")
    if counts.spared:
        them = "it" if counts.spared == 1 else "them"
        parts.append(f"{counted(counts.spared, 'was', 'were')} left as others have set {them} since")
    if counts.rejected:
        parts.append(f"{counted(counts.rejected, 'needs', 'need')} your attention")
    if counts.held:
        parts.append(f"{counted(counts.held, 'is', 'are')} held for a person")
    if counts.superseded:
        parts.append(f"{counts.superseded:,} gave way to a newer one")
    return parts


def receipt_tone(receipt: Receipt) -> Tone:
    if receipt.is_superseded:
        return "neutral"
    still_open = receipt.first_copy is not None and receipt.first_copy.still_open
    rows_left = receipt.correction is not None and receipt.correction.rows_left
    tone = tone_of(receipt)
    return "attention" if still_open or (rows_left and tone == "good") else tone


def tone_of(receipt: Told) -> Tone:
    counts = receipt.counts
    if counts.elsewhere and counts.rejected < counts.received:
        return "attention"
    match receipt.outcome:
        case "posted":
            is_open = counts.rejected or counts.held or receipt.still_missing or counts.worth_a_look
            return "attention" if is_open or is_half_a_count(receipt) else "good"
        case "nothing_posted":
            if receipt.only_registry or (0 < counts.received == counts.unchanged and is_half_a_count(receipt)):
                return "attention"
            return "neutral" if 0 < counts.received == counts.unchanged + counts.superseded else "bad"
        case "refused":
            return "bad"
        case "in_review" | "question" | "conflict":
            return "attention"
        case "received" | "duplicate" | "waiting" | "dismissed":
            return "neutral"


def _all_of(counts: Counts, one: str, many: str) -> str:
    number, thing = counts.received, counts.thing
    return f"The only {thing} {one}" if number == 1 else f"All {number:,} {thing}s {many}"


def to_look_at(warnings: Iterable[Line]) -> list[Line]:
    """Those that somebody may do something about, and all that is said of the file as a whole."""
    return [line for line in warnings if not line.tells_reading and (line.suggestion or line.row <= 0)]


def things_told(number: int, thing: str = "row") -> str:
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def because(what: str, reason: str | None) -> str:
    return f"{what}: {reason}" if reason else what


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def without_full_stop(text: str | None) -> str | None:
    return text.rstrip(" .") if text else None
