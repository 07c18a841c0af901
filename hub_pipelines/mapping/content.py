"""What the values of a column look like.

Belongs here: telling kinds of values apart, cheaply and for any sender. Not here: which column of a contract such
values speak for (fits), whether a value is right (the contracts, validate/feeds), what a date or a unit is worth
(conventions), headings (likeness).
"""

import datetime
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic_core import PydanticCustomError

from hub_pipelines.validate.feeds.chemicals import EVENT_TYPES, HAZARD_CLASSES, PHYSICAL_STATES
from hub_pipelines.validate.feeds.money import CURRENCIES
from hub_pipelines.validate.feeds.types import CALIBRATION_RESULTS, CATEGORIES, HYPHENS, parse_asset_tag
from hub_pipelines.validate.model import Cell


def words_in(text: str) -> frozenset[str]:
    """The words of a list that is written as text."""
    return frozenset(text.split())


_MOST_VALUES = 150
MOST_PROFILED = 400
"""A header may have thousands of columns; what a person would look at is among the first."""
_MOST_EXAMPLES = 3
_LARGEST = 10**15
_LONGEST_EXAMPLE = 40
ENOUGH = 3
"""So many values say something about their column; fewer only hint at it."""

_UNITS = words_in(
    """
    mg mgs g gm gms gr gram grams gramm grammes kg kgs kilo kilos kilogram kilograms t tonne oz lb lbs pound
    pounds ug µg μg ng
    ul µl μl nl ml mls milliliter milliliters millilitre cl dl l ltr ltrs lt liter liters litre litres liter(s) floz pt
    qt gal gallon gallons m3 ft3 cc cm3 ea each pc pcs piece pieces unit units tablet tablets test tests rxn rxns
    box boxes bx pack packs pk pkg package packet case cases cs carton ctn bag bags bottle bottles btl can cans jar
    jars vial vials tube tubes ampule ampules ampoule ampoules cylinder cylinders cyl drum drums pail bucket roll rolls
    sheet sheets pair pairs pr set sets kit kits dozen dz mm cm m um nm mmol mol umol nmol iu u
    stück stk stücke flasche flaschen packung dose dosen karton gebinde
    pièce pièces flacon flacons boîte boîtes bouteille bouteilles unité
    pieza piezas frasco frascos caja cajas botella unidad unidades pezzo pezzi flacone flaconi scatola bottiglia
    peça peças frascos caixa caixas garrafa unid un und stuks fles flessen doos st flaska förp szt op
    г кг мг мкг л мл мкл шт уп упак упаковка флакон фл банка бутылка пара набор т м
    瓶 盒 个 個 箱 包 袋 支 台 套 件 桶 罐 克 千克 毫升 升 本 缶 枚 個 セット 병 개 박스 통 봉 กก ก ล ขวด กล่อง ชิ้น
    """
)
_MEASURES = words_in(
    "mg g kg µg μg ug ng lb oz µl μl ul ml l cl dl m3 gal г кг мг мл л мкл mm cm nm mmol umol nmol mol"
)
_PLAIN_CURRENCIES = words_in(
    "USD EUR GBP CHF JPY CNY CAD AUD SEK NOK DKK RUB INR KRW BRL MXN PLN CZK THB ZAR SGD NZD HKD"
)
_CURRENCY_MARKS = frozenset(("$", "€", "£", "¥", "us$", "usd$", "₽", "руб", "chf", "円", "元", "원", "฿", "r$", "fr"))
_NUMBER = r"[+-]?(?:\d{1,3}(?:[ .,'\u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d*)?|[.,]\d+)"
_IS_NUMBER = re.compile(_NUMBER)
_AMOUNT = re.compile(
    rf"(?:[~≈<>≤≥]\s*)?(?:\d+\s*[*x×]\s*)?{_NUMBER}\s*([^\W\d_]{{1,12}}\d?)\.?(?:\s*\([^)]*\)|\s+\w+)?", re.I
)
_MONEY = re.compile(
    rf"\(?\s*(?:[$€£¥₽฿]|US\$|R\$|[A-Z]{{3}})\s*-?{_NUMBER}\)?|-?{_NUMBER}\s*(?:[$€£¥₽฿]|[A-Z]{{3}}|руб\.?)"
)
_CAS = re.compile(r"0*(\d{2,7})-(\d{2})-(\d)", re.A)
_CAS_LIKE = re.compile(r"\d{2,7}-\d{2,3}-\d{1,4}", re.A)
_CAS_SPLIT = re.compile(r"[,;/\n]+|\s+(?:and|&)\s+|\s{1,}")
_H_CODES = re.compile(r"(?:(?:EUH\d{3}[A-Z]?|H[2-4]\d{2}[A-Za-z]{0,3})(?:\s*[+,;/\s]\s*|$))+", re.A)
_EMAIL = re.compile(r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.I)
_MONTHS = (
    r"(?:jan|feb|f[eé]v|mar|mär|apr|avr|abr|may|mai|maj|jun|juin|jul|juil|aug|ago|ao[uû]|sep|set|oct|okt|out|nov|dec|dez|d[eé]c|dic"
    r"|янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек)[^\W\d]*\.?"
)
_CLOCK = r"(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[ap]\.?m\.?)?\s*(?:Z|[A-Z]{2,4}|[+-]\d{2}:?\d{2})?)"
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{4}年\d{1,2}月(?:\d{1,2}日)?"
    rf"|\d{{1,2}}[-\s./]*{_MONTHS}(?:[-\s./,]*\d{{2,4}})?|{_MONTHS}[-\s./]*\d{{1,2}},?\s+\d{{4}}|{_MONTHS}[-\s./]*\d{{2,4}})"
)
_IS_DAY = re.compile(_DAY, re.I)
_IS_TIME = re.compile(_DAY + _CLOCK, re.I)
_IS_MONTH = re.compile(r"(?:0?[1-9]|1[0-2])[/.-](?:19|20)\d{2}|(?:19|20)\d{2}[/.-](?:0?[1-9]|1[0-2])", re.A)
_COMPACT_DAY = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.A)
_UN = re.compile(r"(?:UN|NA)\s?-?\d{4}", re.I | re.A)
_WASTE = re.compile(r"(?:[DFKPU]\d{3}|LABP|PHARMS|PHRM)(?:[\s,;/]+(?:[DFKPU]\d{3}|LABP|PHARMS|PHRM))*", re.A)
_EPA_ID = re.compile(r"[A-Z]{2}[A-Z0-9]\d{9}", re.A)
_MANIFEST = re.compile(r"\d{9}\s?[A-Z]{3}", re.A)
_ALN = re.compile(r"\d{2}\.[0-9A-Z]{3}", re.A)
_UEI = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-HJ-NP-Z1-9][A-HJ-NP-Z0-9]{11}", re.A)
_PERCENT = re.compile(r"\d+(?:[.,]\d+)?\s*(?:%|percent|pct)", re.I)
_CODE = re.compile(r"(?=.*\d)[\w#./+-]{2,40}(?: [\w-]{1,8})?")
_TAG = re.compile(r"(?=.*\d)\S{3,64}")
_GRID = re.compile(r"[A-Z]{1,2}-?\d{1,3}|\d{1,2}[A-Z]", re.A)
_PLACE = re.compile(
    r"\b(?:room|rm|lab|labo|labor|bench|shelf|shelves|cabinet|cupboard|fridge|freezer|refrigerator|drawer|hood|rack|hall|"
    r"building|bldg|store|storage|stockroom|bay|bin|tank|dewar|locker|closet|cold|flam\w*|acid cab\w*|corner|table|"
    r"raum|schrank|regal|kühlschrank|lager|keller|armoire|étagère|salle|frigo|cong[ée]lateur|sala|estante|armario|anaquel|"
    r"gaveta|armário|prateleira|armadio|scaffale|kast|vriezer|kamer|plank|skåp|hylla|szafa|regał|pokój|"
    r"шкаф|полка|комната|каб|холодильник|морозильник|лаб\w*|склад|вытяжной)\b|柜|室|架|库|櫃|庫|棚|시약장|냉장고|실|ตู้|ห้อง|"
    r"-(?:20|80|70|196)\b|\b4 ?°?C\b|LN2",
    re.I,
)
_SUPPLIER_NAMES = r"""
    sigma, aldrich, merck, millipore, fisher, thermo, vwr, avantor, invitrogen, gibco, life tech\w*, abcam, bio-?rad,
    qiagen, promega, neb, new england bio\w*, roche, corning, falcon, eppendorf, rainin, mettler, sartorius, agilent,
    waters, perkin\s?elmer, bd, becton, biolegend, cell signaling, cst, santa cruz, r&d systems, miltenyi, stem ?cell,
    lonza, takara, clontech, illumina, idt, integrated dna, eurofins, genscript, twist, addgene, atcc, alfa aesar,
    acros, tci, strem, oakwood, combi-?blocks, ambeed, roth, carlo erba, panreac, applichem, j\.?t\.? ?baker,
    mallinckrodt, emd, fluka, riedel\w*, honeywell, matheson, airgas, praxair, linde, air liquide, carolina, ward'?s,
    flinn, cole-?parmer, grainger, mcmaster\w*, amazon, uline, staples, whatman, cytiva, ge healthcare, pall, nunc,
    nalgene, kimble, pyrex, duran, greiner, sarstedt, starlab, axygen, usa scientific, genesee, denville,
    research products, rpi, cayman, selleck\w*, medchem\w*, tocris, enzo, peprotech, jackson immuno\w*, thorlabs,
    edmund, newport, newark, digi-?key, mouser, dell, hp, apple, lenovo, leica, zeiss, nikon, olympus, beckman, hach,
    ysi, labconco, tuttnauer, getinge, shimadzu, bruker, jeol, hitachi, horiba, konica, canon, hamilton, tecan, trescal,
    polysciences, synth, dinâmica, loba, rci, qrec, univar, ajax, chem-?supply, solveco, poch, chempur, meyer,
    вектон, реахим, химмед, диаэм, хеликон, wako, kanto, nacalai, inc, ltd, llc, gmbh, corp, plc, pty, scientific,
    biotech, chemicals, laboratories, technologies
"""
_SUPPLIERS_UNSPACED = "国药|阿拉丁|麦克林|西陇|泰坦|和光|関東化学|ナカライ|東京化成|大正|대정|삼전|덕산|시그마"
_SUPPLIERS = re.compile(
    rf"\b(?:{'|'.join(one.strip() for one in _SUPPLIER_NAMES.split(','))})(?:\b|_)|{_SUPPLIERS_UNSPACED}", re.I
)
_CHEMICAL = re.compile(
    r"(?:ide|ate|ite|ine|ol|one|ane|ene|yne|ose|ase|acid|oxide|amine|amide|ether|sulfate|ium|ether|agar|agarose|water|buffer|"
    r"кислота|ат|ид|он|ол|酸|醇|酮|钠|钾|胺|酯|エタノール|アセトン)\b|"
    r"\b(?:sodium|potassium|calcium|ammonium|magnesium|copper|zinc|iron|hydro\w+|methyl\w*|ethyl\w*|tris|edta|hepes|pbs|dmso)\b",
    re.I,
)
_BLANKS = frozenset(
    {"", "-", "--", "—", "–", "n/a", "na", "none", "null", "unknown", "?", "x", "tbd", "mixture", "nan", "нет", "无"}
)
_FLAGS = frozenset(
    {"y", "n", "yes", "no", "true", "false", "ja", "nein", "oui", "non", "да", "нет", "是", "否", "✓", "✔", "done"}
)
_RESULT_WORDS = frozenset(
    (
        *CALIBRATION_RESULTS,
        "passed",
        "failed",
        "ok",
        "in tolerance",
        "out of tolerance",
        "oot",
        "in calibration",
        "p",
        "f",
    )
)
_CATEGORY_WORDS = frozenset(form for one in CATEGORIES for form in (one, f"{one}s"))
_STATES = words_in(
    """
    sólido solido sólida solida líquido liquido líquida liquida gaseoso gaseosa gasoso gasosa solide liquide gaz gazeux
    fest feststoff flüssig flüssigkeit gasförmig vast vloeibaar liquidi solidi sólidos líquidos gassoso aeriforme
    """
)
"""Physical states in words that the contracts do not take."""
_IN_CELLS = words_in(
    """
    surface membrane intracellular extracellular intranuclear nuclear nucleus cytoplasm cytoplasmic cytosol cytosolic
    mitochondria mitochondrial secreted perinuclear golgi endosome lysosome
    """
)
"""Where in a cell an antibody binds, which lists call its localization."""
_WORDS = {
    "category": _CATEGORY_WORDS,
    "result": _RESULT_WORDS,
    "event": frozenset(EVENT_TYPES),
    "state": frozenset(PHYSICAL_STATES),
    "foreign_state": _STATES,
    "packing": frozenset(("i", "ii", "iii", "pg i", "pg ii", "pg iii")),
    "class": frozenset(one.casefold() for one in HAZARD_CLASSES),
    "flag": _FLAGS,
}


def is_unit(text: str) -> bool:
    """Whether a text is a unit of amount, whatever the language."""
    return text.strip().casefold().strip(".") in _UNITS


def is_measure(text: str) -> bool:
    """Whether a text can be nothing but a unit of mass or volume or a currency, even at the end of a heading, where
    words for vessels stand for themselves, and all and top are no currencies."""
    return text.casefold().strip(".") in _MEASURES or text in _PLAIN_CURRENCIES or text in _CURRENCY_MARKS


def is_currency(text: str) -> bool:
    """Whether a text is a currency's mark or code."""
    return text.strip().upper() in CURRENCIES or text.strip().casefold().strip(".") in _CURRENCY_MARKS


# -- one value -------------------------------------------------------------------------------------------------------


def kinds_of(cell: Cell) -> frozenset[str]:
    """The kinds that a value may be of; none for a value that says nothing."""
    if isinstance(cell, bool):
        return frozenset(("flag",))
    if isinstance(cell, datetime.datetime) and (cell.hour or cell.minute or cell.second):
        return frozenset(("date", "time"))
    if isinstance(cell, datetime.date):
        return frozenset(("date",))
    if isinstance(cell, datetime.time | datetime.timedelta):
        return frozenset(("clock",))
    if isinstance(cell, int | float):
        return _kinds_of_number(cell)
    return frozenset(_kinds_of_text(" ".join(cell.split()))) if isinstance(cell, str) else frozenset()


def _kinds_of_number(number: float) -> frozenset[str]:
    kinds = {"number"}
    if not abs(number) < _LARGEST:
        return frozenset(kinds)
    if float(number).is_integer():
        kinds |= {"integer", "code"}
        if _COMPACT_DAY.fullmatch(str(int(number))):
            kinds.add("compact_date")
        if _whole_cas(str(int(number))):
            kinds.add("cas_digits")
    if 20_000 <= number <= 60_000:
        kinds.add("serial_date")
    if 1 < number < 100 and not float(number).is_integer():
        kinds.add("aln")
    if f"{number:g}" in _WORDS["class"]:
        kinds.add("class")
    return frozenset(kinds)


def _kinds_of_text(text: str) -> Iterator[str]:
    low = text.casefold()
    if low in _BLANKS:
        return
    yield from (kind for kind, words in _WORDS.items() if low in words)
    if re.split(r"[^a-z]", low, maxsplit=1)[0] in _IN_CELLS:
        yield "in_cells"
    if text[0].isdigit() or text[0] in "+-.,$€£¥(~<>≈":
        yield from _kinds_with_digit_first(text)
    elif _MONEY.fullmatch(text):
        yield "money"
    if "@" in text and _EMAIL.search(text):
        yield "email"
    if _URL.match(text):
        yield "url"
        return
    if is_unit(text):
        yield "unit"
        if low.strip(".") in _MEASURES:
            yield "measure"
    if text.upper() in CURRENCIES:
        yield "currency"
    yield from _kinds_of_codes(text)
    if _IS_DAY.fullmatch(text) or _IS_MONTH.fullmatch(text):
        yield "date"
    elif _IS_TIME.fullmatch(text):
        yield from ("date", "time")
    if _PLACE.search(text):
        yield "place"
    elif _GRID.fullmatch(text) and not _WASTE.fullmatch(text):
        yield "grid"
    if _SUPPLIERS.search(text):
        yield "supplier"
    letters = sum(1 for char in text if char.isalpha())
    if letters >= 2 and letters >= 0.5 * len(text.replace(" ", "")):
        yield "words"
        if _CHEMICAL.search(text):
            yield "chemical"
    if len(text) > 60:
        yield "long"


def _kinds_with_digit_first(text: str) -> Iterator[str]:
    if _IS_NUMBER.fullmatch(text):
        yield "number"
        plain = text.lstrip("+-")
        if plain.isdigit():
            yield "integer"
            if _COMPACT_DAY.fullmatch(plain):
                yield "compact_date"
            if _whole_cas(plain):
                yield "cas_digits"
    else:
        amount = _AMOUNT.fullmatch(text)
        if amount:
            yield "amount" if is_unit(amount[1]) else "counted"
        if _MONEY.fullmatch(text):
            yield "money"
        if _PERCENT.fullmatch(text):
            yield "percent"
    cas = [part for part in _CAS_SPLIT.split(text) if part]
    if cas and all(is_cas(part) for part in cas):
        yield "cas"
    elif _CAS_LIKE.fullmatch(text):
        yield "cas_like"
    if _ALN.fullmatch(text):
        yield "aln"
    if _MANIFEST.fullmatch(text):
        yield "manifest"


def _kinds_of_codes(text: str) -> Iterator[str]:
    if text[:3].casefold() == "cas" and any(is_cas(part) for part in re.split(r"[\s:#]+", text)):
        yield "cas"
    if _CODE.fullmatch(text):
        yield "code"
    if text[0] in "EH" and _H_CODES.fullmatch(text):
        yield "h_codes"
    if text[0] in "UuNn" and _UN.fullmatch(text):
        yield "un"
    if text[0] in "DFKPUL" and _WASTE.fullmatch(text):
        yield "waste"
    if len(text) == 12 and _EPA_ID.fullmatch(text):
        yield "epa_id"
    elif len(text) == 12 and _UEI.fullmatch(text):
        yield "uei"


def is_cas(text: str) -> bool:
    """Whether a text is a CAS number whose check digit is right."""
    match = _CAS.fullmatch(text.translate(HYPHENS))
    return match is not None and _checks(match[1] + match[2], match[3])


def _whole_cas(digits: str) -> bool:
    return 5 <= len(digits) <= 10 and digits.isascii() and digits.isdigit() and _checks(digits[:-1], digits[-1])


def _checks(digits: str, check: str) -> bool:
    return sum(place * int(digit) for place, digit in enumerate(reversed(digits), start=1)) % 10 == int(check)


# -- one column ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    """What the values of one column look like: `count` of those that were looked at, `shares` of each kind (0 to 1)."""

    count: int = 0
    distinct: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    mean_length: float = 0.0
    running: bool = False
    """1, 2, 3 …: the numbers of the rows."""
    examples: tuple[str, ...] = ()

    def share(self, *kinds: str) -> float:
        """The share of the values that are of the first kind, or at most that of all together."""
        if len(kinds) == 1:
            return self.shares.get(kinds[0], 0.0)
        return min(1.0, sum(self.shares.get(kind, 0.0) for kind in kinds))

    @property
    def variety(self) -> float:
        return self.distinct / self.count if self.count else 0.0


def profile_of(sample: Sequence[list[Cell]], position: int, tags: Collection[str] = ()) -> Profile:
    """The profile of a column, from at most 150 of its filled cells, spread evenly over the sample. `tags` are those of
    `tags_perhaps` that the procurement list has."""
    values = _looked_at(sample, position)
    kinds: Counter[str] = Counter()
    judged = 0
    for value in values:
        of_value = kinds_of(value)
        if tags and tag_form(value) in tags:
            of_value |= {"registered"}
        if of_value or not _says_nothing(value):
            judged += 1
            kinds.update(of_value)
    if not judged:
        return Profile(examples=_examples(values))
    texts = [_written(value) for value in values]
    return Profile(
        count=judged,
        distinct=len(set(texts)),
        shares={kind: count / judged for kind, count in kinds.items()},
        mean_length=sum(map(len, texts)) / len(texts),
        running=_is_running(values),
        examples=_examples(values),
    )


def tags_perhaps(sample: Sequence[list[Cell]]) -> set[str]:
    """Of the values that profiles look at, as tags are written: those that may be tags."""
    width = min(max(map(len, sample), default=0), MOST_PROFILED)
    forms = (tag_form(value) for position in range(width) for value in _looked_at(sample, position))
    return {form for form in forms if form is not None}


def tag_form(cell: Cell) -> str | None:
    """A value as the contracts write a tag; None for one that is hardly a tag."""
    if not _TAG.fullmatch(_written(cell).strip()):
        return None
    try:
        return parse_asset_tag(cell)
    except PydanticCustomError:
        return None


def _looked_at(sample: Sequence[list[Cell]], position: int) -> list[Cell]:
    step = max(1, len(sample) // (2 * _MOST_VALUES))
    values = _filled(sample[::step], position)
    if len(values) < _MOST_VALUES and step > 1:
        values = _filled(sample, position)
    return values[:: len(values) // _MOST_VALUES + 1] if len(values) > _MOST_VALUES else values


def _filled(rows: Sequence[list[Cell]], position: int) -> list[Cell]:
    cells = (row[position] for row in rows if position < len(row))
    return [cell for cell in cells if cell is not None and not (isinstance(cell, str) and not cell.strip())]


def _says_nothing(cell: Cell) -> bool:
    return isinstance(cell, str) and cell.strip().casefold() in _BLANKS


def _is_running(values: Sequence[Cell]) -> bool:
    numbers = [int(text) for text in (_whole(value) for value in values) if text is not None]
    if len(numbers) < ENOUGH or len(numbers) < len(values):
        return False
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return len(steps) == 1 and steps != {0} and min(numbers) <= 1 and min(steps) > 0


def _whole(value: Cell) -> str | None:
    text = _written(value).strip().rstrip(".")
    return text if text.isascii() and text.isdigit() and len(text) < 10 else None


def _examples(values: Sequence[Cell]) -> tuple[str, ...]:
    shown = dict.fromkeys(_shown(value) for value in values)
    return tuple(list(shown)[:_MOST_EXAMPLES])


def _written(value: Cell) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST:
        return str(int(value))
    # Python refuses to write out very long whole numbers
    return "…" if isinstance(value, int) and abs(value) >= _LARGEST else str(value)


def _shown(value: Cell) -> str:
    if isinstance(value, datetime.datetime) and not (value.hour or value.minute or value.second):
        text = f"{value:%Y-%m-%d}"
    else:
        text = " ".join(_written(value).split())
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"
