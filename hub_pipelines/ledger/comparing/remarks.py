"""What a person should look at when a row takes the place of what the ledger held. Pure.

Belongs here: amounts that jumped or changed their unit, and lines that two lists share (decisions/0053). Not here: what
the ledger held (store.py), a line that another one has replaced (replacing.py). Nothing here keeps a row out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from hub_pipelines.intake.service import plain_name
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.model import Comparing, Earlier
from hub_pipelines.validate.conventions.deciding import column_of_kind
from hub_pipelines.validate.conventions.units import worth
from hub_pipelines.validate.model import Part, Problem, RecordType, row_place

_JUMP = 100
"""So many times as much, or as little, is remarked."""
_ROUNDING = Decimal("0.01")
"""A part of an amount: 3.785 L for a gallon is the same."""
_ROWS_NAMED = 10


def comparing_of(
    record: RecordType, source_name: str, family: frozenset[str] = frozenset(), parts: Sequence[Part] = ()
) -> Comparing:
    """How rows of a file of this name are compared."""
    return Comparing(
        source_name=source_name,
        family=family,
        quantity=column_of_kind(record, "quantity"),
        unit=column_of_kind(record, "unit"),
        location=record.location_column if record.lines is not None else None,
        parts=tuple(parts),
    )


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
    _shared: dict[tuple[str, bool], _Shared] = field(default_factory=dict)

    def is_wanted(self, values: str, *, changed: bool) -> bool:
        """Whether a known item's row is to be compared; `changed` where the ledger holds other values."""
        c = self.comparing
        if c.quantity is None and c.location is None:
            return False
        # a column without a value is null in every row: most need not be parsed for that
        return changed or (c.location is not None and f'"{c.location}":null' in values)

    def add(self, row_no: int, values: str, earlier: Earlier) -> list[Problem]:
        """What is to be said of this row by itself."""
        changed = values != earlier.values
        after: dict[str, object] = json.loads(values)
        placeless = self.comparing.is_placeless(after)
        if (changed or placeless) and self._is_of_another_list(earlier):
            self._share(row_no, earlier, placeless=placeless, changed=changed)
        if not changed:
            return []
        found = self._amount(json.loads(earlier.values), after, earlier)
        return [found] if found else []

    def _is_of_another_list(self, earlier: Earlier) -> bool:
        c = self.comparing
        if c.location is None or earlier.request_id in c.family:
            return False
        return list_key(earlier.source_name) != list_key(c.source_name)

    def _share(self, row_no: int, earlier: Earlier, *, placeless: bool, changed: bool) -> None:
        name = (list_key(earlier.source_name), placeless)
        shared = self._shared.setdefault(name, _Shared(plain_name(earlier.source_name), earlier.ledger_date, placeless))
        if earlier.ledger_date >= shared.ledger_date:
            shared.source_name, shared.ledger_date = plain_name(earlier.source_name), earlier.ledger_date
        shared.rows.append(row_no)
        shared.changed += changed

    def of_lists(self) -> list[Problem]:
        """One for each other list that had set lines of this file."""
        return [self._told(one) for one in self._shared.values()]

    def _told(self, one: _Shared) -> Problem:
        rows, had = self._rows(one.rows), f"{one.source_name} had set on {one.ledger_date:%Y-%m-%d}"
        if not one.placeless:
            return Problem(
                "line_of_another_list",
                None,
                None,
                f"{rows} replaced what {had}.",
                f"If {one.source_name} is an older copy of this list, nothing is to do. Otherwise decide which of the "
                "two lists is right about these items, and take them out of the other one",
                "warn",
            )
        now = "All of them say the same in both" if not one.changed else "The ledger says now what this file says"
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
        by = plain_name(earlier.source_name)
        return Problem(
            rule,
            unit if rule == "unit_changed" else column,
            str(now),
            f"It was {was} ({by}, {earlier.ledger_date:%Y-%m-%d}), and now is {now}: {told}. The row "
            "was taken as it is.",
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
