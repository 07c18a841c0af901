"""Substances, their hazards and what marks them as waste.

Belongs here: the shape of one cell of such a column, with the paragraph of the rules (W…) that it comes from. Not here:
what the regulations demand of a container or of a movement (categories, clocks, custody), units (quantities.py).
"""

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from hub_pipelines.validate.feeds.quantities import if_digits, whole_number, with_digits
from hub_pipelines.validate.feeds.types import (
    CERTAIN_CODE,
    HYPHENS,
    INVISIBLE,
    identifier,
    optional,
    problem,
    refuse_date_cell,
    required,
    spellings,
    text_of,
    word_of,
)
from hub_pipelines.validate.model import Beside, Certain, Shape, Written

if TYPE_CHECKING:
    import pyarrow

# -- CAS numbers -----------------------------------------------------------------------------------------------------

_CAS_PREFIX = re.compile(r"cas(?:\s*-?\s*rn)?\s*(?:#|no\.?|number|nr\.?)?\s*[:#]?\s*", re.I)
_CAS = re.compile(r"(\d{2,7})-(\d{2})-(\d)", re.A)
_CAS_INSIDE = re.compile(r"(?<![\d-])\d{2,10}-\d{2}-\d(?![\d-])", re.A)
_ANY_CAS_PREFIX = re.compile(rf"\b{_CAS_PREFIX.pattern}", re.I)
_BETWEEN_CAS = re.compile(r"[,;/&+\s]+|\band\b", re.I)
_NO_CAS = frozenset({"n/a", "na", "none", "mixture", "-", "--", "not applicable"})


def parse_cas_number(cell: object) -> str | None:
    """W01: a CAS registry number with its check digit. A mixture or a kit has none."""
    refuse_date_cell(cell)
    text = without_cas_prefix(text_of(cell))
    if not text or text.casefold() in _NO_CAS:
        return None
    if len(_CAS_INSIDE.findall(text)) > 1:
        raise problem(
            "bad_cas", "The cell holds several CAS numbers.", "Keep the main one here, or give each its own row"
        )
    return _one_cas(text)


def without_cas_prefix(text: str) -> str:
    """A cell's text with plain hyphens, and without CAS No. in front."""
    text = text.translate(HYPHENS).strip()
    return _CAS_PREFIX.sub("", text, count=1) if text[:3].casefold() == "cas" else text


def _one_cas(text: str) -> str:
    text = text.translate(INVISIBLE)
    match = _CAS.fullmatch(_with_hyphens(text)) or _CAS.fullmatch(_with_hyphens("".join(text.split())))
    if match is None:
        raise problem("bad_cas", "This is not a CAS number such as 67-64-1.")
    return _checked_cas(*match.groups())


def parse_cas_numbers(cell: object) -> str | None:
    """W01 for a mixture: its parts' CAS numbers, one after the other in one cell."""
    refuse_date_cell(cell)
    text = text_of(cell).translate(HYPHENS).strip()
    if text.casefold() in _NO_CAS:
        return None
    tokens = [token for token in _BETWEEN_CAS.split(_ANY_CAS_PREFIX.sub(" ", text)) if token]
    if not all(_CAS.fullmatch(_with_hyphens(token)) for token in tokens):
        inside = "; ".join(dict.fromkeys(_CAS_INSIDE.findall(text)))
        raise problem(
            "bad_cas", "The cell holds something beside CAS numbers such as 67-64-1; 64-17-5.", inside or None
        )
    return ";".join(dict.fromkeys(_one_cas(token) for token in tokens)) or None


def _with_hyphens(text: str) -> str:
    shaped = text.isdigit() or re.fullmatch(r"\d+-\d{2}-\d", text, re.A)
    bare = text.replace("-", "").lstrip("0")
    return cas_with_hyphens(bare) if shaped and len(bare) >= 5 else text


def cas_with_hyphens(digits: str) -> str:
    """Of at least five digits without zeros in front."""
    return f"{digits[:-3]}-{digits[-3:-1]}-{digits[-1]}"


def cas_check_digit(digits: str) -> bool:
    """W01: whether the last digit is the one that the others make."""
    return _right_digit(digits[:-1]) == digits[-1]


def _right_digit(digits: str) -> str:
    return str(sum(place * int(digit) for place, digit in enumerate(reversed(digits), start=1)) % 10)


def _check_digits_fit(numbers: "pyarrow.StringArray") -> "pyarrow.BooleanArray":
    """W01 as `cas_check_digit`, of many CAS numbers with hyphens."""
    import numpy
    import pyarrow
    from pyarrow import compute

    digits = compute.utf8_lpad(compute.replace_substring(numbers, "-", ""), 10, "0")
    # each is ten bytes now, one behind the other
    each = numpy.frombuffer(digits.buffers()[2], numpy.uint8, 10 * len(digits)).reshape(-1, 10) - ord("0")
    return pyarrow.array(each[:, :9] @ numpy.arange(9, 0, -1) % 10 == each[:, 9])


def _checked_cas(first: str, second: str, check: str) -> str:
    right = _right_digit(first + second)
    if check != right:
        raise problem(
            "cas_check_digit",
            f"The last digit of this CAS number does not fit the others: {check} should be {right}.",
            f"{first}-{second}-{right} if only the last digit is wrong; compare with the label",
        )
    return f"{first}-{second}-{check}"


# -- hazards ---------------------------------------------------------------------------------------------------------

_HAZARD_CODE = re.compile(r"EUH\d{3}[A-Z]?|H[2-4]\d{2}[A-Za-z]{0,3}", re.A)


_WRONG_NAMED = 5
_HAZARD_GAP = re.compile(r"\band\b|\bund\b|\bet\b|(?<=\s)[-–—](?=\s)|[,;/|&\s.:()\[\]、，；•·]+", re.I)
_SPLIT_PREFIX = re.compile(r"\b(EUH|H)[\s-]+(?=\d{3}(?!\d))", re.I)
_RUN_TOGETHER = re.compile(rf"(?:{_HAZARD_CODE.pattern})(?=[EH]|$)", re.A | re.I)
_NO_HAZARD = frozenset({"n/a", "na", "none", "-", "--", "not hazardous", "non-hazardous", "nonhazardous"})


def parse_hazard_codes(cell: object) -> str | None:
    """W07: GHS hazard statements, each once; `+` joins the ones that stand together."""
    text = unicodedata.normalize("NFKC", text_of(cell).translate(INVISIBLE))
    if text.casefold() in _NO_HAZARD:
        return None
    text = _SPLIT_PREFIX.sub(r"\1", re.sub(r"\s*\+\s*", "+", text))
    tokens = [token for token in _HAZARD_GAP.split(text) if token]
    found = [code for token in tokens for code in _run_together(token)]
    codes = {code: "+".join(map(_cased, code.split("+"))) for code in found}
    wrong = [code for code, cased in codes.items() if not all(map(_HAZARD_CODE.fullmatch, cased.split("+")))]
    if wrong:
        right = " ".join(dict.fromkeys(cased for code, cased in codes.items() if code not in wrong))
        named = " and ".join(f'"{code[:40]}"' for code in wrong[:_WRONG_NAMED])
        raise _no_hazard_code(wrong[0], f"Correct {named}, or write {right} without {_it(wrong)}" if right else None)
    return ";".join(dict.fromkeys(codes.values())) or None


def _it(several: list[str]) -> str:
    return "it" if len(several) == 1 else "them"


def _run_together(token: str) -> list[str]:
    """`H225H319` is two codes."""
    pieces = _RUN_TOGETHER.findall(token)
    return pieces if len(pieces) > 1 and "".join(pieces) == token else [token]


def parse_hazard_code(text: str) -> str:
    """One GHS hazard statement."""
    code = _cased(text)
    if not _HAZARD_CODE.fullmatch(code):
        raise _no_hazard_code(text)
    return code


def _cased(text: str) -> str:
    """Upper case only in front: the letters behind (H360Fd) carry meaning in their case."""
    return text.upper() if text[:3].upper() == "EUH" else text[:1].upper() + text[1:]


def _no_hazard_code(text: str, suggestion: str | None = None) -> PydanticCustomError:
    return problem("bad_hazard_code", f'"{text[:40]}" is not a hazard code such as H225 or EUH066.', suggestion)


# the classes that EPA's e-Manifest takes (W06), and their names in 49 CFR 173.2
_EXPLOSIVES = (
    "1.1A 1.1B 1.1C 1.1D 1.1E 1.1F 1.1G 1.1J 1.1L 1.2B 1.2C 1.2D 1.2E 1.2F 1.2G 1.2H 1.2J 1.2K 1.2L "
    "1.3C 1.3G 1.3H 1.3J 1.3K 1.3L 1.4B 1.4C 1.4D 1.4E 1.4F 1.4G 1.4S 1.5D 1.6N"
)
_HAZARD_CLASSES = {
    **dict.fromkeys(_EXPLOSIVES.split(), ""),
    "2.1": "flammable gas, flammable gases",
    "2.2": "non-flammable gas, nonflammable gas, non-flammable compressed gas",
    "2.3": "poison gas, toxic gas, poisonous gas",
    "3": "flammable liquid, flammable liquids",
    "4.1": "flammable solid, flammable solids",
    "4.2": "spontaneously combustible, spontaneously combustible material",
    "4.3": "dangerous when wet, dangerous when wet material",
    "5.1": "oxidizer, oxidizers, oxidiser",
    "5.2": "organic peroxide, organic peroxides",
    "6.1": "poison, poisonous material, poisonous materials, toxic",
    "6.2": "infectious substance, infectious substances",
    "7": "radioactive, radioactive material",
    "8": "corrosive, corrosives, corrosive material",
    "9": "miscellaneous, miscellaneous hazardous material",
    "Comb liq": "combustible liquid, combustible",
    "ORM-D": "orm d",
}
HAZARD_CLASSES = tuple(_HAZARD_CLASSES)
_hazard_class = word_of(
    "bad_hazard_class", "hazard class", spellings(_HAZARD_CLASSES), "Write the DOT class, such as 3 or 6.1"
)
_CLASS_WORD = re.compile(r"(?:dot |hazard )?(?:class|division|div\.?) *", re.I)


def parse_hazard_class(cell: object) -> str:
    """W06: the primary DOT hazard class or division, by its number or its name in 49 CFR 173.2."""
    refuse_date_cell(cell)
    text = _CLASS_WORD.sub("", text_of(cell), count=1)
    if text.casefold() == "flammable":
        raise problem(
            "bad_hazard_class",
            "A liquid, a gas and a solid have different classes.",
            "3 (liquid), 2.1 (gas) or 4.1 (solid)",
        )
    subsidiary = re.fullmatch(r"([1-9](?:\.\d)?)\s*[(,/]\s*[1-9](?:\.\d)?\)?", text)
    if subsidiary:
        raise problem(
            "bad_hazard_class", "The cell holds several classes; only the primary one is taken.", subsidiary[1]
        )
    return _hazard_class(text)


_PACKING_GROUPS = {"I": "1", "II": "2", "III": "3"}
_packing_group = word_of("bad_packing_group", "packing group", spellings(_PACKING_GROUPS))


def parse_packing_group(cell: object) -> str | None:
    """W06: how dangerous in transport. Some classes have none."""
    text = re.sub(r"^(?:packing group|pg)[ -]*", "", text_of(cell), flags=re.I)
    return None if text.casefold() in {"", "n/a", "na", "none", "-"} else _packing_group(text)


def parse_un_number(cell: object) -> str:
    """W06: the number of 49 CFR 172.101, or NOID for a shipping name that has none."""
    refuse_date_cell(cell)
    text = re.sub(r"[\s#.-]+", "", text_of(cell)).upper()
    if re.fullmatch(r"\d{4}", text, re.A):
        reason = "Of this number it is not told whether it is a UN number or a North American one (NA)."
        raise problem("bad_un_number", reason, f"UN{text}, or NA{text}")
    if not re.fullmatch(_UN_NUMBER, text, re.A):
        raise problem("bad_un_number", "This is not a UN number such as UN1090; NOID stands for none.")
    return text


_UN_NUMBER = r"(?:UN|NA)\d{4}|ID8000|NOID"

# -- waste -----------------------------------------------------------------------------------------------------------

_F_CODES = frozenset(f"F{number:03}" for number in (*range(1, 13), *range(19, 29), 32, 34, 35, 37, 38, 39))
_WORDS = ("LABP", "PHARMS", "PHRM")
_LAST_OF = {"D": 43, "K": 181, "P": 205, "U": 411}
_LISTED_IN = {"D": 24, "F": 31, "K": 32, "P": 33, "U": 33}
"""Sections of 40 CFR 261. One code is not suggested for another: which one a waste has follows from what it is."""
_WASTE_CODE = re.compile(r"([DFKPU])(\d{3})", re.A)
_STATE_CODE = re.compile(r"[A-Z0-9]{2,8}")


def parse_waste_codes(cell: object) -> str | None:
    """W02: federal waste codes, each once (40 CFR 261.20-.33).

    D and F codes must be on their lists. K, P and U codes must lie within theirs, whose gaps are not known here.
    LABP is EPA's code for lab packs, PHARMS and PHRM are those for pharmaceuticals (40 CFR 266.508).
    """
    refuse_date_cell(cell)
    return _each_once(text_of(cell), _waste_code)


def _each_once(text: str, check: Callable[[str], str]) -> str | None:
    tokens = [token for token in re.split(r"[,;/\s]+", text.upper()) if token]
    if tokens in (["N", "A"], ["NONE"], ["-"]):
        return None
    return ";".join(dict.fromkeys(map(check, tokens))) or None


def _waste_code(code: str) -> str:
    match = _WASTE_CODE.fullmatch(code)
    if code in _WORDS or (match and (code in _F_CODES or 0 < int(match[2]) <= _LAST_OF.get(match[1], 0))):
        return code
    if match:
        where = f"The codes are listed in 40 CFR 261.{_LISTED_IN[match[1]]}"
        raise problem("unknown_waste_code", f"There is no federal waste code {code}.", where)
    raise problem(
        "bad_waste_code",
        f'"{code[:40]}" is not a federal waste code such as D001, F003 or LABP.',
        _code_meant(code) or "A state's own code belongs in state_waste_codes",
    )


def _code_meant(code: str) -> str | None:
    if short := re.fullmatch(r"([DFKPU])-?(\d{1,3})", code, re.A):
        return f"{short[1]}{int(short[2]):03}"
    meant = with_digits(code)
    return if_digits(meant, code) if meant is not None and _WASTE_CODE.fullmatch(meant) else None


def parse_state_waste_codes(cell: object) -> str | None:
    """W02: a state's own codes, which have shapes of their own (BCRUSH, WT02, AK3669, three digits in California)."""
    refuse_date_cell(cell)
    return _each_once(text_of(cell), _state_waste_code)


def _state_waste_code(code: str) -> str:
    if not _STATE_CODE.fullmatch(code):
        raise problem("bad_waste_code", f'"{code[:40]}" is not a waste code of 2 to 8 letters and digits.')
    return code


_GENERATOR_CATEGORIES = {
    "LQG": "large quantity generator, large",
    "SQG": "small quantity generator, small",
    "VSQG": "very small quantity generator, very small, cesqg, conditionally exempt small quantity generator",
}
GENERATOR_CATEGORIES = tuple(_GENERATOR_CATEGORIES)
_UNREGISTERED = frozenset({"VSQG", "CESQG", "NCCESQG"})
_EPA_ID = r"[A-Z]{2}[A-Z0-9]{10}"


def parse_epa_id(cell: object) -> str:
    """W04: the site's EPA ID (40 CFR 262.18), or what stands for it where a very small generator has none."""
    refuse_date_cell(cell)
    text = re.sub(r"[\s-]+", "", text_of(cell)).upper()
    if text in _UNREGISTERED:
        return text
    if not re.fullmatch(_EPA_ID, text, re.A):
        reason = "An EPA ID has 12 characters and begins with the two letters of the state, such as NYD000000000."
        raise problem("bad_epa_id", reason, None if len(text) == 12 else f"This one has {len(text)} characters")
    return text


def of_category(column: str) -> Beside:
    """W04: VSQG and its older names in place of an EPA ID only where the column `column` says that the site is one."""

    def check(epa_id: str | None, info: ValidationInfo) -> str | None:
        if epa_id in _UNREGISTERED and (info.data or {}).get(column, "VSQG") != "VSQG":
            raise problem(
                "bad_epa_id",
                "Only a very small quantity generator may be without an EPA ID.",
                f"Write the site's EPA ID, or VSQG in {column}",
            )
        return epa_id

    return Beside(check, (column,))


def parse_manifest_number(cell: object) -> str:
    """W05: the tracking number of a manifest (EPA 8700-22)."""
    refuse_date_cell(cell)
    text = re.sub(r"[\s-]+", "", text_of(cell)).upper()
    if not re.fullmatch(_MANIFEST_NUMBER, text, re.A):
        reason = "A manifest tracking number has 9 digits and 3 letters, such as 123456789ELC."
        raise problem("bad_manifest_number", reason, "Copy it from the manifest with its three letters")
    return text


_MANIFEST_NUMBER = r"\d{9}[A-Z]{3}"

# -- containers and what happens to them -----------------------------------------------------------------------------

_STATES = {
    "solid": "s, solids, powder, crystals, crystalline, granules, pellets",
    "liquid": "l, liq, liquids, solution, aqueous, aqueous solution",
    "gas": "g, gases, vapor, vapour, compressed gas, liquefied gas",
    "sludge": "sl, slurry, paste, gel, semi-solid, semisolid",
    "aerosol": "aerosols",
    "debris": "lab debris, contaminated debris",
}
PHYSICAL_STATES = tuple(_STATES)

_EVENTS = {
    "created": "create, started, generated, first use, filled, new",
    "received": "receive, receipt, accepted, check in, checked in",
    "moved": "move, relocated, relocation",
    "transferred": "transfer, handed over, handover, hand over, custody transfer",
    "collected": "collect, picked up, pickup, pick up",
    "opened": "open, unsealed",
    "sealed": "seal, closed, resealed",
    "sampled": "sample, sampling, analyzed, analysed",
    "weighed": "weigh, measured",
    "inspected": "inspect, inspection, checked, check",
    "consolidated": "consolidate, combined, bulked, merged, lab packed",
    "used": "use, dispensed, withdrawn, partly used",
    "shipped": "ship, sent, shipment, dispatched, check out, checked out",
    "disposed": "dispose, disposal, destroyed, treated, incinerated",
    "corrected": "correct, correction, adjusted, adjustment",
}
EVENT_TYPES = tuple(_EVENTS)
"""What may happen to a container on its way (W41). What was recorded wrongly is corrected by an event of its own."""


def _list_of(one: str) -> str:
    return rf"^(?:{one})(?:;(?:{one}))*$"


_CERTAIN_CAS = Certain(r"[1-9]\d{1,6}-\d{2}-\d", also=_check_digits_fit)
_GHS = r"EUH\d{3}[A-Z]?|H[2-4]\d{2}[A-Za-z]{0,3}"
_CONTAINER_ID = identifier("container id", 64, leads_key=True)

ContainerId = Annotated[
    str, required(_CONTAINER_ID), Shape(longest=64, pattern=r"^[^|]+$"), Written("identifier"), CERTAIN_CODE
]
CasNumber = Annotated[
    str | None, optional(parse_cas_number), Shape(pattern=r"^\d{2,7}-\d{2}-\d$"), Written("cas"), _CERTAIN_CAS
]
CasNumbers = Annotated[
    str | None, optional(parse_cas_numbers), Shape(pattern=_list_of(r"\d{2,7}-\d{2}-\d")), Written("cas"), _CERTAIN_CAS
]
HazardCodes = Annotated[str | None, optional(parse_hazard_codes), Shape(pattern=rf"^(?:{_GHS})(?:[+;](?:{_GHS}))*$")]
HazardClass = Annotated[str | None, optional(parse_hazard_class), Shape(choices=HAZARD_CLASSES)]
PackingGroup = Annotated[str | None, optional(parse_packing_group), Shape(choices=tuple(_PACKING_GROUPS))]
UnNumber = Annotated[str | None, optional(parse_un_number), Shape(pattern=rf"^(?:{_UN_NUMBER})$")]
WasteCodes = Annotated[
    str | None, optional(parse_waste_codes), Shape(pattern=_list_of(rf"[DFKPU]\d{{3}}|{'|'.join(_WORDS)}"))
]
StateWasteCodes = Annotated[str | None, optional(parse_state_waste_codes), Shape(pattern=_list_of("[A-Z0-9]{2,8}"))]
GeneratorCategory = Annotated[
    str | None,
    optional(word_of("unknown_generator_category", "generator category", spellings(_GENERATOR_CATEGORIES))),
    Shape(choices=GENERATOR_CATEGORIES),
]
EpaId = Annotated[str | None, optional(parse_epa_id), Shape(pattern=rf"^(?:{_EPA_ID}|VSQG|CESQG|NCCESQG)$")]
ManifestNumber = Annotated[str | None, optional(parse_manifest_number), Shape(pattern=rf"^{_MANIFEST_NUMBER}$")]
PhysicalState = Annotated[
    str | None,
    optional(word_of("unknown_state", "physical state", spellings(_STATES), "Choose the one that fits best")),
    Shape(choices=PHYSICAL_STATES),
]
EventType = Annotated[
    str,
    required(word_of("unknown_event", "event", spellings(_EVENTS), "Choose the one that fits best")),
    Shape(choices=EVENT_TYPES),
]
EventSeq = Annotated[
    str,
    required(whole_number("bad_event_seq", "event's number", 999_999)),
    Shape("integer", minimum="0", maximum="999999"),
]
