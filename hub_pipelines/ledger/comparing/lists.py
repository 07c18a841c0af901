"""Which files are one list, sent again. Pure.

Belongs here: what of a file's name says when it was sent, and not what it is. Not here: the exact name, by which
columns are remembered (intake.service.source_key).

A line is closed or not by this (replacing.py), so a change here changes what a backfill finds of older postings.
"""

import re
import unicodedata
from functools import lru_cache

from hub_pipelines.intake.service import plain_name

_YEAR = r"(?:19|20)\d\d"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH_NAME = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz?|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_VERSION = (
    r"(?:(?:v|ver|version|rev|revision) ?\d+(?:\.\d+)*|final|copy|kopie|new|neu|old|alt|updated?|corrected|korrigiert)"
)
_WHEN = re.compile(
    rf"(?<![^\W_])(?:{_YEAR}[-._]?{_MONTH}(?:[-._]?{_DAY})?|(?:{_DAY}[-.])?{_MONTH}[-.]{_YEAR}"
    rf"|(?:{_DAY}\.? ?)?{_MONTH_NAME}(?:[ _.-]?{_DAY})?(?:,?[ _.-]?{_YEAR})?|{_YEAR}"
    rf"|q[1-4]|(?:kw|cw|week)[ _-]?\d\d?|{_VERSION}|\(\d+\))(?![^\W_])"
)
_BETWEEN = re.compile(r"[\W_]+")


@lru_cache(maxsize=10_000)
def list_key(source_name: str) -> str:
    """The same for files that are one list by their names: "stock_2026-11.xlsx" and "Stock 2026-12 (1).csv" are.

    Days, versions and marks of copies tell nothing. Any other number does: "Lab 101" and "Lab 102" are two lists.
    """
    name = unicodedata.normalize("NFC", plain_name(source_name)).casefold()
    stem = name.rpartition(".")[0] or name
    told = " ".join(_BETWEEN.sub(" ", _WHEN.sub(" ", stem)).split())
    return told or stem
