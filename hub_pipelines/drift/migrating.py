"""A migration at work: its file read and checked, and a table as its steps make it.

Belongs here: what each step does to a header and to a row. Not here: who may decide about a migration (service).
A row stays one row and keeps its number, so that a problem still names the sender's row.
"""

import datetime
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from hub_pipelines.drift.model import EVERY_SOURCE, BadMigration, Change, Convert, Default, Gained, Rename, Split, Steps
from hub_pipelines.validate.columns import located_columns, map_columns, normalise_header
from hub_pipelines.validate.feeds.types import campus_names, is_blank, text_of
from hub_pipelines.validate.model import (
    AcceptedRow,
    Cell,
    Feed,
    Problem,
    RecordType,
    Row,
    Table,
    Unreadable,
    Verdict,
)

_Change = Callable[[list[Cell]], None]

_DATE_PARTS = {"YYYY": "%Y", "MMM": "%b", "MM": "%m", "DD": "%d"}
_DATE_PART = re.compile("YYYY|MMM|MM|DD")
_KINDS = {"date": ("date",), "number": ("decimal", "integer")}


@dataclass(frozen=True, slots=True)
class Plan:
    """A migration made ready for one header. `origins` tells of a contract's column the sender's heading."""

    header: tuple[str, ...]
    origins: Mapping[str, str]
    _width: int
    _changes: tuple[_Change, ...]

    @property
    def change(self) -> Change:
        """The sender's headings that are taken for a column which they don't name by themselves."""
        return Change(gained=tuple(Gained(heading, column) for column, heading in self.origins.items()))

    def table(self, table: Table) -> Table:
        """The table as the contract is to see it; its rows are changed as they are read."""
        return replace(table, header=list(self.header), rows=_Planned(table.rows, self._width, self._changes))


_IN_YOUR_FILE = re.compile(r' \(In your file this is ".*"\.\)$', re.S)


def named_as_sent(verdicts: Iterator[Verdict], origins: Mapping[str, str]) -> Iterator[Verdict]:
    """The verdicts, with the sender's heading beside the name of each column that `origins` tells of."""
    for verdict in verdicts:
        if isinstance(verdict, AcceptedRow):
            yield replace(verdict, findings=_named(verdict.findings, origins)) if verdict.findings else verdict
        else:
            yield replace(verdict, problems=_named(verdict.problems, origins))


def _named(problems: tuple[Problem, ...], origins: Mapping[str, str]) -> tuple[Problem, ...]:
    return tuple(_one_named(found, origins.get(found.column or "")) for found in problems)


def _one_named(found: Problem, heading: str | None) -> Problem:
    if heading is None or heading == found.column:
        return found
    return replace(found, reason=f'{found.reason} (In your file this is "{heading}".)')


def without_heading(reason: str) -> str:
    """A reason as it was before `named_as_sent`, for where the column's own place or heading is told beside it."""
    return _IN_YOUR_FILE.sub("", reason)


@dataclass(frozen=True, slots=True)
class _Planned:
    """Rows as the steps make them, each time they are read."""

    rows: Iterable[Row]
    width: int
    changes: tuple[_Change, ...]

    def __iter__(self) -> Iterator[Row]:
        for row_no, cells in self.rows:
            inside, surplus = cells[: self.width], cells[self.width :]
            inside += [None] * (self.width - len(inside))
            for change in self.changes:
                change(inside)
            yield row_no, inside + surplus


def plan(steps: Steps, header: Sequence[str], feed: Feed, sent: Sequence[str] | None = None) -> Plan:
    """The steps for a table of this header. Raises BadMigration when they don't fit it, or don't make it do.

    `sent` is the header as it was sent, by which steps may name a column too, where `header` is what its headings
    were recognised as.
    """
    record = feed.record_type(steps.record_type)
    made = plan_of_steps(steps, header, record, sent)
    try:
        found = map_columns(made.header, feed).record
    except Unreadable as error:
        raise BadMigration(f"After its steps the columns still don't do: {error}") from error
    if found.name != record.name:
        raise BadMigration(f"After its steps the columns are those of a {found.title}, not of a {record.title}.")
    return made


def plan_of_steps(steps: Steps, header: Sequence[str], record: RecordType, sent: Sequence[str] | None = None) -> Plan:
    """The steps for a header that may need more than them. Raises BadMigration when they don't fit it."""
    making = _Making(record, list(header), header if sent is None else sent)
    for number, step in enumerate(steps.steps, start=1):
        try:
            making.add(step)
        except (BadMigration, Unreadable) as error:
            raise BadMigration(f"Step {number} ({step.do} {step.column}): {error}") from error
    return Plan(tuple(making.header), making.origins, len(header), tuple(making.changes))


class _Making:
    """A plan under way: the header so far and what happens to each row. New columns stand behind the others."""

    def __init__(self, record: RecordType, header: list[str], sent: Sequence[str]) -> None:
        self.header = header
        self._sent = sent
        self.origins: dict[str, str] = {}
        self.changes: list[_Change] = []
        self._record = record

    def add(self, step: Rename | Split | Convert | Default) -> None:
        match step:
            case Rename():
                self._rename(step)
            case Split():
                self._split(step)
            case Convert():
                self._convert(step)
            case Default():
                self._default(step)

    def _rename(self, step: Rename) -> None:
        at = self._place(step.column)
        column = self._column(step.to)
        self._comes_from(column, at)
        self.header[at] = column

    def _split(self, step: Split) -> None:
        at = self._place(step.column)
        names = [self._record.aliases.get(normalise_header(name), name) for name in step.into]
        if not any(name in self._record.columns for name in names):
            raise BadMigration(f"none of {', '.join(step.into)} is a column of {self._record.name}.")
        for name in names:
            self._comes_from(name, at)
        self.header[at] = names[0]
        self.header += names[1:]
        self.changes.append(_split(at, step.separator, len(names)))

    def _convert(self, step: Convert) -> None:
        column = self._column(step.column)
        at = self._place(step.column)
        kind = self._record.shapes[column].kind
        if step.to in _KINDS and kind not in _KINDS[step.to]:
            raise BadMigration(f"{column} takes no {step.to}; the contract has it as {kind}.")
        if step.to == "words":
            for word in (step.words or {}).values():
                self._takes(column, word)
        convert = _conversion(step)

        def change(cells: list[Cell]) -> None:
            cells[at] = convert(cells[at])

        self.changes.append(change)

    def _default(self, step: Default) -> None:
        column = self._column(step.column)
        if column in self._record.key_columns:
            raise BadMigration(f"{column} tells one item from another, so it can't be the same in every row.")
        self._takes(column, step.value)
        at = located_columns(self.header, self._record).positions.get(column)
        if at is None:
            at = len(self.header)
            self.header.append(column)
            self.changes.append(lambda cells: cells.append(step.value))
            return
        place = at

        def change(cells: list[Cell]) -> None:
            if is_blank(cells[place]):
                cells[place] = step.value

        self.changes.append(change)

    def _place(self, name: str) -> int:
        """Where a column is that is named by a heading, or by the contract."""
        form = normalise_header(name)
        column = self._record.aliases.get(form)
        if column is not None:
            at = located_columns(self.header, self._record).positions.get(column)
            if at is not None:
                return at
        for header in (self.header, self._sent):
            for at, heading in enumerate(header):
                if normalise_header(heading) == form:
                    return at
        known = ", ".join(f'"{heading}"' for heading in self.header if heading.strip())
        raise BadMigration(f'there is no column "{name}". There are: {known}.')

    def _column(self, name: str) -> str:
        column = self._record.aliases.get(normalise_header(name))
        if column is None:
            raise BadMigration(
                f"{self._record.name} has no column {name!r}. It has: {', '.join(self._record.columns)}."
            )
        return column

    def _takes(self, column: str, value: str) -> None:
        """Raises BadMigration when the contract would not take the value in this column."""
        if column == "campus":  # which campuses there are is not the contract's to say
            return
        annotation = self._record.row_model.model_fields[column].rebuild_annotation()
        try:
            TypeAdapter(annotation).validate_python(value, context={**campus_names(()), "time_zone": None})
        except ValidationError as error:
            raise BadMigration(
                f"{column} does not take {value!r}: {error.errors(include_url=False)[0]['msg']}"
            ) from None

    def _comes_from(self, column: str, at: int) -> None:
        heading = self._sent[at] if at < len(self._sent) else self.header[at]
        self.origins[column] = self.origins.get(self.header[at], heading.strip())


def _split(at: int, separator: str, parts: int) -> _Change:
    blank = not separator.strip()

    def change(cells: list[Cell]) -> None:
        cell = cells[at]
        found: list[Cell] = []
        if isinstance(cell, str):
            pieces = cell.split(None if blank else separator, parts - 1)
            found = [piece.strip() or None for piece in pieces]
        elif cell is not None:
            found = [cell]
        found += [None] * (parts - len(found))
        cells[at] = found[0]
        cells += found[1:]

    return change


def _conversion(step: Convert) -> Callable[[Cell], Cell]:
    if step.to == "date":
        return _date(str(step.written))
    if step.to == "number":
        return _number(str(step.decimal))
    forms = {_form(wrote): means for wrote, means in (step.words or {}).items()}
    return lambda cell: cell if is_blank(cell) else forms.get(_form(cell), cell)


def _form(cell: object) -> str:
    return text_of(cell).casefold()


def _date(written: str) -> Callable[[Cell], Cell]:
    parts = _DATE_PART.findall(written)
    rest = _DATE_PART.sub("", written)
    if sorted(part[0] for part in parts) != ["D", "M", "Y"] or any(sign not in " ./-," for sign in rest):
        raise BadMigration(f'{written!r} tells no day. Write it like "DD/MM/YYYY", "DD.MM.YYYY" or "DD MMM YYYY".')
    pattern = _DATE_PART.sub(lambda part: _DATE_PARTS[part[0]], written)

    @lru_cache(maxsize=10_000)  # the same days come again and again, and reading one takes longer than all else
    def day(text: str) -> str:
        try:
            return datetime.datetime.strptime(text.strip(), pattern).date().isoformat()
        except ValueError:
            return text

    return lambda cell: day(cell) if isinstance(cell, str) else cell


def _number(decimal: str) -> Callable[[Cell], Cell]:
    between = rf"[{re.escape('.' if decimal == ',' else ',')} \u00a0\u202f]"
    pattern = re.compile(rf"[+-]?(?:\d{{1,3}}(?:{between}\d{{3}})+|\d+)(?:{re.escape(decimal)}\d+)?", re.A)

    def convert(cell: Cell) -> Cell:
        if not isinstance(cell, str) or not pattern.fullmatch(cell.strip()):
            return cell
        return re.sub(between, "", cell.strip()).replace(decimal, ".")

    return convert


# ---- a migration's file


def read_steps(text: str) -> Steps:
    """The migration that a TOML file holds. Raises BadMigration."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMigration(f"The file is no TOML: {error}.") from error
    head = document.pop("migration", None)
    steps = document.pop("step", None)
    if document or not isinstance(head, dict) or not isinstance(steps, list):
        raise BadMigration("A migration's file has one table [migration] and one [[step]] for each step, nothing else.")
    try:
        return Steps.model_validate({**head, "steps": steps})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = first["msg"].removeprefix("Value error, ")
        if first["type"].startswith("union_tag"):
            what = "do must be one of: rename, split, convert, default"
        raise BadMigration(f"{_where(first['loc'])}: {what}.") from None


def _where(place: tuple[int | str, ...]) -> str:
    if place and place[0] == "steps":
        number = place[1] if len(place) > 1 else 0
        names = [str(name) for name in place[3:]]
        return f"Step {int(number) + 1}" + (f", {'.'.join(names)}" if names else "")
    return "[migration]" + "".join(f" {name}" for name in place)


def draft(campus: str, feed: str, record_type: str, source: str, fingerprint: str, change: Change) -> str:
    """A migration's file to begin with: what looks alike is renamed, the rest is left to its author."""
    lines = [
        "[migration]",
        f"campus = {_toml(campus)}",
        f"feed = {_toml(feed)}",
        f"record_type = {_toml(record_type)}",
        f'source = {_toml(source)}  # or "{EVERY_SOURCE}": every file of this campus and feed with these columns',
        f"from = {_toml(fingerprint)}",
        'note = ""',
    ]
    for lost in change.lost:
        if lost.looks_like:
            lines += [
                "",
                "[[step]]",
                'do = "rename"',
                f"column = {_toml(lost.looks_like)}",
                f"to = {_toml(lost.column)}",
            ]
        else:
            lines += [
                "",
                f"# {lost.column} is missing: rename or split another column, or give a default",
                "# [[step]]",
            ]
            lines += ['# do = "default"', f"# column = {_toml(lost.column)}", '# value = ""']
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """A basic string; what may not stand in one is written as its number."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped) + '"'
