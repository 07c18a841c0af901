"""Damaged files of every kind: each is read or refused in bounded time, and the hub's own process is not harmed.

150 files always, 10,000 with `-m slow`. A failure names the seed that makes the same file again.
"""

import io
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub_pipelines.validate.model import Unreadable
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.reading.process import Limits

from ..builders import INVENTORY
from .files import Xlsb, book, ods, ods_row, workbook, xls

pytestmark = pytest.mark.usefixtures("started_anew")

_ROWS = [["asset_tag", "item_name", "quantity", "Note"]] + [[f"T{n}", f"item {n}é", n * 1.5, "x"] for n in range(60)]
_LONGEST_S = 30


def originals(folder: Path) -> list[tuple[str, bytes]]:
    """A file of each kind, with the parts that the readers look at."""

    def change(made: object) -> None:
        sheet = made["S"]  # type: ignore[index]
        sheet.merge_cells("A3:A5")
        sheet["C4"] = "#N/A"
        sheet["C5"] = "=1+1"
        sheet.row_dimensions[6].hidden = True

    table = f'<table:table table:name="S">{"".join(map(ods_row, _ROWS))}</table:table>'
    made: dict[str, Callable[[], Path]] = {
        "a.xlsx": lambda: book(folder, {"S": _ROWS, "Other": [["Room", "Phone"], ["1", "2"]]}, change),
        "b.xlsx": lambda: workbook(folder, _ROWS),
        "a.xlsb": lambda: Xlsb(_ROWS, errors={(3, 2): 0x2A}, hidden_columns=(1, 1), merged=(2, 4, 0, 0)).write(folder),
        "a.xls": lambda: xls(folder, _ROWS, lambda _, sheet: sheet.row(70).set_cell_error(1, 0x2A)),
        "a.ods": lambda: ods(folder, table),
    }
    files = [(name, make().read_bytes()) for name, make in made.items()]
    text = "\r\n".join(",".join(f'"{cell}"' for cell in cells) for cells in _ROWS)
    for encoding in ("utf-8", "utf-16", "cp1252"):
        files.append(("a.csv", text.encode(encoding)))
    files.append(("a.tsv", text.replace('","', '"\t"').encode()))
    return files


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few changes of any sort; in an archive, most often within one of its parts."""
    if content.startswith(b"PK") and chance.random() < 0.7:
        return _with_a_mutated_part(content, chance)
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        _change(data, chance)
    return bytes(data)


def _change(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    size = chance.choice([1, 1, 2, 4, 50, 1000])
    what = chance.randrange(7)
    if what == 0:
        data[at : at + size] = chance.randbytes(len(data[at : at + size]))
    elif what == 1:
        del data[at : at + size]
    elif what == 2:
        data[at:at] = chance.randbytes(size)
    elif what == 3:
        data[at:at] = data[at : at + size] * chance.choice([1, 2, 50])
    elif what == 4:
        del data[at:]
    elif what == 5:
        data[at : at + size] = chance.choice([b"\xff", b"\0", b'"', b"\r", b"<", b"9"]) * size
    else:
        digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
        if digits:
            place = chance.choice(digits)
            data[place : place + 1] = chance.choice([b"99999999", b"-1", b"1048577", b"0", b""])


def _with_a_mutated_part(content: bytes, chance: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as changed:
        names = archive.namelist()
        chosen = chance.choice(names)
        for name in names:
            data = bytearray(archive.read(name))
            if name == chosen:
                for _ in range(chance.choice([1, 1, 3])):
                    _change(data, chance)
            changed.writestr(name, bytes(data))
    return out.getvalue()


def outcome(folder: Path, name: str, content: bytes, seed: int) -> str:
    path = folder / f"mutated-{seed}"
    path.write_bytes(content)
    begun = time.monotonic()
    try:
        with open_table(path, name, known=INVENTORY.aliases.get, limits=Limits(silent_s=_LONGEST_S)) as table:
            told = f"{sum(1 for _ in table.rows)} rows"
    except Unreadable as error:
        told = error.reason if error.fix else f"seed {seed}: no fix"
    took = time.monotonic() - begun
    assert took < 2 * _LONGEST_S, (seed, took, told)
    path.unlink()
    return told


def check(folder: Path, seeds: range) -> Counter[str]:
    files = originals(folder)

    def one(seed: int) -> str:
        chance = random.Random(seed)
        name, content = files[seed % len(files)]
        return outcome(folder, name, mutated(content, chance), seed)

    with ThreadPoolExecutor(4) as pool:
        told = Counter(pool.map(one, seeds))
    assert not [each for each in told if "no fix" in each]
    return told


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    told = check(tmp_path, range(150))
    assert sum(told.values()) == 150
    assert any(each.endswith(" rows") for each in told)
    assert any("damaged" in each for each in told)


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    told = check(tmp_path, range(1_000, 11_000))
    assert sum(told.values()) == 10_000
