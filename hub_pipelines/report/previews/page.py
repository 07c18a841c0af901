"""Words and page for the receipt of a preview.

Belongs here: the sentences that its sender reads. Not here: what would happen (the preview already says so).
"""

import json
from dataclasses import asdict
from typing import Any

from hub_pipelines.report.model import GoesOn, Line
from hub_pipelines.report.previews.model import Found, NewItem, Preview, Would
from hub_pipelines.report.render import by_row, read_otherwise, shown_time, template, utc_text
from hub_pipelines.report.steps import OTHER_TABLE
from hub_pipelines.report.words import GLYPHS, Tone, not_read_clause, to_look_at

_ONLY_ON_PURPOSE = "What stands below is what it would do if the hub's operator applied it again on purpose."
_NOTHING = "Preview – nothing was changed"
_LINES = 10
KNOWN = "The hub has this very file already: dropped again it would change nothing"


def to_html(preview: Preview) -> str:
    """The receipt as one self-contained page."""
    tone = _tone(preview)
    found = preview.found
    return template("previews/preview.html").render(
        p=preview,
        f=found,
        title=_NOTHING,
        tone=tone,
        glyph=GLYPHS[tone],
        headline=headline(preview),
        lead=_ONLY_ON_PURPOSE if found and preview.first_copy else None,
        counts=_counts(found) if found else [],
        problems=by_row(found.problems) if found else [],
        warnings=by_row(to_look_at(found.warnings)) if found else [],
        read_so=read_otherwise(found.warnings) if found else [],
        steps=_steps(preview),
        about=_about(preview),
        proof=_proof(preview),
    )


def to_json(preview: Preview) -> str:
    """The same for programs, times in UTC."""
    content = {"preview": True, "headline": headline(preview), **asdict(preview)}
    return json.dumps(content, indent=2, ensure_ascii=False, default=utc_text) + "\n"


def headline(preview: Preview) -> str:
    """The one sentence that says what would happen."""
    return sentence(preview.summary())


def sentence(told: dict[str, Any]) -> str:
    """The same from what a list of receipts knows (Preview.summary)."""
    would: Would = told["would"]
    reason = told["reason"]
    if would != "unknown" and told.get("known"):  # the word is younger than some previews
        return KNOWN
    because = f": {_clause(reason)}" if reason else ""
    match would:
        case "ask":
            number = told.get("questions") or 1
            asked = "a question" if number == 1 else f"{number:,} questions"
            return f"Before it could be taken, {asked} would be asked"
        case "hold":
            return f"A person at the hub would look at it first{because}"
        case "refuse":
            return f"It would not be taken{because}"
        case "unknown":
            return f"The hub could not find out what it would do{because}"
        case "post":
            return _rows_sentence(told)


def told_lines(preview: Preview) -> list[str]:
    """The same for a terminal: the first of each, a line each."""
    found = preview.found
    lines = [f"  asked: {one.text}" for one in preview.questions]
    if preview.next_step:
        lines.append(f"  {preview.next_step}")
    if found is None:
        return lines
    for item in found.changed_items[:_LINES]:
        cells = "; ".join(f"{one.column}: {one.old or '(empty)'} → {one.new or '(empty)'}" for one in item.cells)
        lines.append(f"  row {item.row} {item.item} would change: {cells}")
    lines += [f"  row {item.row} {item.item} would be new{_how_much(item)}" for item in found.new_items[:_LINES]]
    lines += [
        f"  row {line.row} would not be taken: {_column(line)}: {line.reason}" for line in found.problems[:_LINES]
    ]
    lines += [f"  worth a look: {_place(line)}{line.reason}" for line in found.warnings[:_LINES]]
    if found.counted is not None:
        lines.append(f"  counted: {', '.join(found.counted) or 'no location'}; not found: {found.not_found}")
        lines += [f"  {one.item} at {one.location} would be missed" for one in found.missed[:_LINES]]
    return lines


def _how_much(item: NewItem) -> str:
    return f": {item.amount}" if item.amount else ""


def _place(line: Line) -> str:
    return f"row {line.row}: " if line.row else ""


def _rows_sentence(rows: dict[str, Any]) -> str:
    if rows["received"] == 0:
        return "It has headings but no rows below them: nothing would be taken"
    parts = [
        f"{rows[name]:,} {words}"
        for name, words in (
            ("new", "would be new"),
            ("changed", "would change"),
            ("unchanged", "would stay as they are"),
            ("rejected", "would not be taken"),
        )
        if rows[name]
    ]
    noun = "its only row" if rows["received"] == 1 else f"{rows['received']:,} rows"
    return f"Of {noun}, " + ", ".join(parts) + not_read_clause(rows.get("elsewhere", 0), would=True)


def _tone(preview: Preview) -> Tone:
    if preview.first_copy is not None and preview.would != "unknown":
        return "attention" if preview.first_copy.still_open else "neutral"
    if preview.would == "post" and preview.found is not None:
        found = preview.found
        if found.received == found.rejected:
            return "bad"
        is_open = found.rejected or found.not_found or found.listed_in_rejected_rows or found.counted == ()
        return "attention" if is_open or found.elsewhere or found.worth_a_look else "good"
    return "bad" if preview.would in ("refuse", "unknown") else "attention"


def _counts(found: Found) -> list[tuple[str, str]]:
    told = [
        ("Rows in your file", found.received),
        ("Would be new", found.new),
        ("Would change", found.changed),
        ("Would stay", found.unchanged),
        ("Would not be taken", found.rejected),
    ]
    if found.counted is not None:
        told.append(("Would be not found", found.not_found))
    return [(label, f"{number:,}") for label, number in told]


def _steps(preview: Preview) -> list[str]:
    if preview.first_copy is not None and preview.would != "unknown":
        return [_go_on(preview.first_copy)]
    steps = [preview.next_step] if preview.next_step else []
    found = preview.found
    if found is not None and found.worth_a_look:
        steps.append("Look at what stands under “Worth a look”, before you drop it.")
    if found is not None and found.rejected:
        steps.append(
            "Fix the rows that would not be taken, if you like, in your own spreadsheet. The row numbers are the ones "
            "that Excel shows. Preview it again as often as you want."
        )
    if found is not None and found.elsewhere:
        steps.append(OTHER_TABLE)
    if preview.would != "unknown":
        folder = f"{preview.feed}/complete-count" if preview.complete_count else preview.feed
        steps.append(
            f"When it is as you want it, drop the file into the folder {folder} itself. Only then is it taken."
        )
    return steps


def _go_on(first: GoesOn) -> str:
    """Of a file that the hub has already: what is left to do about it stands on its receipt."""
    if not first.still_open:
        return "Nothing. If you meant to send changes, save them in your spreadsheet and preview it again."
    told = " and ".join(first.still_open)
    return f"{told[:1].upper()}{told[1:]}. Go on with the receipt of the first copy (the link is above)."


def _about(preview: Preview) -> list[tuple[str, str]]:
    return [
        ("Dropped", shown_time(preview.arrived_at, preview.time_zone)),
        ("Compared", shown_time(preview.previewed_at, preview.time_zone)),
    ]


def _proof(preview: Preview) -> list[tuple[str, str]]:
    """What a sender need not read, to be read letter by letter."""
    found = preview.found
    rows = [
        ("Compared with", f"{found.ledger}, version {found.ledger_version:,}" if found else None),
        ("Fingerprint (SHA-256)", preview.content_digest),
        ("Kept copy", preview.archived_copy),
        ("The same file came as", preview.first_copy.request_id if preview.first_copy else None),
    ]
    return [(label, value) for label, value in rows if value]


def _clause(text: str) -> str:
    text = text.rstrip(" .")
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _column(line: Line) -> str:
    if line.column is None:
        return "whole row"
    called = line.heading or line.column.replace("_", " ")
    return f"{called} (column {line.place})" if line.place and called != f"column {line.place}" else called
