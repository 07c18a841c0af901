"""The verdict on each row of a table.

Belongs here: the order of the checks and the ones that need more than one cell (registry, repeats).
Not here: reading the file, rules on one value, storing verdicts.
"""

import datetime
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from typing import Any, TypedDict

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from hub_pipelines.validate.batches import batches_of
from hub_pipelines.validate.columns import ColumnMap, map_columns, record_type_of
from hub_pipelines.validate.conventions.applying import ReadRows
from hub_pipelines.validate.feeds.types import campus_names
from hub_pipelines.validate.judged import JudgedRow
from hub_pipelines.validate.model import (
    IF_UNKNOWN,
    MISSING_VALUE,
    AcceptedRow,
    Cell,
    Feed,
    Plain,
    Problem,
    RecordType,
    Registry,
    RejectedRow,
    Restored,
    Row,
    Table,
    Unclear,
    sent_name,
)
from hub_pipelines.validate.repeats import Repeats

_CHUNK_ROWS = 5_000
_SHOWN_CHARACTERS = 200
_MARKED = frozenset({Restored, Unclear})
_OF_A_PART = frozenset({"bad_hazard_code", "bad_waste_code", "unknown_waste_code"})
"""Of cells that may hold several codes: what to do about one of them says nothing about the others."""
# finding a similar tag compares with the whole registry; a file of nothing but unknown tags must not take hours
_MOST_SUGGESTIONS = 200
_MOST_ROWS_COMPARED = 100_000
"""Of a longer file no tag is suggested: it might be another row's."""
_MOST_FRONTS = 20
_SHORTEST_REST = 4
_LOOKS_LIKE = {
    ("O", "0"): "a zero, not the letter O",
    ("I", "1"): "a one, not the letter I",
    ("L", "1"): "a one, not the letter L",
    ("S", "5"): "a five, not the letter S",
    ("B", "8"): "an eight, not the letter B",
    ("Z", "2"): "a two, not the letter Z",
}
_AS_DIGITS = str.maketrans(dict(_LOOKS_LIKE.keys()))
_FRONT = re.compile(r"[^\d\s]+(?=\d)")
_ASK_PROCUREMENT = "Compare it with the tag on the item; if it is right, ask procurement to register it"
_PLAIN_NUMBER = re.compile(r"[1-9]\d{0,14}", re.A)
_MOST_DIGITS = 15
"""Excel keeps so many of a number."""
_ONE_TAG = "Write one tag, as procurement registered it"


class Circumstances(TypedDict):
    """What rows are judged by beside their table and feed."""

    campus: str
    campuses: Collection[str]
    registry: Registry
    time_zone: str | None


def validate(
    table: Table,
    feed: Feed,
    *,
    campus: str,
    campuses: Collection[str],
    registry: Registry,
    time_zone: str | None = None,
    each_alone: bool = False,
) -> Iterator[AcceptedRow | RejectedRow]:
    """One verdict per row, in the file's order. Raises Unreadable before the first one if columns are missing.

    `time_zone` (IANA) is the campus's: a time of day written without a zone is taken in it, or refused without it.
    `each_alone`: that two rows are of one item is no fault of theirs, nor makes it two items of them.
    """
    columns = map_columns(table.header, feed)
    rows = RowCheck(columns, len(table.header), {**campus_names(campuses), "time_zone": time_zone})
    return _verdicts(table, rows, columns.record, campus, registry, each_alone)


def describe(table: Table, feed: Feed, registry: Registry) -> dict[str, object]:
    """What a staged file records about how its verdicts came to be."""
    record = record_type_of(table.header, feed)
    return {
        "record_type": record.name,
        "contract_version": record.contract_version,
        "registry_version": registry.version,
        "reader": dict(table.facts),
        "left_out": [asdict(one) for one in table.left_out],
        "header": list(table.header),
    }


def _verdicts(
    table: Table, rows: "RowCheck", record: RecordType, campus: str, registry: Registry, each_alone: bool
) -> Iterator[AcceptedRow | RejectedRow]:
    tags = TagCheck(table, rows.tag, campus, registry, each_alone=each_alone) if rows.tag is not None else None
    repeats = Repeats(record, table.parts)
    # by key: the row that took it, or, of lines that may be alike, how many there were
    posted: dict[str, int] = {}
    source = iter(table.rows)
    while chunk := [rows.judge(row_no, cells) for row_no, cells in islice(source, _CHUNK_ROWS)]:
        if tags is not None:
            tags.check(chunk)
        for row in chunk:
            yield _verdict(row, {}, Repeats(record)) if each_alone else _verdict(row, posted, repeats)


def _verdict(row: JudgedRow, posted: dict[str, int], repeats: Repeats) -> AcceptedRow | RejectedRow:
    if row.key is None or not row.is_good():
        if (key := repeats.key_of_bad(row)) is not None:
            repeats.tell_bad(row, key, posted.get(key))
        return verdict_of(row, repeats, 0)
    if repeats.record.lines is not None:
        number = posted[row.key] = posted.get(row.key, 0) + 1
        return verdict_of(row, repeats, number)
    first = posted.setdefault(row.key, row.row_no)
    if first == row.row_no:
        repeats.tell_good(row)
    return verdict_of(row, repeats, first)


def verdict_of(row: JudgedRow, repeats: Repeats, taken: int) -> AcceptedRow | RejectedRow:
    """`taken` matters for a good row: the number of the row that took its key, or of lines that may be alike how many
    there are so far."""
    record = repeats.record
    if row.key is None or row.values is None or not row.is_good():
        return RejectedRow(row.row_no, tuple(row.problems), _sound(row, record))
    if record.lines is not None:
        key = row.key if taken == 1 else record.key_of(row.values, taken)
        return AcceptedRow(row.row_no, key, row.values, tuple(row.problems))
    first = taken
    if first == row.row_no:
        return AcceptedRow(row.row_no, row.key, row.values, tuple(row.problems))
    return RejectedRow(row.row_no, (*row.problems, repeats.repeated(row.key, first)), _sound(row, record))


def _sound(row: JudgedRow, record: RecordType) -> dict[str, str]:
    values = row.sound if row.values is None else row.values
    return {name: str(values[name]) for name in record.counted_columns if values.get(name) is not None}


def shown(cell: object) -> str | None:
    """A cell as a report shows it."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)[:_SHOWN_CHARACTERS]


@lru_cache(maxsize=1_000)  # pydantic takes longer to make one than it takes for a small file
def _parser_of(model: type[BaseModel], column: str) -> Callable[[Cell], Any]:
    """What reads a cell of a column as the contract does. Raises ValidationError."""
    return TypeAdapter(model.model_fields[column].rebuild_annotation()).validate_python


@dataclass(frozen=True, slots=True)
class TagColumn:
    """Where the tag stands and how it is read: a tag is looked up even when another cell spoils its row."""

    column: str
    position: int
    parse: Callable[[Cell], str]
    untagged: str | None

    @staticmethod
    def of(columns: ColumnMap) -> "TagColumn":
        column = str(columns.record.tag_column)
        parse = _parser_of(columns.record.row_model, column)
        return TagColumn(column, columns.positions[column], parse, columns.record.untagged)

    def sound(self, row: JudgedRow) -> str | None:
        if any(found.column == self.column and found.severity == "block" for found in row.problems):
            return None
        return self.parse(row.tag_cell)


class _SoundValues:
    """The key's and location's values of a row, as far as they are right."""

    def __init__(self, columns: ColumnMap) -> None:
        record = columns.record
        self._readers = {
            name: (columns.positions[name], _parser_of(record.row_model, name))
            for name in dict.fromkeys((*record.key_columns, *record.counted_columns))
            if name in columns.positions
        }

    def read(self, cells: list[Cell]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, (position, parse) in self._readers.items():
            with suppress(ValidationError):
                found[name] = parse(cells[position])
        return found


class RowCheck:
    """The checks that need nothing but the row."""

    def __init__(self, columns: ColumnMap, width: int, context: dict[str, object]) -> None:
        record = columns.record
        self._validate = record.row_model.model_validate
        self._key_of = record.key_of
        self._added = record.added
        self.tag = TagColumn.of(columns) if record.tag_column else None
        self._sound = _SoundValues(columns)
        self._positions = tuple(columns.positions.items())
        self._columns = {at: name for name, at in columns.positions.items()}
        self._may_be_empty = frozenset(
            name
            for name in set(record.columns).difference(record.required, () if record.lines else record.key_columns)
            if record.written.get(name) != "unit"  # it is needed wherever there is a quantity
        )
        fields = record.row_model.model_fields
        self._when_empty = {
            name: str(fields[name].default) for name in self._may_be_empty if fields[name].default is not None
        }
        self._unknown = columns.unknown
        self._width = width
        self._context = context

    def judge(self, row_no: int, cells: list[Cell]) -> JudgedRow:
        surplus = len(cells) - self._width
        if surplus > 0 and not all(_is_blank(cell) for cell in cells[self._width :]):
            return JudgedRow(row_no, None, problems=[self._too_many_cells(cells)])
        if surplus < 0:
            cells = cells + [None] * -surplus
        marked = not _MARKED.isdisjoint(map(type, cells))
        row = self._judge(row_no, [_plain(cell) for cell in cells] if marked else cells)
        if marked:
            self._tell_marked(row, cells)
        return row

    def _tell_marked(self, row: JudgedRow, cells: list[Cell]) -> None:
        """What conventions found out about single cells: it goes before what the contract says of them."""
        for at, cell in enumerate(cells):
            column = self._columns.get(at)
            if isinstance(cell, Unclear):
                row.problems = [found for found in row.problems if found.column not in (column, cell.covers or column)]
                row.problems.append(Problem(cell.rule, column, shown(cell.sent), cell.reason, cell.suggestion))
                if self.tag and column == self.tag.column:
                    row.tag = None
            elif isinstance(cell, Restored):
                row.problems.append(
                    Problem(cell.rule, column, cell.sent[:_SHOWN_CHARACTERS], cell.reason, None, "warn")
                )
                if row.values is not None:
                    kept = row.values.setdefault("other", {})
                    assert isinstance(kept, dict)
                    kept[sent_name(str(column))] = cell.sent

    def _judge(self, row_no: int, cells: list[Cell]) -> JudgedRow:
        row = JudgedRow(row_no, cells[self.tag.position] if self.tag else None)
        try:
            model = self._validate({name: cells[at] for name, at in self._positions}, context=self._context)
        except ValidationError as error:
            row.problems = [self.with_way_out(problem_of(one), cells) for one in error.errors(include_url=False)]
            row.tag = self.tag.sound(row) if self.tag else None
            row.sound = self._sound.read(cells)
        else:
            values = model.__dict__
            row.key = self._key_of(values)
            # a row that the former contract took as well stays as it was: an item does not change with a release
            row.values = {name: value for name, value in values.items() if value is not None or name not in self._added}
            row.tag = str(row.values[self.tag.column]) if self.tag else None
            if other := self._other(cells):
                row.values["other"] = other
        return row

    def with_way_out(self, found: Problem, cells: list[Cell]) -> Problem:
        """Beside the right value: no value where none is needed, and no row where there is no item."""
        if found.rule == MISSING_VALUE:
            if self.tag and found.column == self.tag.column and self.tag.untagged:
                found = replace(found, suggestion=f"Write its tag. {self.tag.untagged}")
            alone = sum(not _is_blank(cell) for cell in cells) == 1
            return _with_more(found, "or delete this row if it is no item") if alone else found
        if found.value and found.column in self._may_be_empty:
            if found.rule in _OF_A_PART and found.suggestion:  # the others in the cell may be right
                return found
            if found.column in self._when_empty:  # nobody should say so of what is not known
                return _with_more(found, f"An empty cell means {self._when_empty[found.column]}")
            return _with_more(found, IF_UNKNOWN)
        return found

    def _other(self, cells: list[Cell]) -> dict[str, str]:
        return {name: str(cells[at]) for at, name in self._unknown if not _is_blank(cells[at])}

    def _too_many_cells(self, cells: list[Cell]) -> Problem:
        return Problem(
            "too_many_cells",
            None,
            shown(next(cell for cell in cells[self._width :] if not _is_blank(cell))),
            f"The row has {_more(len(cells) - self._width)} than there are headings, so its values may stand in wrong "
            "columns.",
            "Look for a comma inside a cell that is not in quotation marks, or name the extra column",
        )


def _more(cells: int) -> str:
    return "1 cell more" if cells == 1 else f"{cells} cells more"


def _plain(cell: Cell) -> Plain:
    if isinstance(cell, Restored):
        return cell.value
    return cell.sent if isinstance(cell, Unclear) else cell


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def problem_of(found: ErrorDetails) -> Problem:
    context = found.get("ctx", {})
    # a whole row's problem (of a model's validator) comes without a place and with the row as its input
    place = found["loc"][0] if found["loc"] else context.get("column")
    cell = found["input"] if found["loc"] else context.get("value")
    column = None if place is None else str(place)
    return Problem(found["type"], column, shown(cell), found["msg"], context.get("suggestion"))


def _with_more(found: Problem, more: str) -> Problem:
    said = found.suggestion or ("Fill the cell" if found.rule == MISSING_VALUE else "Correct it")
    if said.endswith((".", "?", "!")):
        return replace(found, suggestion=f"{said} {more[0].upper()}{more[1:]}")
    return replace(found, suggestion=f"{said}{', ' if more[0].islower() else '. '}{more}")


class _FileTags:
    """The tags that a file holds, read when they are first needed. Of a file that is too long nothing is known."""

    def __init__(self, table: Table, tag: TagColumn) -> None:
        self._tags: set[str] = set()
        self.is_known = not _has_more_rows(table.rows, _MOST_ROWS_COMPARED)
        for _, cells in table.rows if self.is_known else ():
            with suppress(ValidationError, IndexError):
                self._tags.add(tag.parse(_plain(cells[tag.position])))
        self._as_digits = {one.translate(_AS_DIGITS) for one in self._tags}
        fronts = Counter(front[0] for one in self._tags if (front := _FRONT.match(one)))
        self.fronts = sorted(fronts, key=lambda one: (-fronts[one], one))[:_MOST_FRONTS]
        """What stands before the digits, the most frequent first."""

    def is_of_another(self, known: str, tag: str) -> bool:
        """Whether a row has this registered tag, or means it, other than by writing `tag`."""
        if known in self._tags:
            return True
        form, own = known.translate(_AS_DIGITS), tag.translate(_AS_DIGITS)
        rests = (form[at:] for at in range(max(1, len(form) - _SHORTEST_REST + 1)))
        return any(rest in self._as_digits and rest != own for rest in rests)


def _has_more_rows(rows: Iterable[Row], number: int) -> bool:
    batches = rows.unread() if isinstance(rows, ReadRows) else batches_of(rows)
    if batches is None:
        return next(islice(rows, number, None), None) is not None
    return any(through > number for through in accumulate(len(one.numbers) for one in batches))


class TagCheck:
    """Compares a chunk's tags with procurement's registry, in one question per chunk."""

    def __init__(
        self, table: Table, tag: TagColumn, campus: str, registry: Registry, *, each_alone: bool = False
    ) -> None:
        self._tag = tag
        self._campus = campus
        self._registry = registry
        self._table = replace(table, rows=()) if each_alone else table
        self._suggestions: dict[str, str | None] = {}
        self._unknown_reason = _unknown_reason(registry.updated_at)

    @cached_property
    def _in_file(self) -> _FileTags:
        return _FileTags(self._table, self._tag)

    def check(
        self, rows: list[JudgedRow], campuses: Callable[[Collection[str]], Mapping[str, str]] | None = None
    ) -> None:
        """`campuses` answers as the registry does, where that is not to be asked itself."""
        known = (campuses or self._registry.campuses)({row.tag for row in rows if row.tag is not None})
        for row in rows:
            if row.tag is None:
                row.problems = [self._cleaned(found) for found in row.problems]
                continue
            owner = known.get(row.tag)
            if owner is None:
                row.problems.append(self._unknown(row))
            elif self.is_elsewhere(owner):
                row.problems.append(self.elsewhere(owner, shown(row.tag_cell)))

    def is_elsewhere(self, owner: str) -> bool:
        return owner.casefold() != self._campus.casefold()

    def _cleaned(self, found: Problem) -> Problem:
        """Of a cell that is no tag the one that it may mean: only when it is registered and no other row's."""
        if found.rule != "bad_asset_tag" or found.column != self._tag.column:
            return found
        meant = found.suggestion
        if meant is not None and self._is_free(meant, meant) and self._registry.campuses({meant}):
            return found
        return replace(found, suggestion=f"{_ONE_TAG}. {self._tag.untagged}" if self._tag.untagged else _ONE_TAG)

    def _is_free(self, known: str, tag: str) -> bool:
        return self._in_file.is_known and not self._in_file.is_of_another(known, tag)

    def _unknown(self, row: JudgedRow) -> Problem:
        suggestion = self._suggest(row.tag or "")
        return Problem("tag_not_in_registry", self._tag.column, shown(row.tag_cell), self._unknown_reason, suggestion)

    def _suggest(self, tag: str) -> str | None:
        if self._registry.updated_at is None:
            return None
        if tag not in self._suggestions:
            if len(self._suggestions) >= _MOST_SUGGESTIONS:
                return _ASK_PROCUREMENT
            self._suggestions[tag] = self._undamaged(tag) or _asked(tag, self._meant(tag)) or _ASK_PROCUREMENT
        return self._suggestions[tag]

    def _undamaged(self, tag: str) -> str | None:
        """What to do about digits that Excel has probably made of a registered tag: 730000 of 73E04, 201 of 000201."""
        before = _before_excel(tag)
        if not before or not self._in_file.is_known:
            return None
        found = [known for known in self._registry.campuses(before) if self._is_free(known, tag)]
        if len(found) != 1:
            return None
        return (
            f"Excel has probably changed this tag: procurement has registered {found[0]}. Compare with the label on "
            f"the item; if it is {found[0]}, format the column as Text and type it again"
        )

    def _meant(self, tag: str) -> str | None:
        """The registered tag that a row may mean; None when it is another row's, or several are as likely."""
        if not self._in_file.is_known:
            return None
        completed = self._registry.campuses({front + tag for front in self._in_file.fronts})
        near = [(0, known) for known in completed] + self._registry.near(tag)
        slips: dict[str, int] = {}
        for number, known in near:
            is_alike = known.translate(_AS_DIGITS) == tag.translate(_AS_DIGITS)
            # of tags with two slips only some are looked at: another one may be as near
            if known not in slips and (number <= 1 or is_alike) and self._is_free(known, tag):
                slips[known] = 0 if is_alike else number
        closest = [known for known, number in slips.items() if number == min(slips.values())]
        return closest[0] if len(closest) == 1 else None

    def elsewhere(self, owner: str, tag: str | None) -> Problem:
        """`tag` as the report shows it."""
        return Problem(
            "tag_of_another_campus",
            self._tag.column,
            tag,
            f"Procurement registered this tag for the campus {owner}, and this file came from {self._campus}.",
            "Check whether the item was moved or the tag mistyped",
            "warn",
        )


def _before_excel(tag: str) -> set[str]:
    """The tags that Excel shows as these digits when it takes them for a number; none where it never shows such."""
    if not _PLAIN_NUMBER.fullmatch(tag):
        return set()
    padded = {tag.zfill(width) for width in range(len(tag) + 1, _MOST_DIGITS + 1)}
    zeros = len(tag) - len(tag.rstrip("0"))
    powers = [(tag[: len(tag) - power], power) for power in range(1, zeros + 1)]
    return padded | {f"{front}E{power:0{width}}" for front, power in powers for width in (1, 2, 3)}


def _asked(tag: str, known: str | None) -> str | None:
    """A question, not an order: what is near may be another item's tag."""
    if known is None:
        return None
    meant = _explained(tag, known)
    return (
        f"Did you mean {meant}? Compare with the label on the item; if {tag} is right, ask procurement to register it"
    )


def _explained(tag: str, known: str | None) -> str | None:
    """The tag that is meant; when it looks the same at a glance, with the letter that was typed for a digit."""
    if known is None or len(known) != len(tag):
        return known
    swaps = {(wrote, right) for wrote, right in zip(tag, known, strict=True) if wrote != right}
    hints = [_LOOKS_LIKE[swap] for swap in swaps if swap in _LOOKS_LIKE]
    return f"{known} (with {hints[0]})" if len(swaps) == 1 and hints else known


def _unknown_reason(updated_at: datetime.datetime | None) -> str:
    if updated_at is None:
        return "There is no procurement list yet, so this tag cannot be checked."
    as_of = f"{updated_at:%Y-%m-%d %H:%M} {updated_at.tzname() or ''}".rstrip()
    return f"This tag is not in the list of tags that procurement has registered (list of {as_of})."
