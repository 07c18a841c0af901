"""What sets and adjustments make of an item's quantity (decisions/0070). Pure.

quantity = what the base says + all adjustments that occurred after it, each in the base's unit. The base is the set
that counts, or a newer message that nothing is left; an item that nothing has set begins with none. All of it is a sum,
so the order in which adjustments come is of no importance; a set that comes late takes the place of the base and of
what occurred before it. An adjustment that is void is kept as a movement all the same: a message's set that comes after
a file's count may be about an earlier moment than the count, and then what occurred between them counts.
Not here: which of several sets counts (validate/messages, ledger/ordering), tables (store.py).
"""

import json
from bisect import bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.ledger.adjusting.model import ARRIVED, BEGINNING, Applied, Known, Movement, Standing
from hub_pipelines.ledger.comparing.model import REPLACED, SET, SHORT_BY
from hub_pipelines.validate.conventions.units import dimension_of, worth
from hub_pipelines.validate.feeds.quantities import without_trailing_zeros
from hub_pipelines.validate.model import PART_ROWS, SUPERSEDED, Adjusted, Problem, RecordType
from hub_pipelines.validate.staging import StagedRow

_SMALLEST = Decimal("0.000001")
_TOO_MUCH = Decimal(10**11)


class Adjusting:
    """Takes a batch's rows one after the other. `known` has each of their items, `done` the messages that have adjusted
    before; `version` is the ledger's that the batch makes."""

    def __init__(self, record: RecordType, known: dict[str, Known], done: Collection[str], version: int) -> None:
        assert record.adjusted is not None, f"{record.name} is not adjusted by messages"
        self.applied = Applied()
        self._adjusted, self._columns, self._added = record.adjusted, record.columns, record.added
        self._adds = {kind.name: kind.adds for kind in record.adjusted.kinds} | {ARRIVED: True}
        self._known, self._done, self._version = known, done, version
        for one in known.values():
            one.deltas.sort(key=_in_time)
        self._doubtful: list[tuple[int, str]] = []
        """Rows, each with its item, after which it was short or not known how much is there."""

    def take(
        self,
        rows: Iterable[StagedRow],
        occurred_at: Mapping[int, datetime],
        heard: Callable[[Iterable[Any]], Iterator[Any]] = iter,
    ) -> Applied:
        """All rows of a batch, in their order. What goes to a second place gets there after the last row. `heard` gives
        each of what it is given, and may do something meanwhile: of many rows it takes seconds."""
        arriving: list[Movement] = []
        for row in heard(rows):
            if row.verdict == "accepted":
                self._set(row, occurred_at[row.row_no])
            elif row.verdict == "adjusting":
                arriving += self._adjust(row)
        for one in heard(arriving):
            if self._counts(one):
                self._enter(one)
                self.applied.arrived += 1
            else:
                self._keep(one)
        self._tell_doubtful()
        return self.applied

    # ---- rows

    def _set(self, row: StagedRow, occurred_at: datetime) -> None:
        assert row.key is not None
        assert row.values is not None
        known, values = self._known[row.key], row.values
        said = json.loads(values)
        base = set_by(row.row_no, row.key, said, occurred_at, self._adjusted)
        known.base = base
        known.totals.clear()
        self.applied.movements.append(base)
        start = self._start(known)
        if start is not base or self._after(known, base.occurred_at) < len(known.deltas):
            said = self._with(said, self._sum(known), base.unit)
            values = canonical_text(said)
        self.applied.sets.append((row.row_no, row.key, values))
        if known.standing is not None and known.standing.digest == sha256_hex(values.encode("utf-8")):
            self.applied.unchanged += 1
            return
        self._append(row.row_no, row.key, SET, said, values)

    def _adjust(self, row: StagedRow) -> list[Movement]:
        """What arrives at a second place by this row, if anything."""
        legs = _legs(row)
        if legs[0].message in self._done:
            self.applied.unchanged += 1
            return []
        problem = next(filter(None, (self._misfit(one) for one in legs)), None)
        if problem is not None:
            self.applied.rejected += 1
            self.applied.found.append((row.row_no, problem))
            return []
        counting = [one for one in legs if self._counts(one)]
        for one in legs:
            if one not in counting:
                self._keep(one)
        if not counting:
            self.applied.superseded += 1
            self.applied.found.append((row.row_no, self._void(legs[0])))
            return []
        self._enter(counting[0])
        return [replace(one, row_no=PART_ROWS + row.row_no) for one in counting[1:]]

    def _misfit(self, one: Movement) -> Problem | None:
        """Why it can't be applied to its item, whatever is there."""
        known = self._known[one.key]
        if known.standing is not None and known.standing.operation == REPLACED:
            return Problem(
                "line_closed",
                None,
                one.key,
                "This line is in the ledger no more: a list that was corrected has another one in its place.",
                "Send it for the line that the corrected list has now",
            )
        if one.quantity is None or not self._counts(one):
            return None
        if known.base is not None and known.base.quantity is None and known.base.unit is None:
            return None
        unit = self._unit(known, one)
        if _in_unit(one, unit) is None:
            return _other_kind(one, unit)
        total = self._balance(known)
        if total is not None and self._adds[one.kind] and total + (_in_unit(one, unit) or 0) >= _TOO_MUCH:
            return Problem(
                "too_much",
                "quantity",
                one.quantity,
                "With it there would be more than 11 digits before the decimal point.",
                "Look whether quantity and unit are right",
            )
        return None

    def _void(self, one: Movement) -> Problem:
        start = self._start(self._known[one.key])
        assert start is not None
        told = f"What is there was told for {start.occurred_at:%Y-%m-%dT%H:%M:%SZ}"
        reason = f"{told}, which is at the same moment as this occurred or after it."
        return Problem(SUPERSEDED, None, one.key, reason, None, "warn")

    def _keep(self, one: Movement) -> None:
        """What is void now: a set that takes the base back counts it."""
        known = self._known[one.key]
        self.applied.void.append(one)
        if not one.empties:
            insort(known.deltas, one, key=_in_time)
        elif known.emptied is None or one.occurred_at > known.emptied.occurred_at:
            known.emptied = one
            known.totals.clear()

    def _enter(self, one: Movement) -> None:
        """Apply a movement that counts and fits, as a journal entry."""
        known = self._known[one.key]
        before, unit = self._balance(known), self._unit(known)
        self.applied.movements.append(one)
        if one.empties:
            known.emptied = one
            known.totals.clear()
            after = self._sum(known)
        else:
            self._count(known, one)
            if known.standing is None or self._unit(known) != unit:
                after = self._sum(known)
            else:
                moved = _in_unit(one, unit)
                after = before if before is None or moved is None else before + self._signed(one, moved)
        said = self._with(self._item(known), after, self._unit(known))
        self._append(one.row_no, one.key, one.kind, said, canonical_text(said))
        if after is None or after < 0:
            self._doubtful.append((one.row_no % PART_ROWS, one.key))

    def _tell_doubtful(self) -> None:
        """By what there is after the whole batch: a later row may have evened it out."""
        for row_no, key in self._doubtful:
            known = self._known[key]
            if (told := _remark(self._balance(known), self._unit(known))) is not None:
                self.applied.found.append((row_no, told))

    # ---- one item

    def _counts(self, one: Movement) -> bool:
        return one.occurred_at > self._begins(self._known[one.key])

    def _start(self, known: Known) -> Movement | None:
        """From what it is counted: the set, or the message that nothing is left, whichever is about a later moment."""
        base, emptied = known.base, known.emptied
        if emptied is None or (base is not None and base.occurred_at > emptied.occurred_at):
            return base
        return emptied

    def _begins(self, known: Known) -> datetime:
        start = self._start(known)
        return BEGINNING if start is None else start.occurred_at

    def _after(self, known: Known, moment: datetime) -> int:
        """The place of its first adjustment after that, which is where a new one at that moment would go."""
        return bisect_right(known.deltas, moment, key=_occurred_at)

    def _first(self, known: Known) -> Movement | None:
        """Of the adjustments that count the one that tells what an item is that nothing has set: the first one that
        occurred."""
        place = self._after(known, self._begins(known))
        return known.deltas[place] if place < len(known.deltas) else None

    def _unit(self, known: Known, coming: Movement | None = None) -> str | None:
        """The item's unit; of one that nothing has set, that of the first adjustment, `coming` among them."""
        if known.base is not None:
            return known.base.unit
        if known.emptied is not None and known.emptied.unit is not None:
            return known.emptied.unit
        first = self._first(known)
        if coming is not None and (first is None or _in_time(coming) < _in_time(first)):
            first = coming
        return first.unit if first is not None else None

    def _sum(self, known: Known) -> Decimal | None:
        """What there is by all that is known; None where nobody knows. What can't be converted does not count."""
        start = self._start(known)
        if start is not None and not start.empties and start.quantity is None:
            return None
        unit = self._unit(known)
        if unit not in known.totals:
            total = Decimal(start.quantity) if start is not None and start.quantity is not None else Decimal(0)
            counting = known.deltas[self._after(known, self._begins(known)) :]
            known.totals[unit] = sum((self._moves(one, unit) for one in counting), total)
        return known.totals[unit]

    def _count(self, known: Known, one: Movement) -> None:
        """Among those that count. To sum all again for each would take the square of their number, where the first one
        and with it the unit changes often."""
        insort(known.deltas, one, key=_in_time)
        for unit in known.totals:
            known.totals[unit] += self._moves(one, unit)

    def _moves(self, one: Movement, unit: str | None) -> Decimal:
        """By how much it changes what there is in this unit; what can't be told in it changes nothing."""
        moved = _in_unit(one, unit)
        return Decimal(0) if moved is None else self._signed(one, moved)

    def _balance(self, known: Known) -> Decimal | None:
        """As the ledger tells it: what there is, or below zero by how much more was taken."""
        if known.standing is None:
            return Decimal(0)
        values = known.standing.said
        on_hand = values.get(self._adjusted.quantity)
        return None if on_hand is None else Decimal(str(on_hand)) - Decimal(str(values.get(SHORT_BY, 0)))

    def _signed(self, one: Movement, moved: Decimal) -> Decimal:
        return moved if self._adds[one.kind] else -moved

    def _item(self, known: Known) -> dict[str, object]:
        """What the item is: as its set says; of one that nothing has set, as its first message does."""
        if known.base is not None:
            assert known.standing is not None, "what was set is in the ledger"
            return known.standing.said
        first = known.emptied or self._first(known)
        assert first is not None
        said = json.loads(str(first.item))
        return {name: said.get(name) for name in self._columns if name in said or name not in self._added}

    def _with(self, item: dict[str, object], total: Decimal | None, unit: str | None) -> dict[str, object]:
        values = {name: value for name, value in item.items() if name != SHORT_BY}
        values[self._adjusted.unit] = unit
        values[self._adjusted.quantity] = None if total is None else without_trailing_zeros(max(total, Decimal(0)))
        if total is not None and total < 0:
            values[SHORT_BY] = without_trailing_zeros(-total)
        return values

    def _append(self, row_no: int, key: str, operation: str, said: dict[str, object], values: str) -> None:
        before, digest = self._known[key].standing, sha256_hex(values.encode("utf-8"))
        place = (before.version, before.row_no) if before is not None else (None, None)
        self.applied.entries.append((row_no, key, operation, values, digest, *place))
        self._known[key].standing = Standing(self._version, row_no, digest, operation, said)


_occurred_at = attrgetter("occurred_at")


def _in_time(one: Movement) -> tuple[datetime, str]:
    """The order of adjustments: as they occurred, those of a moment by their messages' request_ids."""
    return one.occurred_at, str(one.message)


def set_by(
    row_no: int, key: str, values: Mapping[str, object], at: datetime, adjusted: Adjusted, *, kind: str = SET
) -> Movement:
    """What a row's values say of the quantity, as of a moment."""
    quantity, unit = values.get(adjusted.quantity), values.get(adjusted.unit)
    return Movement(
        row_no, key, kind, at, None if quantity is None else str(quantity), None if unit is None else str(unit)
    )


def _legs(row: StagedRow) -> list[Movement]:
    """The movement of an adjusting row, and the one at the other place where it went to one."""
    assert row.values is not None
    said = json.loads(row.values)
    one = Movement(
        row.row_no,
        str(row.key),
        said["kind"],
        datetime.fromisoformat(said["occurred_at"]),
        said["quantity"],
        said["unit"],
        said["message"],
        canonical_text(said["item"]),
    )
    to = said.get("to")
    if to is None:
        return [one]
    return [one, replace(one, key=to["key"], kind=ARRIVED, item=canonical_text(to["item"]))]


def _in_unit(one: Movement, unit: str | None) -> Decimal | None:
    assert one.quantity is not None
    return in_unit(Decimal(one.quantity), one.unit, unit)


def in_unit(amount: Decimal, was_in: str | None, unit: str | None) -> Decimal | None:
    """As much in another unit, rounded to what a quantity can hold; None where it can't be told in that."""
    if was_in == unit:
        return amount
    factor = None if was_in is None or unit is None else worth(was_in, unit)
    return None if factor is None else (amount * factor).quantize(_SMALLEST)


def _other_kind(one: Movement, unit: str | None) -> Problem:
    told = f"The message says {one.quantity} {one.unit}" if one.unit else f"The message says {one.quantity} of no unit"
    if unit is None:
        held, way = "of no unit", "Send it without a unit"
    else:
        kinds = {"mass": "a mass", "volume": "a volume", "count": "a number of pieces"}
        held = f"in {unit}, {kinds[dimension_of(unit)]}"
        way = f"Send it in {unit}" if dimension_of(unit) == "count" else f"Send it in {unit}, or convert it"
    reason = f"{told}, and the item is kept {held}: the one can't be told in the other."
    return Problem("unit_of_another_kind", "unit", one.unit, reason, f"{way}, under a webhook-id of its own")


def _remark(total: Decimal | None, unit: str | None) -> Problem | None:
    if total is None:
        reason = "How much of it is there is not known, so this has changed nothing."
        return Problem(
            "quantity_not_known", None, None, reason, "Count the item, or send a set with a quantity", "warn"
        )
    if total >= 0:
        return None
    amount = f"{without_trailing_zeros(-total)} {unit or ''}".rstrip()
    return Problem(
        "more_taken_than_known",
        None,
        None,
        f"{amount} more have been taken than were known to be there. The ledger says 0, and by how much it is short.",
        "Count the item, or send what has come and was not told",
        "warn",
    )
