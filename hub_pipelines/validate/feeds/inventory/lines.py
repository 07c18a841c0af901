"""Which line of a stock list is which item, though nothing on it carries a number of its own.

Belongs here: the key of a stock list's item. Not here: its columns (contract.py), counting equal lines (service.py).

A key is `<what>|<marks><place>`. What: the item's own code; without one `cas ` and its CAS number; without that `name `
and its name in small letters. Marks: ` no 2|` on the second row of a file that is the same line, then ` lot L-1|`.
Nothing else can look like that, so each key says what it is made of: a code has no small letters and no bar, and a
place never begins with a blank. A code and a place without marks are a key of the contract's first version.
"""

import re
import unicodedata
from collections.abc import Mapping

from hub_pipelines.common.canonical import sha256_hex

_NUMBER = re.compile(r"([^|]*\|) no (\d+)\|")
_MARKS = re.compile(r"(?: no \d+\|)?(?P<lot> lot [^|]*\|)?")
# the journal's index over ledger and key takes 2,704 bytes on PostgreSQL
_LONGEST_NAME = 100
_DIGEST_CHARACTERS = 12


class StockLines:
    """Lines that are alike in place, code, CAS number and lot are separate items, told apart by their number."""

    columns = ("item_code", "cas_number", "item_name", "location", "lot_number")
    at_times = ("cas_number", "lot_number")
    told = (
        "item_code, else with this cas_number, else with this item_name (upper and lower case and blanks are the "
        "same), at this location and of this lot_number, each written in the same way"
    )

    def key_of(self, values: Mapping[str, object], number: int = 1) -> str:
        marks = [f" no {number}|"] if number > 1 else []
        if lot := values.get("lot_number"):
            marks.append(f" lot {_without_bars(str(lot))}|")
        return f"{_what(values)}|{''.join(marks)}{values.get('location') or ''}"

    def number_in(self, key: str) -> int:
        found = _NUMBER.match(key)
        return int(found[2]) if found else 1

    def first_of(self, key: str) -> str:
        return _NUMBER.sub(r"\1", key, count=1) if _NUMBER.match(key) else key

    def thing_in(self, key: str) -> str:
        what, _, rest = key.partition("|")
        marks = _MARKS.match(rest)
        return f"{what}|{(marks and marks['lot']) or ''}"

    def tells(self, key: str, column: str) -> bool:
        if column == "cas_number":
            return key.startswith("cas ")
        return column == "lot_number" and " lot " in self.thing_in(key).partition("|")[2]


def _what(values: Mapping[str, object]) -> str:
    if code := values.get("item_code"):
        return str(code)
    if cas := values.get("cas_number"):
        return f"cas {cas}"
    return f"name {_short(_without_bars(str(values['item_name'])))}"


def _short(name: str) -> str:
    form = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    if len(form) <= _LONGEST_NAME:
        return form
    return f"{form[:_LONGEST_NAME]}… {sha256_hex(form.encode('utf-8'))[:_DIGEST_CHARACTERS]}"


def _without_bars(text: str) -> str:
    return text.replace("|", "/")
