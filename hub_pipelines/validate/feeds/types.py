"""What every value type is built from, and the types of texts, identifiers and words from a list.

Belongs here: turning one cell into canonical text, or a problem in plain words, as any feed may need it. Not here:
numbers and units (quantities.py), days and times (times.py), amounts of money (money.py), substances and hazards
(chemicals.py), which columns a feed has, rules that span rows.
Every type's result is text (or None for a blank optional cell), so that a row is JSON as it stands.
"""

import datetime
import difflib
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticCustomError

from hub_pipelines.validate.model import MISSING_VALUE, Certain, Shape, Written
from hub_pipelines.validate.parsing.notes import UNCALCULATED

_ERROR_CELL = re.compile(r"#(?:N/A|NA|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA|#+)", re.I)
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{2,}", re.I)
# Excel shows numbers of 12 and more digits as 1.719E+11, and saving such a file as CSV loses the digits
_EXCEL_SHOWS_AS_SCIENTIFIC = 10**11
# barcode readers and web pages leave these in tags: non-breaking and zero-width blanks, byte order marks
_HIDDEN = dict.fromkeys(map(ord, "\u00a0\u202f\u200b\u2060\ufeff"))
# within other identifiers a non-breaking blank stands for a blank; these stand for nothing
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
"""For str.translate."""
HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63", "-"))
"""For str.translate: what word processors, spreadsheets and web pages make of a hyphen."""
_DATE_TYPES = (datetime.date, datetime.time, datetime.timedelta)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"({'|'.join(MONTHS)})"
EXCEL_DATE = re.compile(rf"(\d{{1,2}})-{_MONTH}(?:-\d{{2}}(?:\d{{2}})?)?|{_MONTH}-\d{{2}}", re.A)
"""What a CSV file shows of a text that Excel took for a date, such as 8-Jan; always in this case."""


class Contract(BaseModel):
    """What each record type's row derives from. Its validator is built when it first judges a row: most commands
    judge none, and building all of them takes longer than many a command."""

    model_config = ConfigDict(defer_build=True)


def problem(rule: str, reason: str, suggestion: str | None = None) -> PydanticCustomError:
    # the reason goes in as a value: braces in a sender's text must not be read as a template
    return PydanticCustomError(rule, "{reason}", {"reason": reason, "suggestion": suggestion})


def missing(what: str = "is empty") -> PydanticCustomError:
    """Of a cell without a value in a column that must be filled."""
    return problem(MISSING_VALUE, f"The cell {what}, and this column must be filled.", "Write it into the cell")


def required(parse: Callable[[object], str]) -> BeforeValidator:
    def validate(cell: object) -> str:
        if is_blank(cell):
            raise missing()
        refuse_error_cell(cell)
        return parse(cell)

    return BeforeValidator(validate)


def optional(parse: Callable[[object], str | None]) -> BeforeValidator:
    def validate(cell: object) -> str | None:
        if is_blank(cell):
            return None
        refuse_error_cell(cell)
        return parse(cell)

    return BeforeValidator(validate)


def is_blank(cell: object) -> bool:
    # str.strip also takes off the non-breaking blanks that come with pasted text
    return cell is None or (isinstance(cell, str) and not cell.strip())


def refuse_error_cell(cell: object) -> None:
    if cell == UNCALCULATED:
        raise problem(
            "formula_without_value",
            "The cell holds a formula without a value: the program that wrote the file has not calculated it.",
            "Open the file in Excel, save it and drop it again, or type the value over the formula",
        )
    if isinstance(cell, str) and cell.lstrip()[:1] == "#" and _ERROR_CELL.fullmatch(cell.strip()):
        raise problem(
            "error_cell",
            f"The cell holds Excel's error {cell.strip()} instead of a value.",
            "Repair the formula, or type the value over it",
        )


# -- text ------------------------------------------------------------------------------------------------------------


def text_of(cell: object) -> str:
    """The cell as one line of text, whole numbers without Excel's `.0`."""
    if isinstance(cell, str):
        return " ".join(cell.split()) if not cell.isascii() or any(c in cell for c in "\n\r\t") else cell.strip()
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def refuse_date_cell(cell: object) -> None:
    if isinstance(cell, _DATE_TYPES):
        raise _made_a_date()


def _made_a_date() -> PydanticCustomError:
    return problem(
        "damaged_by_excel",
        "Excel has turned this text into a date or time, and what was typed is lost.",
        "Format the column as Text and type the value again",
    )


def text_up_to(longest: int) -> Callable[[object], str]:
    def parse(cell: object) -> str:
        refuse_date_cell(cell)
        return checked_length(text_of(cell), longest)

    return parse


def place_up_to(longest: int) -> Callable[[object], str]:
    """Text in which blanks of any kind and number are one blank: it is compared, as part of a key."""
    parse_text = text_up_to(longest)

    def parse(cell: object) -> str:
        return " ".join(parse_text(cell).split())

    return parse


def checked_length(text: str, longest: int) -> str:
    if len(text) > longest:
        raise problem("too_long", f"The text has {len(text)} characters; at most {longest} are allowed.")
    if not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text):
        raise problem("bad_text", "The text holds invisible control characters.", "Type the value again by hand")
    return text


def identifier_text(cell: object) -> str:
    """Text of a number-like identifier, unless Excel has damaged it."""
    refuse_date_cell(cell)
    if _is_damaged_number(cell):
        raise problem(
            "damaged_by_excel",
            "Excel has turned this identifier into a calculated number, so its digits cannot be trusted.",
            "Format the column as Text and type the identifier again",
        )
    return text_of(cell)


def in_plain_letters(text: str) -> str:
    """A text that is looked for or suggested, its letters, digits and hyphens as a keyboard has them. Not for what is
    kept: an item of a ledger would be another one with the next release (service.py)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(HYPHENS)


def _is_damaged_number(cell: object) -> bool:
    if isinstance(cell, bool):
        return False
    if isinstance(cell, int | float):
        return not (float(cell).is_integer() and 0 <= cell < _EXCEL_SHOWS_AS_SCIENTIFIC)
    return isinstance(cell, str) and _SCIENTIFIC.fullmatch(cell.strip()) is not None


def parse_asset_tag(cell: object) -> str:
    text = cell.translate(_HIDDEN) if isinstance(cell, str) else cell
    tag = unicodedata.normalize("NFKC", identifier_text(text)).strip().upper()
    if not tag:
        raise missing("holds only invisible characters")
    if len(tag) > 64:
        raise problem("bad_asset_tag", f"The asset tag has {len(tag)} characters; at most 64 are allowed.")
    if not tag.isprintable() or " " in tag:
        joined = "".join(char for char in tag if char.isprintable() and char != " ")
        raise problem("bad_asset_tag", "An asset tag may not hold blanks or invisible characters.", joined or None)
    return tag


def parse_tag_in_use(cell: object) -> str:
    """An asset tag of a list that is held against the registry: there a number whose digits Excel still has is one.

    Excel keeps 15 digits and shows at most six of a long number. What was saved as it was shown has zeros behind them.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool) and _EXCEL_SHOWS_AS_SCIENTIFIC <= cell < 10**15:
        digits = text_of(cell)
        cell = digits if digits.isdigit() and digits[6:].strip("0") else cell
    tag = parse_asset_tag(cell)
    if not tag.strip("0"):
        raise problem("no_asset_tag", "Nothing but zeros stands for no tag.", "Write the tag that is on the item")
    return tag


def identifier(noun: str, longest: int, *, leads_key: bool = False) -> Callable[[object], str]:
    """An identifier in the form in which its spellings are equal: upper case, single blanks, nothing invisible.

    `leads_key`: a part of a key in front of the last may not hold the `|` that joins them (RecordType.key_of).
    """
    rule = f"bad_{noun.replace(' ', '_')}"

    def parse(cell: object) -> str:
        text = identifier_text(cell)
        if EXCEL_DATE.fullmatch(text):
            raise _made_a_date()
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text.translate(INVISIBLE))
        text = " ".join(text.split()).upper()
        if not text:
            raise problem(rule, "The cell holds only invisible characters.", "Clear the cell, or type it again by hand")
        if len(text) > longest:
            raise problem(rule, f"The {noun} has {len(text)} characters; at most {longest} are allowed.")
        if not text.isprintable():
            seen = "".join(char for char in text if char.isprintable())
            raise problem(rule, "An identifier may not hold invisible characters.", seen or None)
        return _without_bar(text, noun) if leads_key else text

    return parse


def _without_bar(text: str, noun: str) -> str:
    if "|" in text:
        rule = f"bad_{noun.replace(' ', '_')}"
        raise problem(rule, f"The {noun} may not hold a vertical bar (|).", text.replace("|", "-"))
    return text


def parse_leading_asset_tag(cell: object) -> str:
    """An asset tag as a part of a key in front of the last."""
    return _without_bar(parse_asset_tag(cell), "asset tag")


def parse_po_number(cell: object) -> str:
    return checked_length(identifier_text(cell), 40)


_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


def parse_email(cell: object) -> str:
    text = text_of(cell)
    if not _EMAIL.fullmatch(text):
        inside = _EMAIL.findall(text)
        raise problem(
            "bad_email",
            "This is not one e-mail address such as name@university.edu.",
            inside[0] if len(inside) == 1 else None,
        )
    if len(text) > 254:
        raise problem("bad_email", "No e-mail address is longer than 254 characters.")
    local, _, domain = text.partition("@")
    return f"{local}@{domain.lower()}"


# -- words from a list -----------------------------------------------------------------------------------------------

CATEGORIES = ("chemical", "consumable", "equipment", "glassware", "reagent", "instrument")
_CATEGORY_FORMS = {form: name for name in CATEGORIES for form in (name, f"{name}s")}


def nearest_of(text: str, allowed: Iterable[str]) -> str | None:
    return _nearest(text[:80], tuple(allowed))


@functools.lru_cache(maxsize=2_000)
def _nearest(text: str, allowed: tuple[str, ...]) -> str | None:
    # a column often holds one wrong word in every row, and comparing is slow
    close = difflib.get_close_matches(text, allowed, n=1, cutoff=0.6)
    return close[0] if close else None


def spellings(words: Mapping[str, str]) -> dict[str, str]:
    """Each spelling to its word, from words with their other spellings behind them, separated by commas."""
    return {
        form: word for word, others in words.items() for form in (word.casefold(), *filter(None, others.split(", ")))
    }


def word_of(
    rule: str,
    noun: str,
    forms: Mapping[str, str],
    advice: str | None = None,
    perhaps: Mapping[str, str] | None = None,
) -> Callable[[object], str]:
    """A word of a list in any of its spellings (`forms`, see `spellings`). `perhaps` tells of other words what is to be
    suggested, which the spelling alone would miss."""
    allowed = ", ".join(dict.fromkeys(forms.values()))

    def parse(cell: object) -> str:
        text = unicodedata.normalize("NFKC", text_of(cell)).casefold()
        text = " ".join(text.replace("_", " ").split()).rstrip(".")
        if text in forms:
            return forms[text]
        meant = (perhaps or {}).get(text) or _word_meant(text, tuple(forms.items()))
        raise problem(rule, f"The {noun} must be one of: {allowed}.", meant or advice)

    return parse


@functools.lru_cache(maxsize=2_000)
def _word_meant(text: str, forms: tuple[tuple[str, str], ...]) -> str | None:
    """The one word, in one of its forms, of which it is a slip of the pen. Of what only looks alike none is meant: it
    may be the very opposite. East is much like west, and campus 1 like campus 2; 12 may be much else than the
    explosives of 1.2L, and packing group IV is not the greatest danger."""
    found = {word for form, word in forms if len(text) <= _LONGEST_NAME and _differs_by_a_slip(text, form)}
    return found.pop() if len(found) == 1 else None


def parse_category(cell: object) -> str:
    text = text_of(cell).casefold()
    if text not in _CATEGORY_FORMS:
        allowed = ", ".join(CATEGORIES)
        suggestion = nearest_of(text, CATEGORIES) or "Choose the one that fits best"
        raise problem("unknown_category", f"The category must be one of: {allowed}.", suggestion)
    return _CATEGORY_FORMS[text]


_CALIBRATION_RESULTS = {
    "pass": "passed, ok, okay, in tolerance, within tolerance, in calibration, compliant, accepted",
    "adjusted": "adjust, passed after adjustment, pass after adjustment, repaired",
    "limited": "limited use, limited calibration, conditional, conditional pass, restricted, restricted use",
    "fail": "failed, out of tolerance, oot, not in tolerance, out of calibration, rejected, non-compliant",
}
CALIBRATION_RESULTS = tuple(_CALIBRATION_RESULTS)


def campus_names(campuses: Iterable[str]) -> dict[str, dict[str, str]]:
    """The validation context that `parse_campus` looks campuses up in."""
    return {"campuses": {name.casefold(): name for name in campuses}}


def parse_campus(cell: object, info: ValidationInfo) -> str:
    if is_blank(cell):
        raise missing()
    refuse_error_cell(cell)
    campuses: Mapping[str, str] = (info.context or {}).get("campuses", {})
    text = text_of(cell)
    name = campuses.get(text.casefold())
    if name is None:
        known = ", ".join(sorted(campuses.values()))
        advice = _word_meant(text.casefold(), tuple(campuses.items())) or "Write the one that it belongs to"
        raise problem("unknown_campus", f"No such campus is set up here; known are: {known}.", advice)
    return name


_LONGEST_NAME, _SHORTEST_WORD = 100, 4
"""Of what may be a slip of the pen; of a word in it that may be mistyped."""
_NUMERAL = re.compile("[ivxlc]+")
"""Roman."""


def _differs_by_a_slip(text: str, name: str) -> bool:
    """In one word, and that a long one: A is none of B, nor SE of NE, nor III of II."""
    words, others = text.split(), name.split()
    differing = [(one, other) for one, other in zip(words, others, strict=False) if one != other]
    if len(words) != len(others) or len(differing) != 1:
        return False
    one, other = differing[0]
    is_telling = min(len(one), len(other)) >= _SHORTEST_WORD and not _NUMERAL.fullmatch(one + other)
    return is_telling and abs(len(one) - len(other)) <= 1 and _is_a_slip(one, other)


def _is_a_slip(one: str, other: str) -> bool:
    """One letter too many, too few or wrong, or two in the wrong order; no digit."""
    start = _alike_in_front(one, other)
    one, other = one[start:], other[start:]
    end = _alike_in_front(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    if any(map(str.isnumeric, one + other)):
        return False
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])


def _alike_in_front(one: str, other: str) -> int:
    """How many letters."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# what is certain, beside the functions above: printable, no blank in front or behind, no error cell; no plus sign in
# what may be a number that Excel has shown as 1.719E+11
_WORDS = r"[!\"$-~\p{L}\p{N}\p{S}][!-~\p{L}\p{M}\p{N}\p{P}\p{S}]*(?: [!-~\p{L}\p{M}\p{N}\p{P}\p{S}]+)*"
_CODE = "[A-Z0-9._/:()-]+"
_CERTAIN_TAG = Certain("[A-Z0-9._/-]*[A-Z1-9][A-Z0-9._/-]*", 64)
_CERTAIN_PO = Certain(r"[!\"$-*,-~](?:[ -*,-~]*[!-*,-~])?", 40)
_CERTAIN_EMAIL = Certain(r"[A-Za-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", 254)
CERTAIN_CODE = Certain(f"{_CODE}(?: {_CODE})*", 64)
"""Of an identifier."""


def _certain_text(longest: int) -> Certain:
    return Certain(r"[!\"$-~](?:[ -~]*[!-~])?", longest, wider=_WORDS)


def _certain_place(longest: int) -> Certain:
    return Certain(r"[!\"$-~][!-~]*(?: [!-~]+)*", longest, wider=_WORDS)


_IS_CODE = Written("identifier")
_EMAIL_SHAPE = Shape(longest=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")

AssetTag = Annotated[str, required(parse_asset_tag), Shape(longest=64, pattern=r"^\S+$"), _IS_CODE, _CERTAIN_TAG]
TagInUse = Annotated[str, required(parse_tag_in_use), Shape(longest=64, pattern=r"^\S+$"), _IS_CODE, _CERTAIN_TAG]
LeadingAssetTag = Annotated[
    str, required(parse_leading_asset_tag), Shape(longest=64, pattern=r"^[^\s|]+$"), _IS_CODE, _CERTAIN_TAG
]
ItemCode = Annotated[
    str,
    required(identifier("item code", 64, leads_key=True)),
    Shape(longest=64, pattern=r"^[^|]+$"),
    _IS_CODE,
    CERTAIN_CODE,
]
PoNumber = Annotated[str, required(parse_po_number), Shape(longest=40), _IS_CODE, _CERTAIN_PO]
OptionalPoNumber = Annotated[str | None, optional(parse_po_number), Shape(longest=40), _IS_CODE, _CERTAIN_PO]
OptionalItemCode = Annotated[
    str | None,
    optional(identifier("item code", 64, leads_key=True)),
    Shape(longest=64, pattern=r"^[^|]+$"),
    _IS_CODE,
    CERTAIN_CODE,
]
OptionalCode = Annotated[str | None, optional(identifier("number", 64)), Shape(longest=64), _IS_CODE, CERTAIN_CODE]
"""A number or code that somebody else gave: of a lot, a certificate, a seal, an invoice."""
ItemName = Annotated[str, required(text_up_to(500)), Shape(longest=500), _certain_text(500)]
Location = Annotated[str, required(text_up_to(200)), Shape(longest=200), _certain_text(200)]
Place = Annotated[str, required(place_up_to(200)), Shape(longest=200), _certain_place(200)]
"""A location that is part of a key, or that one row has in common with the next."""
OptionalPlace = Annotated[str | None, optional(place_up_to(200)), Shape(longest=200), _certain_place(200)]
OptionalLocation = Annotated[str | None, optional(text_up_to(200)), Shape(longest=200), _certain_text(200)]
Category = Annotated[str, required(parse_category), Shape(choices=CATEGORIES)]
OptionalCategory = Annotated[str | None, optional(parse_category), Shape(choices=CATEGORIES)]
CalibrationResult = Annotated[
    str,
    required(
        word_of("unknown_result", "result", spellings(_CALIBRATION_RESULTS), "Choose the one that fits best"),
    ),
    Shape(choices=CALIBRATION_RESULTS),
]
Email = Annotated[str, required(parse_email), _EMAIL_SHAPE, Written("email"), _CERTAIN_EMAIL]
OptionalEmail = Annotated[str | None, optional(parse_email), _EMAIL_SHAPE, Written("email"), _CERTAIN_EMAIL]
CampusName = Annotated[str, BeforeValidator(parse_campus)]
OptionalText = Annotated[str | None, optional(text_up_to(500)), Shape(longest=500), _certain_text(500)]
LongText = Annotated[str | None, optional(text_up_to(4_000)), Shape(longest=4_000), _certain_text(4_000)]
