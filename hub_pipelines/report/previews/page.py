"""Words and page for the receipt of a preview.

Belongs here: the sentences that its sender reads. Not here: what would happen (the preview already says so).
"""

import json
from dataclasses import asdict

from hub_pipelines.report.previews.model import Found, Preview, Would
from hub_pipelines.report.render import GLYPHS, Tone, by_row, shown_time, template, utc_text

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
        lead=_ONLY_ON_PURPOSE if found and preview.known_as else None,
        counts=_counts(found) if found else [],
        problems=by_row(found.problems) if found else [],
        warnings=by_row(found.warnings) if found else [],
        steps=_steps(preview),
        proof=_proof(preview),
    )


def to_json(preview: Preview) -> str:
    """The same for programs, times in UTC."""
    content = {"preview": True, "headline": headline(preview), **asdict(preview)}
    return json.dumps(content, indent=2, ensure_ascii=False, default=utc_text) + "\n"


def headline(preview: Preview) -> str:
    """The one sentence that says what would happen."""
    if preview.would == "post" and preview.known_as is not None:
        return KNOWN
    return sentence(preview.would, preview.reason, _numbers(preview.found))


def sentence(would: Would, reason: str | None, rows: dict[str, int]) -> str:
    """The same from what a list of receipts knows (Preview.summary)."""
    because = f": {_clause(reason)}" if reason else ""
    match would:
        case "ask":
            return f"Before it could be taken, something would be asked{because}"
        case "hold":
            return f"A person at the hub would look at it first{because}"
        case "refuse":
            return f"It would not be taken{because}"
        case "unknown":
            return f"The hub could not find out what it would do{because}"
        case "post":
            return _rows_sentence(rows)


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
        lines.append(f"  row {item.row} {item.key} would change: {cells}")
    lines += [
        f"  row {item.row} {item.key} would be new{f': {item.name}' if item.name else ''}"
        for item in found.new_items[:_LINES]
    ]
    lines += [
        f"  row {line.row} would not be taken: {line.column or 'whole row'}: {line.reason}"
        for line in found.problems[:_LINES]
    ]
    if found.counted is not None:
        lines.append(f"  counted: {', '.join(found.counted) or 'no location'}; not found: {found.not_found}")
        lines += [f"  {one.key} at {one.location} would be missed" for one in found.missed[:_LINES]]
    return lines


def _numbers(found: Found | None) -> dict[str, int]:
    names = ("received", "new", "changed", "unchanged", "rejected")
    return {name: getattr(found, name) if found else 0 for name in names}


def _rows_sentence(rows: dict[str, int]) -> str:
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
    return f"Of {noun}, " + ", ".join(parts)


def _tone(preview: Preview) -> Tone:
    if preview.would == "post" and preview.found is not None:
        found = preview.found
        if found.received == found.rejected:
            return "bad"
        return "attention" if found.rejected or found.not_found or found.listed_in_rejected_rows else "good"
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
    steps = [preview.next_step] if preview.next_step else []
    found = preview.found
    if found is not None and found.rejected:
        steps.append(
            "Fix the rows that would not be taken, if you like, in your own spreadsheet. The row numbers are the ones "
            "that Excel shows. Preview it again as often as you want."
        )
    if preview.known_as is not None:
        steps.append(
            "The hub has received this very file before. Dropped again as it is, it would be a duplicate and change "
            "nothing."
        )
    elif preview.would != "unknown":
        folder = f"{preview.feed}/complete-count" if preview.complete_count else preview.feed
        steps.append(
            f"When it is as you want it, drop the file into the folder {folder} itself. Only then is it taken."
        )
    return steps


def _proof(preview: Preview) -> list[tuple[str, str, bool]]:
    """Label, value, and whether the value is to be read letter by letter."""
    found = preview.found
    rows = [
        ("Dropped", shown_time(preview.arrived_at, preview.time_zone), False),
        ("Compared", shown_time(preview.previewed_at, preview.time_zone), False),
        ("Compared with", f"{found.ledger}, version {found.ledger_version:,}" if found else None, False),
        ("Fingerprint (SHA-256)", preview.content_digest, True),
        ("Kept copy", preview.archived_copy, True),
        ("The same file came as", preview.known_as, True),
    ]
    return [(label, value, exact) for label, value, exact in rows if value]


def _clause(text: str) -> str:
    text = text.rstrip(" .")
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
