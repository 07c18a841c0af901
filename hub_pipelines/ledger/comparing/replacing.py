"""Lines that rows of a corrected file have replaced: posted as one line, they now read as another. Pure.

Belongs here: which row of a corrected file was which row before, and the journal entry that closes a line
(decisions/0054). Not here: which file corrects which (returning.py), posting (store.py).

Of a file that holds only the rows to be fixed each row tells which it was (decisions/0124). Else rows correspond by
their place between rows that stayed the same: only where as many rows stand between two of them now as before, and then
only if at least half of what the two rows say is equal. All else is told, and nothing is closed.
What is changed here changes what a backfill finds of older postings.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.model import REPLACED, Corrected, Head, Replaced
from hub_pipelines.ledger.digests import Change
from hub_pipelines.validate.model import PART_ROWS, RecordType, excel_row
from hub_pipelines.validate.staging import StagedRow


def may_close(corrected: Corrected, head: Head) -> bool:
    """Whether nobody else has a say in a line: no other list has set it, and nobody has set it since."""
    if head.request_id in corrected.family:
        return True
    return head.version <= corrected.version and list_key(head.source_name) == list_key(corrected.source_name)


def closings(corrected: Corrected, heads: Mapping[str, Head]) -> tuple[list[Change], list[Replaced]]:
    """Journal entries that close the lines which a corrected file has replaced, in the order of their numbers; and the
    lines that stay, since somebody else has a say in them.

    `heads` are the lines' newest entries before this posting.
    """
    closed, kept = [], []
    for one in corrected.replaced:
        head = heads.get(one.old)
        if head is None or head.operation == REPLACED:
            continue
        if corrected.closes and may_close(corrected, head):
            closed.append(_closing(one, head))
        else:
            kept.append(one)
    return sorted(closed), kept


def _closing(replaced: Replaced, head: Head) -> Change:
    """It keeps what the line said last."""
    values = canonical_text({**json.loads(head.values), "replaced_by": replaced.new})
    digest = sha256_hex(values.encode("utf-8"))
    return Change(-replaced.row_no, head.key, REPLACED, values, digest, head.version, head.row_no)


# ---- which row was which


def replaced_lines(
    before: Iterable[StagedRow], after: Iterable[StagedRow], record: RecordType
) -> tuple[tuple[Replaced, ...], tuple[str, ...]]:
    """The lines that were replaced, and those that are listed no more in any other way, in the order of their rows."""
    was, now = _File.of(before), _File.of(after)
    if was.lines.keys() <= now.lines.keys():
        return (), ()
    was.compare(record)
    now.compare(record)
    places = _Places(was, now)
    gone = _Gone(was, now)
    replaced = []
    for row_no, row in now.rows.items():
        old = was.rows.get(row_no - offset) if (offset := places.offset(row_no)) is not None else None
        if old is None or old.key is None:
            continue
        if row.key is None:  # it stands in a row that is not taken: neither replaced nor left out
            gone.take(old.key)
        elif row.key not in was.lines and _alike(old, row) and (key := gone.take(old.key)) is not None:
            replaced.append(Replaced(row_no, key, row.key, _in_words(old), _in_words(row)))
    left = (was.rows[row_no] for row_no in gone.rows())
    return tuple(replaced), tuple(_in_words(row) for row in left if not _is_gone(row, record))


def replaced_in_part(
    before: Iterable[StagedRow], after: Iterable[StagedRow], numbers: Mapping[int, int], record: RecordType
) -> tuple[Replaced, ...]:
    """The lines that were replaced by a file that holds only some rows of the earlier one. `numbers` are those that
    its rows have there, as Excel shows them; `before` are at least those rows. Which of them may be another line now,
    was decided when they were judged (rows_to_fix.py)."""
    was = rows_by_number(before)
    replaced = []
    for row in after:
        old = was.get(numbers.get(row.row_no, 0))
        if old is None or row.key is None or line_of(old, record) == line_of(row, record) or not _alike(old, row):
            continue
        replaced.append(Replaced(row.row_no, str(old.key), row.key, _in_words(old), _in_words(row)))
    return tuple(replaced)


def rows_by_number(rows: Iterable[StagedRow]) -> dict[int, StagedRow]:
    """By their numbers as Excel shows them, the accepted ones among these rows of a file. Where several sheets have a
    row of one number, nobody can tell which is meant."""
    found: dict[int, StagedRow] = {}
    several = set()
    for row in rows:
        number = excel_row(row.row_no)
        if number in found:
            several.add(number)
        found[number] = row
    return {number: row for number, row in found.items() if number not in several and row.key and row.values}


def under_own_keys(
    rows: Iterable[StagedRow], was: Mapping[int, StagedRow], numbers: Mapping[int, int], record: RecordType
) -> Iterator[StagedRow]:
    """Rows to be fixed, each that is still the line that it was in its file under the key that it has there."""
    for row in rows:
        old = was.get(numbers.get(row.row_no, 0))
        if old is not None and row.verdict == "accepted" and line_of(old, record) == line_of(row, record):
            row = replace(row, key=old.key)
        yield row


def line_of(row: StagedRow, record: RecordType) -> str:
    """What lines that are alike share: the key of the first of them."""
    return record.key_of(json.loads(str(row.values)))


def _is_gone(row: StagedRow, record: RecordType) -> bool:
    """Its list had said already that nothing of it is left."""
    return record.is_gone is not None and row.values is not None and record.is_gone(json.loads(row.values))


@dataclass(slots=True)
class _File:
    """A file's rows by their numbers, its lines by their keys, and of each line what it shares with those alike."""

    rows: dict[int, StagedRow] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    alike: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(rows: Iterable[StagedRow]) -> "_File":
        found = _File()
        for row in rows:
            found.rows[row.row_no] = row
            if row.key is not None and row.values is not None:
                found.lines[row.key] = row.row_no
        return found

    def compare(self, record: RecordType) -> None:
        for key, row_no in self.lines.items():
            self.alike[key] = record.key_of(json.loads(str(self.rows[row_no].values)))

    def numbers(self) -> Counter[str]:
        """How many lines are alike."""
        return Counter(self.alike.values())


class _Places:
    """By how many rows those of the new file stand lower than before, where that is certain."""

    def __init__(self, was: _File, now: _File) -> None:
        self._offsets: dict[int, int | None] = {}
        before, after = was.numbers(), now.numbers()
        anchors = {
            row_no: row_no - was.lines[key]
            for key, row_no in now.lines.items()
            # lines that are alike have other numbers where one of them is gone
            if key in was.lines and before[was.alike[key]] == after[now.alike[key]]
            and row_no // PART_ROWS == was.lines[key] // PART_ROWS
        }  # fmt: skip
        last = _last_of_parts(was.rows)
        for part, rows in _by_part(now.rows).items():
            at_end = rows[-1] - last[part] if part in last else None
            above = self._nearest(rows, anchors, 0)
            below = self._nearest(rows[::-1], anchors, at_end)[::-1]
            for row_no, one, other in zip(rows, above, below, strict=True):
                self._offsets[row_no] = one if one == other else None

    def offset(self, row_no: int) -> int | None:
        return self._offsets[row_no]

    @staticmethod
    def _nearest(rows: Sequence[int], anchors: Mapping[int, int], first: int | None) -> list[int | None]:
        found: list[int | None] = []
        newest = first
        for row_no in rows:
            newest = anchors.get(row_no, newest)
            found.append(newest)
        return found


def _by_part(rows: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for row_no in sorted(rows):
        found[row_no // PART_ROWS].append(row_no)
    return found


def _last_of_parts(rows: Iterable[int]) -> dict[int, int]:
    return {part: numbers[-1] for part, numbers in _by_part(rows).items()}


class _Gone:
    """The lines that a file lists no more. Of lines that are alike any may be the one: the last is."""

    def __init__(self, was: _File, now: _File) -> None:
        self._was = was
        self._keys = {key: row_no for key, row_no in was.lines.items() if key not in now.lines}
        self._alike: dict[str, list[str]] = defaultdict(list)
        for key in self._keys:
            self._alike[was.alike[key]].append(key)

    def take(self, key: str) -> str | None:
        """This line, or the last one that is like it; None when they all are still listed."""
        left = self._alike[self._was.alike[key]]
        if not left:
            return None
        taken = left.pop(left.index(key) if key in left else -1)
        del self._keys[taken]
        return taken

    def rows(self) -> list[int]:
        """The rows of those that were not taken."""
        return sorted(self._keys.values())


def in_words(values: Mapping[str, object]) -> str:
    """A line as a person knows it: what, where, and which lot."""
    lot = values.get("lot_number")
    told = (values.get("item_name") or values.get("item_code"), values.get("location"), f"lot {lot}" if lot else None)
    return ", ".join(str(one) for one in told if one)


def _in_words(row: StagedRow) -> str:
    return in_words(json.loads(row.values)) if row.values else f"row {row.row_no % PART_ROWS}"


def _alike(one: StagedRow, other: StagedRow) -> bool:
    first, second = _cells(one), _cells(other)
    same = sum(second.get(name) == value for name, value in first.items())
    return 2 * same >= len(first.keys() | second.keys())


def _cells(row: StagedRow) -> dict[str, object]:
    """What a row says, the sender's own columns included."""
    values: dict[str, object] = json.loads(row.values) if row.values else {}
    other = values.pop("other", None)
    cells = {**values, **{f"other {name}": value for name, value in (other if isinstance(other, dict) else {}).items()}}
    return {name: value for name, value in cells.items() if value is not None}
