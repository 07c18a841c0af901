"""What a person should look at when a row takes the place of what the ledger held. Pure.

Belongs here: amounts that jumped or changed their unit, lines that two lists share (decisions/0053), values that stay
since the file has no column for them, days that lie ahead or are too long ago, things that the ledger has at another
place too, rows that are alike, and what the record type itself tells of a change.
Not here: what the ledger held (store.py), a line that another one has replaced (replacing.py). Nothing keeps a row out.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from hub_pipelines.common.columns import listed
from hub_pipelines.intake.service import plain_name
from hub_pipelines.ledger.comparing.days import says_later
from hub_pipelines.ledger.comparing.keeping import completed, says
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.model import Comparing, Earlier
from hub_pipelines.ledger.comparing.unread import Unread
from hub_pipelines.ledger.entries.model import SetBy
from hub_pipelines.validate.conventions.deciding import column_of_kind
from hub_pipelines.validate.conventions.units import worth
from hub_pipelines.validate.model import Clock, Lacking, Limit, Part, Problem, RecordType, row_place

if TYPE_CHECKING:
    import pyarrow

_JUMP = 100
"""So many times as much, or as little, is remarked."""
_ROUNDING = Decimal("0.01")
"""A part of an amount: 3.785 L for a gallon is the same."""
_ROWS_NAMED = 10
_PLACES_NAMED = 3
MOST_NEW_LINES = 2_000
"""Of so many new lines of a file it is looked where else the same things are listed."""
MOST_TWINS = 2_000
"""So many rows that are the same line as another one are compared with it."""

WORTH_A_LOOK = frozenset({
    "unit_changed", "quantity_jumped", "line_of_another_list", "listed_elsewhere", "earlier_line_kept",
    "earlier_lines_unknown", "no_accumulation_start", "more_taken_than_known", "award_shortened", "award_deobligated",
    "day_ahead", "contents_changed", "registration_expires", "registration_expired", "registration_excluded",
    "too_long_on_site", "transaction_moved", "transaction_changed",
})  # fmt: skip
"""Rules of remarks for which a posting's receipt does not say that all is done."""

_OF_THE_SAME_LIST = re.compile(
    r"\b(?:partial|part|update|full|complete|count(?:ed)?|recount|stock ?take|inventur|teil(?:liste)?)\b"
)
"""Words in a file's name that say what was done to a list, not which one it is."""


def comparing_of(
    record: RecordType,
    source_name: str,
    family: frozenset[str] = frozenset(),
    parts: Sequence[Part] = (),
    said: frozenset[str] | None = None,
    *,
    came_on: date | None = None,
    is_count: bool = False,
    is_preview: bool = False,
) -> Comparing:
    """How rows of a file of this name are compared. `said` are the columns that it has (keeping.columns_said); None
    where each row says all about its item."""
    return Comparing(
        source_name=source_name,
        family=family,
        quantity=column_of_kind(record, "quantity"),
        unit=column_of_kind(record, "unit"),
        location=record.location_column if record.lines is not None else None,
        parts=tuple(parts),
        said=said,
        lines=record.lines,
        is_gone=record.is_gone,
        news=record.news,
        lacking=record.lacking,
        clock=record.clock,
        gone_by=record.gone_by,
        came_on=came_on,
        days_unsaid=_days_unsaid(record, said),
        is_count=is_count,
        is_preview=is_preview,
    )


def _days_unsaid(record: RecordType, said: frozenset[str] | None) -> frozenset[str]:
    if said is None:
        return frozenset()
    days = (name for name, kind in record.written.items() if kind in ("date", "expiry"))
    return frozenset(name for name in days if not says(name, said))


@dataclass(slots=True)
class _Shared:
    """Rows whose lines another list had set; `placeless` where neither says where they are."""

    source_name: str
    ledger_date: date
    placeless: bool
    rows: list[int] = field(default_factory=list)
    changed: int = 0


@dataclass(slots=True)
class Remarks:
    """Takes a file's accepted rows with what the ledger held of them before."""

    comparing: Comparing
    new: dict[str, int] = field(default_factory=dict)
    """The rows of new lines by their keys, and one more than are looked at."""
    twins: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By the key of the first of lines alike in what, lot and place: the others, each with a hash of all it says."""
    _shared: dict[tuple[str, bool], _Shared] = field(default_factory=dict)
    _kept: Counter[str] = field(default_factory=Counter)
    """By column, where the file has none: how many items keep their value in it."""
    _kept_from: dict[str, str] = field(default_factory=dict)
    _spared: dict[tuple[str, bool], _Shared] = field(default_factory=dict)
    """By the name of the file that has set them since, and whether it has closed them: rows of a returned workbook that
    nobody has changed."""
    _lacking: list[int] = field(default_factory=list)
    """Rows that leave out what is needed to reckon something."""
    _ahead: dict[str, list[int]] = field(default_factory=dict)
    """By column of days that have been: rows with a later one than that on which the file came."""
    _over: dict[Limit, list[tuple[str, int]]] = field(default_factory=dict)
    """Rows with their days, of which more days have gone than may."""
    _alike: list[list[int]] = field(default_factory=list)
    _unread: Unread = field(init=False)

    def __post_init__(self) -> None:
        self._unread = Unread(self.comparing.days_unsaid)

    def is_wanted(self, values: str, *, changed: bool) -> bool:
        """Whether a known item's row is to be compared; `changed` where the ledger holds other values."""
        if not self.compares:
            return False
        # a column without a value is null in every row: most need not be parsed for that
        location = self.comparing.location
        return changed or (location is not None and f'"{location}":null' in values)

    @property
    def compares(self) -> bool:
        """Whether anything is to be said of rows and what their items were."""
        c = self.comparing
        return c.quantity is not None or c.location is not None or c.said is not None or c.news is not None

    def add(self, row_no: int, values: str, earlier: Earlier) -> list[Problem]:
        """What is to be said of this row by itself."""
        changed = values != earlier.values
        after: dict[str, object] = orjson.loads(values)
        placeless = self.comparing.is_placeless(after)
        if (changed or placeless) and self._is_of_another_list(earlier):
            self._share(row_no, earlier, placeless=placeless, changed=changed)
        if not changed:
            return []
        before: dict[str, object] = orjson.loads(earlier.values)
        found = self._amount(before, after, earlier)
        news = self.comparing.news(before, after) if self.comparing.news is not None else ()
        return [*([found] if found else []), *news]

    def completed(self, values: str, earlier: Earlier) -> str:
        """What the ledger is to hold of a known item, whose values in columns that the file does not have stay."""
        made, kept = completed(values, earlier.values, self.comparing.said)
        self._kept.update(kept)
        self._kept_from.update(dict.fromkeys(kept, plain_name(earlier.source_name)))
        return made

    def add_posted(self, rows: Iterable[tuple[int, str]]) -> None:
        """Rows, by number and values, that are new or say something new, as the ledger is to hold them."""
        if self.comparing.lacking is None and self._clock is None and not self._days_gone_by:
            rows = islice(rows, self._unread.wants)
        self._add_some(self._unread.of(rows))

    def _add_some(self, rows: Iterable[tuple[int, str]]) -> None:
        lacking, clock, days = self.comparing.lacking, self._clock, self._days_gone_by
        blank = f'"{lacking.column}":null' if lacking else ""
        today = self._came_on
        for row_no, values in rows:
            if lacking is not None and blank in values and lacking.matters(json.loads(values)):
                self._lacking.append(row_no)
            for column, beginning in days:
                # most rows need not be parsed for that
                at = values.find(beginning)
                if at >= 0 and values[at + len(beginning) : at + len(beginning) + 10] > today:
                    self._ahead.setdefault(column, []).append(row_no)
            if clock is not None:
                self._count_days(clock, row_no, values)

    def _count_days(self, clock: Clock, row_no: int, values: str) -> None:
        beginning = _beginning(clock.column)
        at = values.find(beginning)
        if at < 0 or (day := values[at + len(beginning) : at + len(beginning) + 10]) >= self._before(clock.least):
            return
        limit = clock.limit_of(json.loads(values))
        if limit is not None and day < self._before(limit.days):
            self._over.setdefault(limit, []).append((day, row_no))

    def add_posted_columns(self, row_nos: "pyarrow.Array", values: "pyarrow.Array") -> None:
        """The same of rows in columns: only those are looked at one by one of which something may be to be said."""
        import numpy
        from pyarrow import compute

        lacking, clock, days = self.comparing.lacking, self._clock, self._days_gone_by
        self._unread.add(values)
        if lacking is None and clock is None and not days:
            return
        wanted = numpy.zeros(len(values), bool)
        if lacking is not None:
            blank = compute.match_substring(values, f'"{lacking.column}":null')
            wanted |= blank.to_numpy(zero_copy_only=False)
        for _, beginning in days:
            wanted |= says_later(values, beginning, self._came_on)
        if clock is not None:
            beginning = _beginning(clock.column)
            told = compute.match_substring(values, beginning).to_numpy(zero_copy_only=False)
            wanted |= told & ~says_later(values, beginning, self._before(clock.least))
        rows = (listed(one.filter(wanted)) for one in (row_nos, values))
        self._add_some(zip(*rows, strict=True))

    @property
    def _days_gone_by(self) -> list[tuple[str, str]]:
        """Each column with what stands before its day in an item's values."""
        return [(column, _beginning(column)) for column in self.comparing.gone_by] if self._came_on else []

    @property
    def _clock(self) -> Clock | None:
        return self.comparing.clock if self._came_on else None

    def _before(self, days: int) -> str:
        """A day so many before that on which the file came."""
        came_on = self.comparing.came_on
        return (came_on - timedelta(days=days)).isoformat() if came_on else ""

    @property
    def _came_on(self) -> str:
        return self.comparing.came_on.isoformat() if self.comparing.came_on else ""

    def add_spared(self, rows: Iterable[tuple[int, SetBy, bool]]) -> None:
        """Rows that are not applied since nobody has changed them, each with what has set its item since, and whether
        it has closed it."""
        for row_no, by, is_closed in rows:
            name = plain_name(by.source_name)
            one = self._spared.setdefault((name, is_closed), _Shared(name, by.ledger_date, placeless=False))
            one.ledger_date = max(one.ledger_date, by.ledger_date)
            one.rows.append(row_no)

    def add_new(self, lines: Iterable[tuple[int, str]]) -> None:
        """Rows, by number and key, of items that the ledger did not have."""
        if self.comparing.lines is None:
            return
        for row_no, key in lines:
            if len(self.new) > MOST_NEW_LINES:
                return
            self.new[key] = row_no

    def _is_of_another_list(self, earlier: Earlier) -> bool:
        c = self.comparing
        if c.location is None or c.is_count or earlier.request_id in c.family:
            return False
        return not _is_same_list(earlier.source_name, c.source_name)

    def _share(self, row_no: int, earlier: Earlier, *, placeless: bool, changed: bool) -> None:
        name = (list_key(earlier.source_name), placeless)
        shared = self._shared.setdefault(name, _Shared(plain_name(earlier.source_name), earlier.ledger_date, placeless))
        if earlier.ledger_date >= shared.ledger_date:
            shared.source_name, shared.ledger_date = plain_name(earlier.source_name), earlier.ledger_date
        shared.rows.append(row_no)
        shared.changed += changed

    def of_lists(self) -> list[Problem]:
        """One for each other list that had set lines of this file, and for each column that it lacks."""
        alike = [self._told_alike()] if self._alike else []
        lacking = [self._told_lacking(self.comparing.lacking)] if self.comparing.lacking and self._lacking else []
        ahead = [self._told_ahead(column, rows) for column, rows in self._ahead.items()]
        shared, kept = map(self._told, self._shared.values()), map(self._told_kept, self._kept)
        spared = (self._told_spared(one, is_closed) for (_, is_closed), one in self._spared.items())
        over = (
            [self._told_over(self.comparing.clock, *one) for one in self._over.items()] if self.comparing.clock else []
        )
        return [*lacking, *over, *ahead, *shared, *spared, *kept, *alike, *self._unread.told()]

    def _told_spared(self, one: _Shared, is_closed: bool) -> Problem:
        stay = "would stay" if self.comparing.is_preview else "stay" if len(one.rows) > 1 else "stays"
        them, these = ("them", "these rows") if len(one.rows) > 1 else ("it", "this row")
        by, day = one.source_name, f"{one.ledger_date:%Y-%m-%d}"
        how = f"out of the ledger, where {by} has given {them} up" if is_closed else f"as {by} has set {them}"
        reason = (
            f"{self._rows(one.rows)} {stay} {how} on {day}, after the list was sent of which this workbook was made: "
            f"you have not changed {them} here."
        )
        fix = f"If {by} is right, nothing is to do. Otherwise send {these} in a file of its own, CSV for example"
        return Problem("set_since", None, None, reason, fix, "warn")

    def _told_lacking(self, one: Lacking) -> Problem:
        rows = self._rows(self._lacking)
        has = "has" if len(self._lacking) == 1 else "have"
        reason = f"{rows} {has} no {one.called}: {one.reason}"
        return Problem(one.rule, one.column, None, reason, one.suggestion, "warn")

    def _told_over(self, clock: Clock, limit: Limit, rows: Sequence[tuple[str, int]]) -> Problem:
        has = "has" if len(rows) == 1 else "have"
        since = f"since {min(rows)[0]}" + (" and later" if len({day for day, _ in rows}) > 1 else "")
        day = f"{self.comparing.came_on:%Y-%m-%d}"
        reason = (
            f"{self._rows([row_no for _, row_no in rows])} {has} {clock.reason} for more than {limit.days} days when "
            f"the file came ({day}), {since}: {limit.told}."
        )
        return Problem(clock.rule, clock.column, None, reason, clock.suggestion, "warn")

    def _told_ahead(self, column: str, rows: Sequence[int]) -> Problem:
        has = "has" if len(rows) == 1 else "have"
        day = f"{self.comparing.came_on:%Y-%m-%d}"
        reason = f"{self._rows(rows)} {has} a day in {column} that is after the day on which the file came ({day})."
        fix = "Compare the day and the month, correct them and send the list again"
        return Problem("day_ahead", column, None, reason, fix, "warn")

    def _told(self, one: _Shared) -> Problem:
        would = self.comparing.is_preview
        rows, had = self._rows(one.rows), f"{one.source_name} had set on {one.ledger_date:%Y-%m-%d}"
        if not one.placeless:
            return Problem(
                "line_of_another_list",
                None,
                None,
                f"{rows} {'would replace' if would else 'replaced'} what {had}.",
                f"If {one.source_name} is an older copy of this list, nothing is to do. Otherwise decide which of the "
                "two lists is right about these items, and take them out of the other one",
                "warn",
            )
        now = "The ledger would then say what this file says" if would else "The ledger says now what this file says"
        if not one.changed:
            now = "All of them say the same in both"
        return Problem(
            "line_of_another_list",
            self.comparing.location,
            None,
            f"{rows} {'is the same line' if len(one.rows) == 1 else 'are the same lines'} as what {had}: neither list "
            f"says where the items are, so the hub can't tell them apart. {now}.",
            f"If {one.source_name} is an older copy of this list, nothing is to do. If the items are others, write "
            "where they are in both lists (a column such as Location) and send both again: then they stay apart",
            "warn",
        )

    def _rows(self, rows: Sequence[int]) -> str:
        places = [row_place(row_no, self.comparing.parts) for row_no in rows[:_ROWS_NAMED]]
        if len(rows) == 1:
            return f"Row {places[0]}"
        if len(rows) > _ROWS_NAMED:
            return f"{len(rows):,} rows ({', '.join(places)} and more)"
        return f"Rows {', '.join(places[:-1])} and {places[-1]}"

    # ---- rows that are alike

    def add_twins(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Of accepted rows (number, key, values) those that are the same line as one before them are kept in mind."""
        lines = self.comparing.lines
        if lines is None:
            return
        for row_no, key, values in rows:
            if "| no " in key and lines.number_in(key) > 1 and len(self.twins) < MOST_TWINS:
                self.twins.setdefault(lines.key_of(json.loads(values)), []).append((row_no, hash(values)))

    def add_first(self, row_no: int, key: str, values: int) -> None:
        """A row that may be the first of some that are alike; once for each of `twins`. `values` is their hash."""
        by_values: dict[int, list[int]] = defaultdict(list)
        for other, said in ((row_no, values), *self.twins.get(key, ())):
            by_values[said].append(other)
        self._alike += (rows for rows in by_values.values() if len(rows) > 1)

    def _told_alike(self) -> Problem:
        told = [self._rows(rows).lower() for rows in self._alike[:_ROWS_NAMED]]
        more = f" and {len(self._alike) - _ROWS_NAMED:,} more" if len(self._alike) > _ROWS_NAMED else ""
        counted = "would be" if self.comparing.is_preview else "was"
        return Problem(
            "rows_alike",
            None,
            None,
            f"Rows are alike in every cell: {'; '.join(told)}{more}. Each {counted} taken as an item of its own.",
            "If they are one item, write 0 for the quantity of all but one of them",
            "warn",
        )

    # ---- columns that the file does not have

    def _told_kept(self, column: str) -> Problem:
        number, would = self._kept[column], self.comparing.is_preview
        keep = "would keep" if would else "keep" if number > 1 else "keeps"
        items = f"{number:,} items {keep} the values" if number > 1 else f"1 item {keep} the value"
        called = column.replace("_", " ")
        return Problem(
            "column_kept",
            column,
            None,
            f"This list has no column {called}: {items} from {self._kept_from[column]}.",
            f"Nothing is to do. To remove them, add the column {called} with empty cells and send the list again",
            "warn",
        )

    # ---- the same thing at another place

    def things(self) -> set[str]:
        """What is to be looked for at other places: none where too many lines are new."""
        if self.comparing.lines is None or len(self.new) > MOST_NEW_LINES:
            return set()
        return set(map(self.comparing.lines.thing_in, self.new))

    def elsewhere(self, listed: Mapping[str, Earlier]) -> list[tuple[int, Problem]]:
        """What is to be said of new lines, of which `listed` are those of the same things that this file does not
        list: by the row's number, 0 of the whole file."""
        if self.comparing.lines is None:
            return []
        thing_in = self.comparing.lines.thing_in
        if len(self.new) > MOST_NEW_LINES:
            return [(0, _not_looked_elsewhere())]
        places: dict[str, list[Earlier]] = defaultdict(list)
        for key, one in listed.items():
            values: dict[str, object] = json.loads(one.values)
            if self.comparing.is_gone is None or not self.comparing.is_gone(values):
                places[thing_in(key)].append(one)
        own, others = [], {}
        for key, row_no in self.new.items():
            found = places.get(thing_in(key), [])
            if mine := [one for one in found if _is_same_list(one.source_name, self.comparing.source_name)]:
                own.append((row_no, self._listed_elsewhere(mine)))
            elif found:
                others[row_no] = found
        return [*own, *([(0, self._listed_by_others(others))] if others else [])]

    def _listed_elsewhere(self, found: Sequence[Earlier]) -> Problem:
        would = "would then have" if self.comparing.is_preview else "has"
        return Problem(
            "listed_elsewhere",
            self.comparing.location,
            None,
            f"The same thing is also listed at {self._places(found)}. The ledger {would} it at both places.",
            "If it was moved, list it at its old place once more with the quantity 0. If both are there, nothing is to "
            "do",
            "warn",
        )

    def _listed_by_others(self, rows: Mapping[int, Sequence[Earlier]]) -> Problem:
        told = [
            f"row {row_place(row_no, self.comparing.parts)} at {self._places(found)}"
            for row_no, found in list(rows.items())[:_ROWS_NAMED]
        ]
        more = f" and {len(rows) - _ROWS_NAMED:,} more" if len(rows) > _ROWS_NAMED else ""
        new = "1 new line is" if len(rows) == 1 else f"{len(rows):,} new lines are"
        return Problem(
            "listed_by_others",
            None,
            None,
            f"{new} also in other lists, at other places: {'; '.join(told)}{more}.",
            None,
            "warn",
        )

    def _places(self, found: Sequence[Earlier]) -> str:
        told = []
        for one in found[:_PLACES_NAMED]:
            place = json.loads(one.values).get(self.comparing.location) if self.comparing.location else None
            told.append(f"{place or 'no place'} ({plain_name(one.source_name)}, {one.ledger_date:%Y-%m-%d})")
        more = [f"{len(found) - _PLACES_NAMED:,} more places"] if len(found) > _PLACES_NAMED else []
        return " and ".join([", ".join(told), *more])

    # ---- amounts

    def _amount(self, before: Mapping[str, object], after: Mapping[str, object], earlier: Earlier) -> Problem | None:
        column, unit = self.comparing.quantity, self.comparing.unit
        if column is None or all(before.get(one) == after.get(one) for one in (column, unit) if one):
            return None
        was, now = _Amount.of(before, column, unit), _Amount.of(after, column, unit)
        what = _difference(was, now)
        if what is None:
            return None
        rule, told = what
        told_day = f"({plain_name(earlier.source_name)}, {earlier.ledger_date:%Y-%m-%d})"
        reason = f"It was {was} {told_day}, and now is {now}: {told}. The row was taken as it is."
        if self.comparing.is_preview:
            reason = f"It is {was} {told_day}, and would be {now}: {told}. The row would be taken as it is."
        return Problem(
            rule,
            unit if rule == "unit_changed" else column,
            str(now),
            reason,
            "If this is a slip, correct the row and send it again",
            "warn",
        )


@dataclass(frozen=True, slots=True)
class _Amount:
    number: Decimal | None
    unit: str | None

    @staticmethod
    def of(values: Mapping[str, object], quantity: str, unit: str | None) -> "_Amount":
        number, told = values.get(quantity), values.get(unit) if unit else None
        return _Amount(None if number is None else Decimal(str(number)), None if told is None else str(told))

    def __str__(self) -> str:
        return f"{self.number:f} {self.unit}" if self.unit else f"{self.number:f} without a unit"


def _difference(was: _Amount, now: _Amount) -> tuple[str, str] | None:
    """The rule, and in words how two amounts differ so that somebody should look; None when nobody need."""
    if was.number is None or now.number is None or now.number == 0:
        # what is used up has no unit
        return None
    if was.unit == now.unit:
        jump = _times(was.number, now.number)
        return ("quantity_jumped", jump) if jump else None
    if was.unit is None:
        return None
    factor = worth(was.unit, now.unit) if now.unit else None
    if factor is None:
        return "unit_changed", "the unit is another one"
    if _is_about(was.number * factor, now.number):
        return None
    return "unit_changed", _times(was.number * factor, now.number) or "another amount in another unit"


def _is_about(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= _ROUNDING * max(one, other)


def _times(was: Decimal, now: Decimal) -> str | None:
    """`1,000 times as much` when it is so much; nothing at all before or now is usual."""
    if not was or not now or max(was, now) < _JUMP * min(was, now):
        return None
    times = f"{max(was, now) / min(was, now):,.0f}"
    return f"{times} times as much" if now > was else f"{times} times less"


def _beginning(column: str) -> str:
    """What stands before a column's text in an item's values."""
    return f'"{column}":"'


def _not_looked_elsewhere() -> Problem:
    reason = f"More than {MOST_NEW_LINES:,} lines are new: the hub did not look whether the same things are listed at "
    return Problem("not_looked_elsewhere", None, None, f"{reason}other places.", None, "warn")


def _is_same_list(one: str, other: str) -> bool:
    """For remarks a part or a count of a list is the same list; what closes lines is stricter (lists.py)."""
    return _list_of(one) == _list_of(other)


@lru_cache(maxsize=10_000)
def _list_of(source_name: str) -> str:
    key = list_key(source_name)
    return " ".join(_OF_THE_SAME_LIST.sub(" ", key).split()) or key
