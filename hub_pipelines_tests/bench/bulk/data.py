"""Inventories and a registry with faults that are known because they were put in.

Belongs here: making the files. The faults come from the generator, never from somebody's validator. Equal arguments
give equal bytes.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

TAGS = 1_200_000
COLUMNS = (
    "asset_tag", "item_name", "category", "cas_number", "quantity", "unit", "location", "responsible_email",
    "acquired_on", "unit_cost", "po_number", "hazard_codes",
)  # fmt: skip
CATEGORIES = ("chemical", "consumable", "equipment", "glassware", "reagent", "instrument")
UNITS = ("mL", "L", "g", "kg", "ea", "box")
CAMPUSES = ("north", "south", "west")
_NAMES = (
    'Beaker, "tall form", 250 mL', "Éthanol 96 %, dénaturé", "Natriumchlorid, p.a.", "Acetone", "Centrifuge rotor",
    'Flask "Erlenmeyer", 1 L', "试剂 buffer pH 7,4", "Gloves, nitrile, size M", "Ölbad-Thermostat",
    "Toluene, anhydrous",
)  # fmt: skip
_HAZARDS = ("H225", "H301", "H311", "H315", "H319", "H331", "H335", "H350", "H360FD", "H410")
_SPOILT = {
    "asset_tag": ("", "N-9{:06d}"),
    "quantity": ("-3.5", "-120"),
    "acquired_on": ("2023-02-30", "2022-00-10", "2021-13-05", "soon"),
    "unit": ("smidgen", "qq", "zz"),
    "responsible_email": ("pi.northfield.edu", "pi@", "@chem.edu"),
    "unit_cost": ("twelve", "12.5.0", "ask Bob"),
}
"""No word here stands for no value (`??`, `n/a`): where a cell may be empty such a word is one to the hub (decision
0076), and to its peers a fault."""
_OF_ANOTHER_CAMPUS = 50
"""Every so many tags were bought for a campus that is not the sender's."""

Defect = tuple[int, str]
"""A data row, counted from 1, and the column that was spoiled in it."""


@dataclass(frozen=True)
class Inventory:
    """A file and what is wrong with it."""

    path: Path
    rows: int
    rejected: int
    defects: frozenset[Defect]


def write_registry(path: Path, tags: int = TAGS) -> None:
    """Procurement's list of tags, in no order."""
    numbers = list(range(1, tags + 1))
    random.Random(1).shuffle(numbers)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("asset_tag", "po_number", "campus"))
        for number in numbers:
            writer.writerow((_tag(number), _order(number), _campus(number)))


def write_inventory(
    path: Path, rows: int, *, tags: int = TAGS, changed_share: float = 0.0, notes: int = 0
) -> Inventory:
    """`changed_share` of the good rows have another quantity than the same file without it. With `notes` each row has
    so many letters more, in a column that the contract does not know."""
    defects: set[Defect] = set()
    later = random.Random(2)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, *(["notes"] if notes else [])))
        for row_no, (cells, spoilt) in enumerate(_rows(rows, tags), 1):
            defects.update((row_no, column) for column in spoilt)
            if not spoilt and later.random() < changed_share:
                cells["quantity"] = f"{later.randrange(1, 500_000)}.5"
            writer.writerow((*cells.values(), *([_note(row_no, notes)] if notes else [])))
    return Inventory(path, rows, len({row_no for row_no, _ in defects}), frozenset(defects))


def _rows(rows: int, tags: int) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    """About 5.5 % of the rows are spoilt: a check digit, a cell, a repeated tag, or two cells at once."""
    dice = random.Random(rows)
    sound: list[str] = []
    for number in dice.sample(range(1, tags + 1), rows):
        cells = _sound_row(number, dice)
        spoilt: tuple[str, ...] = ()
        share = dice.random()
        if share < 0.010:
            cells["cas_number"] = _cas(dice, right=False)
            spoilt = ("cas_number",)
        elif share < 0.050:
            spoilt = (dice.choice(tuple(_SPOILT)),)
        elif share < 0.055 and sound:
            cells["asset_tag"] = dice.choice(sound)
            spoilt = ("asset_tag",)
        elif share < 0.056:
            spoilt = ("quantity", "responsible_email")
        if spoilt not in (("cas_number",), ()) and not (spoilt == ("asset_tag",) and share >= 0.050):
            for column in spoilt:
                cells[column] = dice.choice(_SPOILT[column]).format(dice.randrange(10**6))
        if not spoilt:
            sound.append(cells["asset_tag"])
        yield cells, spoilt


def _sound_row(number: int, dice: random.Random) -> dict[str, str]:
    day = date(2005, 1, 1) + timedelta(dice.randrange(7_500))
    cents = dice.randrange(100, 2_000_000)
    return {
        "asset_tag": _tag(number),
        "item_name": f"{dice.choice(_NAMES)} #{dice.randrange(10**6)}",
        "category": dice.choice(CATEGORIES),
        "cas_number": _cas(dice) if dice.random() < 0.4 else "",
        "quantity": f"{dice.randrange(500_000) / 1000:.{dice.randrange(4)}f}",
        "unit": dice.choice(UNITS),
        "location": f"Bldg {dice.randrange(40)}, Room {dice.randrange(100, 600)}, Shelf {dice.choice('ABCDEF')}",
        "responsible_email": f"pi{dice.randrange(4_000)}.lab@{dice.choice(('chem', 'bio', 'med'))}.northfield.edu",
        "acquired_on": day.isoformat(),
        "unit_cost": f"{cents // 100}.{cents % 100:02d}",
        "po_number": _order(number),
        "hazard_codes": ";".join(dice.sample(_HAZARDS, dice.randrange(4))),
    }


def _note(row_no: int, letters: int) -> str:
    text = f"Counted with scanner {row_no % 7}; shelf label {row_no} was read, "
    return (text * (1 + letters // len(text)))[:letters]


def _cas(dice: random.Random, *, right: bool = True) -> str:
    digits = f"{dice.randrange(10, 9_999_999)}{dice.randrange(100):02d}"
    check = sum(place * int(digit) for place, digit in enumerate(reversed(digits), 1)) % 10
    return f"{digits[:-2]}-{digits[-2:]}-{check if right else (check + dice.randrange(1, 10)) % 10}"


def _tag(number: int) -> str:
    return f"N-{number:07d}"


def _order(number: int) -> str:
    return f"PO-{100_000 + number * 7_919 % 900_000}"


def _campus(number: int) -> str:
    return CAMPUSES[1 + number % 2] if number % _OF_ANOTHER_CAMPUS == 0 else CAMPUSES[0]
